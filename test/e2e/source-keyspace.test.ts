// A server that follows the keys of a Redis which knows nothing of it.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { freePort } from '../support/free-port.ts';
import { startRedis } from '../support/redis.ts';
import { ServerProcess } from '../support/server-process.ts';
import { SseClient } from '../support/sse-client.ts';
import { eventually } from '../support/waiting.ts';

const sourceOn = (url: string, more: object = {}) =>
  JSON.stringify([{ name: 'cache', kind: 'redis-keyspace', url, patterns: ['cache:*'], ...more }]);

describe('a source redis-keyspace on a running server', { timeout: 300_000 }, () => {
  for (const workers of ['0', '2'])
    test(`what others write there is an event of a watch, and what changed while it was dead is found, with ${workers} workers`, async (t) => {
      const redis = await startRedis(t);
      await redis.command('SET', 'cache:a', '1');
      await redis.command('SET', 'cache:gone', '1');
      const env = { LATCHKEY_SOURCES: sourceOn(redis.url), LATCHKEY_WORKERS: workers };
      const server = await ServerProcess.start({ env }, t);
      const watch = await SseClient.open(`${server.url}/v1/watch?prefix=cache:`);
      t.after(() => watch.close());
      await redis.command('HSET', 'cache:h', 'soc', '81');
      await watch.until('the hash', ({ data }) => data.includes('"key":"cache:h","value":{"soc":"81"}'));
      await redis.command('DEL', 'cache:h');
      await watch.until('its end', ({ data }) => data.includes('"op":"remove","key":"cache:h"'));
      await server.kill();
      await redis.command('DEL', 'cache:gone');
      await redis.command('SET', 'cache:a', '2');
      await server.restart();
      // Ready means compared: nothing has to be waited for.
      assert.equal(await (await fetch(`${server.url}/v1/keys/cache:a`)).text(), '2');
      assert.equal((await fetch(`${server.url}/v1/keys/cache:gone`)).status, 404);
      const { sources } = (await (await fetch(`${server.url}/v1/sources`)).json()) as {
        sources: Record<string, unknown>[];
      };
      assert.deepEqual([sources[0]?.holder, sources[0]?.mode, sources[0]?.deadLettered], [true, 'tracking', 0]);
    });

  test('/ready says what to run where a Redis tells nobody of its writes', async (t) => {
    const redis = await startRedis(t);
    const port = await freePort();
    const env = { LATCHKEY_SOURCES: sourceOn(redis.url, { mode: 'keyevents' }) };
    const waiting = ServerProcess.start({ env, port }, t);
    await eventually('the reason', async () => {
      const answer = await fetch(`http://127.0.0.1:${port}/ready`).catch(() => undefined);
      return /Run CONFIG SET notify-keyspace-events Eghxe\$ on it/.test((await answer?.text()) ?? '');
    });
    await redis.command('CONFIG', 'SET', 'notify-keyspace-events', 'Eghxe$');
    const server = await waiting;
    await redis.command('SET', 'cache:b', '1');
    await eventually('the key', async () => (await fetch(`${server.url}/v1/keys/cache:b`)).status === 200);
  });
});
