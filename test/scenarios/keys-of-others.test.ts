// The Redis has other users: keys that were there before Latchkey, of any type, and writes between any two of its steps.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Command, Outcome } from '@latchkey/client';
import { get, put, sendCommands } from '../support/http-client.ts';
import { type RedisProcess, startRedis } from '../support/redis.ts';
import { eventually, reasonOf, SharedScope, startNodes, untilAgree } from '../support/redis-nodes.ts';
import type { ServerProcess } from '../support/server-process.ts';

const shared = new SharedScope();
let redis: RedisProcess;
let nodes: readonly ServerProcess[];
const url = (node = 0) => (nodes[node] as ServerProcess).url;

before(async () => {
  redis = await startRedis(shared);
  nodes = await startNodes(shared, 2, redis.url);
});
after(() => shared.close());

async function one(command: Command, node = 0): Promise<Outcome> {
  return (await sendCommands(url(node), [command]))[0] as Outcome;
}

const outcomesOf = async (commands: readonly Command[], node = 0) =>
  (await sendCommands(url(node), commands)).map((each) => (each.outcome === 'refused' ? each.code : each.outcome));

describe('what was in the Redis before Latchkey', () => {
  test('loses no field of a JSON object that is merged for the first time', async () => {
    await redis.command('SET', 'before.object', '{"a":1,"b":{"c":2}}');
    assert.equal((await one({ op: 'merge', key: 'before.object', value: { a: 2 } })).outcome, 'applied');
    assert.deepEqual(JSON.parse(String(await redis.command('GET', 'before.object'))), { a: 2, b: { c: 2 } });
    assert.deepEqual((await get(url(), 'before.object')).json, { a: 2, b: { c: 2 } });
  });

  test('loses no field of a hash, and stays a hash', async () => {
    await redis.command('HSET', 'before.hash', 'temp', '21', 'unit', 'C');
    assert.equal((await one({ op: 'merge', key: 'before.hash', value: { temp: '22' } }, 1)).outcome, 'applied');
    assert.equal(await redis.command('TYPE', 'before.hash'), 'hash');
    assert.deepEqual({ ...((await redis.command('HGETALL', 'before.hash')) as object) }, { temp: '22', unit: 'C' });
  });

  test('is there for a condition: ifAbsent does not overwrite it', async () => {
    await redis.command('SET', 'before.there', '"first"');
    assert.equal((await one({ op: 'put', key: 'before.there', value: 'second', ifAbsent: true })).outcome, 'conflict');
    assert.equal(await redis.command('GET', 'before.there'), '"first"');
  });

  test('keeps its expiry over a merge', async () => {
    await redis.command('SET', 'before.expiring', '{"a":1}', 'EX', 1000);
    await one({ op: 'merge', key: 'before.expiring', value: { b: 2 } });
    assert.ok(Number(await redis.command('TTL', 'before.expiring')) > 900);
  });

  test('is there for ifPresent, and takes an expiry, though Latchkey never wrote it', async () => {
    await redis.command('MSET', 'before.present', '1', 'before.expired', '1');
    assert.equal((await one({ op: 'put', key: 'before.present', value: 2, ifPresent: true })).outcome, 'applied');
    assert.equal((await one({ op: 'expire', key: 'before.expired', ttl: 1000 }, 1)).outcome, 'applied');
    assert.ok(Number(await redis.command('TTL', 'before.expired')) > 900);
    assert.equal((await one({ op: 'put', key: 'before.nowhere', value: 2, ifPresent: true })).outcome, 'conflict');
  });

  test('goes when it is removed, also where Latchkey never wrote it', async () => {
    await redis.command('SET', 'before.removed', 'x');
    await one({ op: 'remove', key: 'before.removed' });
    assert.equal(await redis.command('EXISTS', 'before.removed'), 0);
    assert.equal((await get(url(1), 'before.removed')).status, 404);
  });
});

describe('one key that cannot be written, on which Redpanda’s and Kafka Connect’s Redis outputs stall and Debezium drops silently', () => {
  test('a list, set or stream is refused by its name, left as it is, and the rest of the batch is written', async () => {
    await redis.command('RPUSH', 'wrong.list', 'x', 'y');
    await redis.command('SADD', 'wrong.set', 'x');
    await redis.command('XADD', 'wrong.stream', '*', 'a', '1');
    const keys = ['wrong.before', 'wrong.list', 'wrong.between', 'wrong.set', 'wrong.stream', 'wrong.after'];
    const outcomes = await outcomesOf(keys.map((key) => ({ op: 'put', key, value: 1 })));
    assert.deepEqual(outcomes, ['applied', 'wrong-type', 'applied', 'wrong-type', 'wrong-type', 'applied']);
    assert.deepEqual(await redis.command('LRANGE', 'wrong.list', 0, -1), ['x', 'y']);
    assert.equal(await redis.command('GET', 'wrong.after'), '1');
    assert.equal((await put(url(1), 'wrong.list', 2)).status, 409);
    assert.equal((await get(url(), 'wrong.list')).status, 404, 'never counted as written');
    assert.equal(await reasonOf(nodes[0] as ServerProcess), undefined, 'one bad key does not make the node unready');
    await redis.command('DEL', 'wrong.list');
    assert.equal((await put(url(1), 'wrong.list', 2)).status, 200, 'and it is taken once the list is gone');
  });

  test('a batch that is atomic is refused whole, and nothing of it is there', async () => {
    await redis.command('RPUSH', 'whole.list', 'x');
    const commands = ['whole.a', 'whole.list', 'whole.b'].map((key) => ({ op: 'put', key, value: 1 }));
    const answer = await fetch(`${url()}/v1/commands?atomic=true`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(commands),
    });
    const text = await answer.text();
    assert.match(text, /wrong-type/);
    assert.doesNotMatch(text, /"applied"/);
    assert.equal(await redis.command('EXISTS', 'whole.a', 'whole.b'), 0);
  });
});

describe('the order of one batch, which Redis Kafka Connect turns around', () => {
  test('a put and then a remove of a key leave nothing; a remove and then a put leave the put', async () => {
    await put(url(), 'order.removed', 0);
    await put(url(), 'order.put', 0);
    const outcomes = await outcomesOf([
      { op: 'put', key: 'order.removed', value: 1 },
      { op: 'remove', key: 'order.removed' },
      { op: 'remove', key: 'order.put' },
      { op: 'put', key: 'order.put', value: 2 },
    ]);
    assert.deepEqual(outcomes, ['applied', 'applied', 'applied', 'applied']);
    assert.equal(await redis.command('EXISTS', 'order.removed'), 0);
    assert.equal(await redis.command('GET', 'order.put'), '2');
    const values = await untilAgree(nodes, (each) => each['order.put'] === 2);
    assert.ok(!('order.removed' in values));
  });
});

test('a late update, which Redis sinks let win over a newer one, changes nothing on any node, and is told', async () => {
  const newer = { op: 'put', key: 'late', value: 'new', updated: '2026-05-02T00:00:00Z' } as const;
  assert.equal((await one(newer)).outcome, 'applied');
  const older = { ...newer, value: 'old', updated: '2026-05-01T00:00:00Z' };
  assert.equal((await one(older, 0)).outcome, 'late');
  assert.equal((await one(older, 1)).outcome, 'late');
  assert.equal(await redis.command('GET', 'late'), '"new"');
  assert.deepEqual((await get(url(1), 'late')).json, 'new');
});

describe('other clients that write between any two steps', () => {
  const FOREIGN: readonly (readonly [what: string, command: (key: string) => readonly string[]])[] = [
    ['SET', (key) => ['SET', key, '{"x":"theirs"}']],
    ['DEL', (key) => ['DEL', key]],
    ['EXPIRE', (key) => ['PEXPIRE', key, '600000']],
  ];
  const STEPS: readonly ((key: string) => Command)[] = [
    (key) => ({ op: 'put', key, value: { x: 1 } }),
    (key) => ({ op: 'merge', key, value: { y: 2 } }),
    (key) => ({ op: 'expire', key, ttl: 300 }),
    (key) => ({ op: 'merge', key, value: { z: 3 } }),
    (key) => ({ op: 'remove', key }),
    (key) => ({ op: 'put', key, value: { x: 4 } }),
  ];

  for (const [what, foreign] of FOREIGN) {
    test(`a ${what} before every step disturbs neither the log nor any node`, async () => {
      const key = `between.${what}`;
      for (const [index, step] of STEPS.entries()) {
        await redis.command(...foreign(key));
        const outcome = await one(step(key), index % 2);
        assert.ok(['applied', 'duplicate'].includes(outcome.outcome), `step ${index}: ${JSON.stringify(outcome)}`);
      }
      const values = await untilAgree(nodes, (each) => (each[key] as { readonly x?: number })?.x === 4);
      assert.deepEqual(JSON.parse(String(await redis.command('GET', key))), values[key]);
    });
  }

  test('an HSET of another field of a hash is not undone by merges', async () => {
    await redis.command('HSET', 'between.hash', 'a', '1');
    for (let n = 0; n < 4; n += 1) {
      assert.equal((await one({ op: 'merge', key: 'between.hash', value: { a: `${n}` } }, n % 2)).outcome, 'applied');
      await redis.command('HSET', 'between.hash', `theirs${n}`, 'x');
    }
    const fields = Object.keys((await redis.command('HGETALL', 'between.hash')) as object);
    assert.deepEqual(fields.sort(), ['a', 'theirs0', 'theirs1', 'theirs2', 'theirs3']);
  });

  test('a key that expires in the Redis by itself expires once in the log', async () => {
    await one({ op: 'put', key: 'between.expiring', value: 1, ttl: 0.3 });
    const { json } = await eventually(
      'the removal of between.expiring',
      () => get(url(1), 'between.expiring', '?history=true'),
      ({ text }) => text.includes('"expired"'),
    );
    const { changes } = json as { readonly changes: readonly { readonly op: string; readonly reason?: string }[] };
    assert.deepEqual(changes.map(({ op, reason }) => reason ?? op).sort(), ['expired', 'put']);
    assert.equal(await redis.command('EXISTS', 'between.expiring'), 0);
  });
});
