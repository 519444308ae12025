import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { jsonOf, moment, one, put, submit } from '../../../test/conformance/log-tools.ts';
import type { Command } from '../commands/command.ts';
import { everyEntry, nodesForEach, reaches, shows } from './redis-nodes.fixture.ts';

const merge = (key: string, patch: unknown): Command => ({ op: 'merge', key, patch: JSON.stringify(patch) });

describe('keys that others have at the same Redis', () => {
  const world = nodesForEach();

  test('are taken in before they are first decided: no field is lost', async () => {
    const { redis } = world.nodes;
    await redis.command('HSET', 'battery:1:data', 'soc', '81', 'name', 'north');
    await redis.command('SET', 'sensor', '{"temp":21.5,"unit":"C"}');
    await redis.command('SET', 'plain', 'text', 'EX', '100');
    const log = await world.nodes.start();
    assert.equal((await one(log, merge('battery:1:data', { soc: '82' }))).outcome, 'applied');
    assert.deepEqual(await redis.command('HMGET', 'battery:1:data', 'soc', 'name'), ['82', 'north']);
    assert.equal(log.view.get('battery:1:data')?.as, 'hash');
    await one(log, merge('sensor', { temp: 22 }));
    assert.equal(await redis.command('GET', 'sensor'), '{"temp":22,"unit":"C"}');
    assert.equal((await one(log, put('plain', 'new', { ifAbsent: true }))).outcome, 'conflict');
    assert.ok((log.view.get('plain')?.expires ?? 0) > log.view.nowMicros());
    assert.equal((await one(log, { op: 'remove', key: 'plain' })).outcome, 'applied');
    assert.equal(await redis.command('EXISTS', 'plain'), 0);
  });

  test('make no message late that was sent before they were met', async () => {
    const { redis } = world.nodes;
    await redis.command('MSET', 'weather', '{"temp":1}', 'kept', '{"temp":1}');
    await redis.command('HSET', 'battery:1:data', 'name', 'north');
    const log = await world.nodes.start();
    const at = (second: number) => ({ updated: moment(Date.UTC(2026, 0, 1, 0, 0, second) * 1000) });
    const { outcomes } = await submit(log, [
      put('weather', { temp: 2 }, at(2)),
      // What is newer than that is decided as ever.
      put('weather', { temp: 0 }, at(1)),
      { ...merge('battery:1:data', { soc: '82' }), ...at(2) },
    ]);
    assert.deepEqual(
      outcomes.map(({ outcome }) => outcome),
      ['applied', 'late', 'applied'],
    );
    assert.equal(await redis.command('GET', 'weather'), '{"temp":2}');
    assert.deepEqual(await redis.command('HMGET', 'battery:1:data', 'name', 'soc'), ['north', '82']);
    // Over what others wrote or removed since, too; but not where the log itself had something newer.
    await redis.command('SET', 'weather', '{"temp":3}');
    assert.equal((await one(log, put('weather', { temp: 0 }, at(1)))).outcome, 'late');
    assert.equal(await redis.command('GET', 'weather'), '{"temp":3}');
    await redis.command('DEL', 'battery:1:data');
    assert.equal((await one(log, { ...merge('battery:1:data', { soc: '83' }), ...at(3) })).outcome, 'applied');
    assert.deepEqual(jsonOf(log, 'battery:1:data'), { soc: '83' });
  });

  test('are looked at before a command comes to nothing because the log never had the key', async () => {
    const log = await world.nodes.start();
    await world.nodes.redis.command('MSET', 'a', 'x', 'b', 'x', 'c', 'x');
    const { outcomes } = await submit(log, [
      { op: 'remove', key: 'a' },
      { op: 'expire', key: 'b', ttlMicros: 60_000_000 },
      put('c', 1, { ifPresent: true }),
      put('nothing', 1, { ifPresent: true }),
    ]);
    assert.deepEqual(
      outcomes.map(({ outcome }) => outcome),
      ['applied', 'applied', 'applied', 'conflict'],
    );
    assert.deepEqual(await world.nodes.redis.command('MGET', 'a', 'b', 'c'), [null, 'x', '1']);
    assert.ok(Number(await world.nodes.redis.command('PTTL', 'b')) > 0);
  });

  test('keep fields that another client wrote between two merges', async () => {
    const log = await world.nodes.start();
    await one(log, put('h', { a: 1 }, { as: 'hash' }));
    await world.nodes.redis.command('HSET', 'h', 'theirs', 'x');
    await one(log, merge('h', { b: 2 }));
    assert.deepEqual(await world.nodes.redis.command('HMGET', 'h', 'a', 'b', 'theirs'), ['1', '2', 'x']);
    await world.nodes.redis.command('DEL', 'h');
    await one(log, merge('h', { c: 3 }));
    // What was deleted there is gone, also what the log knew of it.
    assert.equal(await world.nodes.redis.command('GET', 'h'), '{"c":3}');
    assert.deepEqual(jsonOf(log, 'h'), { c: 3 });
  });

  test('are observed as they are, not as they were when a source read them, and not written back', async () => {
    const log = await world.nodes.start();
    await one(log, put('k', 1));
    await world.nodes.redis.command('SET', 'k', 'theirs');
    const old = { kind: 'text', data: 'old', contentType: 'text/plain' } as const;
    await one(log, { op: 'observe', key: 'k', found: old, isAtHome: true });
    assert.equal(log.view.get('k')?.value?.data, 'theirs');
    assert.equal(await world.nodes.redis.command('GET', 'k'), 'theirs');
    await world.nodes.redis.command('DEL', 'k');
    await one(log, { op: 'observe', key: 'k', found: undefined, isAtHome: true });
    assert.equal(log.view.get('k')?.op, 'remove');
    const head = log.view.head(0);
    assert.equal((await one(log, { op: 'observe', key: 'k', found: undefined, isAtHome: true })).outcome, 'duplicate');
    assert.equal(log.view.head(0), head);
  });

  test('of another type are left alone: their commands are refused, and the others flow', async () => {
    await world.nodes.redis.command('LPUSH', 'list', 'x');
    const log = await world.nodes.start();
    const { outcomes } = await submit(log, [put('a', 1), put('list', 1), put('b', 1)]);
    assert.deepEqual(
      outcomes.map((outcome) => (outcome.outcome === 'refused' ? outcome.code : outcome.outcome)),
      ['applied', 'wrong-type', 'applied'],
    );
    await one(log, put('was', 1, { ttlMicros: 1_000_000 }));
    await world.nodes.redis.command('DEL', 'was');
    await world.nodes.redis.command('SADD', 'was', 'member');
    const later = await one(log, merge('was', { a: 1 }));
    assert.equal(later.outcome === 'refused' && later.code, 'wrong-type');
    await shows(log, () => log.view.get('was')?.op === 'remove');
    assert.deepEqual(await world.nodes.redis.command('SMEMBERS', 'was'), ['member']);
    assert.equal(await world.nodes.redis.command('LLEN', 'list'), 1);
  });

  test('that are the log’s own are refused', async () => {
    const log = await world.nodes.start();
    const outcome = await one(log, put('latchkey:main:head', 1));
    assert.equal(outcome.outcome === 'refused' && outcome.code, 'key-invalid');
  });

  test('that changed unseen are taken in before a node is ready that fills its view', async () => {
    const a = await world.nodes.start();
    await submit(a, [put('same', 1), put('changed', 1), put('gone', 1), put('flat', { a: 1 }, { as: 'hash' })]);
    await world.nodes.redis.command('SET', 'changed', 'theirs');
    await world.nodes.redis.command('DEL', 'gone');
    await world.nodes.redis.command('HSET', 'flat', 'b', '2');
    await world.nodes.redis.command('XTRIM', 'latchkey:main:changes', 'MAXLEN', '0');
    const b = await world.nodes.start();
    assert.equal(b.state().isReady, true);
    assert.deepEqual(
      [b.view.get('changed')?.value?.data, b.view.get('gone')?.op, jsonOf(b, 'flat')],
      ['theirs', 'remove', { a: '1', b: '2' }],
    );
    await reaches(a, b);
    const plain = (log: typeof a) =>
      everyEntry(log).map(({ key, op, offset, value }) => [key, op, offset, value?.data]);
    assert.deepEqual(plain(a), plain(b));
  });
});
