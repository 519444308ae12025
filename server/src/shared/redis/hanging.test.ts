import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startRedis } from '../../../../test/support/redis.ts';
import { eventually } from '../../../../test/support/waiting.ts';
import { RedisConnection } from './connection.ts';

test('a server that takes a connection and says nothing is given up, and asked again', {
  timeout: 60_000,
}, async (t) => {
  const redis = await startRedis(t);
  redis.pause();
  let failures = 0;
  const place = { url: redis.url, sentinels: [], sentinelName: '', caFile: '' };
  const connection = new RedisConnection({
    ...{ place, name: 'test', answerMaxMs: 100, random: () => 0 },
    onDown: () => {
      failures += 1;
    },
  });
  t.after(() => connection.close());
  await eventually('two failures', () => failures >= 2);
  assert.match(String(connection.failure?.message), /can't be reached/);
  redis.resume();
  await connection.up(10_000);
  assert.equal(await connection.send(['PING']), 'PONG');
});
