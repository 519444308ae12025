import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryLog } from '../../../test/support/memory-log.ts';
import type { Command } from '../commands/command.ts';
import { ANONYMOUS } from '../shared/access.ts';
import { RedisOperations } from './redis-operations.ts';

type Choice = ConstructorParameters<typeof RedisOperations>[0];

const BATTERIES = { key: 'ids', fromKey: 'battery:{battery_id}:data', member: '{battery_id}' };

/** What each change of these commands means. */
async function operations(choice: Partial<Choice>, ...commands: readonly Command[]) {
  const log = new MemoryLog();
  const made = new RedisOperations({ channel: '{key}', payload: 'change', indexSet: null, ...choice });
  await log.submit({ commands, principal: ANONYMOUS });
  const { changes } = log.view.scan(0, 0, {
    until: log.view.head(0),
    changesMax: 100,
    bytesMax: 1e6,
    skipSuperseded: false,
    skipRemoves: false,
  });
  return changes.flatMap((change) => made.of(change, log.view.epochs));
}

const json = (key: string, data: string): Command => ({ op: 'put', key, value: { kind: 'json', data } });

test('a channel and a payload are templates of the key', async () => {
  assert.deepEqual(await operations({ payload: 'updates' }, json('battery:7:data', '{"soc":1}')), [
    { kind: 'publish', channel: 'battery:7:data', payload: 'updates' },
  ]);
  assert.deepEqual(await operations({ channel: 'all', payload: 'key={key}, {{text}}' }, json('a{b}', '1')), [
    { kind: 'publish', channel: 'all', payload: 'key=a{b}, {text}' },
  ]);
  assert.deepEqual(await operations({ channel: '' }, json('a', '1')), []);
});

test('the payload value is the value as it was written, and nothing where it was removed', async () => {
  const bytes = Buffer.from([0, 255, 10]);
  const made = await operations(
    { payload: 'value' },
    json('a', '{ "x": 1.0 }'),
    { op: 'put', key: 'b', value: { kind: 'binary', data: bytes, contentType: 'application/octet-stream' } },
    { op: 'remove', key: 'a' },
  );
  assert.deepEqual(
    made.map((each) => (each.kind === 'publish' ? each.payload : each)),
    ['{ "x": 1.0 }', bytes, ''],
  );
});

test('the payload kvupdater is the message that made the entry, number texts included', async () => {
  const stored = '{"updated":"2023-10-01T12:00:00Z","valid":null,"values":{"t":1.0}}';
  const made = await operations(
    { channel: 'update', payload: 'kvupdater' },
    json('wea"ther', stored),
    json('x', '[1.50]'),
    {
      op: 'remove',
      key: 'x',
    },
  );
  const [first, second, ...none] = made.map((each) => (each.kind === 'publish' ? String(each.payload) : ''));
  assert.equal(first, `{"type":"wea\\"ther",${stored.slice(1)}`);
  assert.match(second as string, /^\{"type":"x","updated":"[^"]+","valid":null,"values":\[1\.50\]\}$/);
  assert.deepEqual(none, [], 'its format has no word for a removal');
});

test('the set has what there is, before the message of it, whatever the id holds', async () => {
  const made = await operations(
    { payload: 'updates', indexSet: BATTERIES },
    ...['7', 'a:b', '{key}', '🔋', ' '].map((id) => json(`battery:${id}:data`, '{}')),
    json('battery::data', '{}'),
    json('other', '1'),
    { op: 'remove', key: 'battery:a:b:data' },
  );
  assert.deepEqual(
    made.filter((each) => each.kind !== 'publish'),
    [...['7', 'a:b', '{key}', '🔋', ' '].map((member) => ({ kind: 'add', member })), { kind: 'remove', member: 'a:b' }],
  );
  assert.equal(made[0]?.kind, 'add');
});

test('a member leads back to its key', () => {
  const made = new RedisOperations({ channel: '', payload: '', indexSet: { ...BATTERIES, member: 'id={battery_id}' } });
  assert.equal(made.keyOf('id=a:b'), 'battery:a:b:data');
  assert.equal(made.keyOf('somebody else’s'), undefined);
});
