// Entries of a Redis stream that two nodes read together. Dapr's subscribers acknowledge an entry whose handler failed, and Redpanda's
// input never asks for what a dead consumer was given: either way it is gone.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ask, get } from '../support/http-client.ts';
import { type RedisProcess, startRedis } from '../support/redis.ts';
import { eventually, startNodes, untilAgree } from '../support/redis-nodes.ts';
import type { ServerProcess } from '../support/server-process.ts';

const STREAM = 'in';
const GROUP = 'latchkey';

const send = (redis: RedisProcess, message: unknown) =>
  redis.command('XADD', STREAM, '*', 'message', typeof message === 'string' ? message : JSON.stringify(message));
const put = (key: string, value: unknown) => ({ op: 'put', key, value });

async function pending(redis: RedisProcess): Promise<number> {
  const [count] = (await redis.command('XPENDING', STREAM, GROUP)) as readonly unknown[];
  return Number(count);
}

async function untilAcknowledged(redis: RedisProcess): Promise<void> {
  await eventually(
    'every entry is acknowledged',
    () => pending(redis),
    (count) => count === 0,
  );
}

async function reasonsAt(node: ServerProcess): Promise<readonly string[]> {
  const { json } = await ask(`${node.url}/v1/dead-letters`);
  const { deadLetters } = json as { readonly deadLetters: readonly { readonly reason: { readonly code: string } }[] };
  return deadLetters.map(({ reason }) => reason.code).sort();
}

test('an entry that fails is parked before it is acknowledged, the others flow, and what a dead consumer held is claimed', async (t) => {
  const redis = await startRedis(t, { memoryPolicy: 'noeviction' });
  await redis.command('XGROUP', 'CREATE', STREAM, GROUP, '0', 'MKSTREAM');
  await send(redis, put('s.claimed', 1));
  await redis.command('XREADGROUP', 'GROUP', GROUP, 'dead', 'COUNT', 1, 'STREAMS', STREAM, '>');
  await redis.command('RPUSH', 's.list', 'x');
  const source = { name: 'in', kind: 'redis-stream', url: redis.url, streams: [STREAM], field: 'message' };
  const nodes = await startNodes(t, 2, redis.url, {
    LATCHKEY_SOURCES: JSON.stringify([{ ...source, format: { kind: 'command' } }]),
  });

  await send(redis, '{"op":');
  await send(redis, put('s.list', 2));
  await send(redis, put('s.after', 3));
  assert.deepEqual(await untilAgree(nodes, (values) => 's.after' in values), { 's.after': 3, 's.claimed': 1 });
  await untilAcknowledged(redis);
  for (const node of nodes) {
    const reasons = await eventually(
      'both are parked',
      () => reasonsAt(node),
      ({ length }) => length === 2,
    );
    assert.deepEqual(reasons, ['invalid-json', 'wrong-type']);
  }

  // In one moment: the entry, and a Redis that takes nothing more.
  await redis.command('MULTI');
  await send(redis, put('s.full', 4));
  await redis.command('CONFIG', 'SET', 'maxmemory', 1);
  await redis.command('EXEC');
  await eventually(
    'the entry is held and can not be written',
    () => pending(redis),
    (count) => count === 1,
  );
  assert.equal((await get(nodes[0]?.url ?? '', 's.full')).status, 404);
  await redis.command('CONFIG', 'SET', 'maxmemory', 0);
  await untilAgree(nodes, (values) => values['s.full'] === 4);
  await untilAcknowledged(redis);
  assert.equal((await get(nodes[1]?.url ?? '', 's.full')).text, '4');
});
