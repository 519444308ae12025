import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import { logSuite } from '../../../test/conformance/log.suite.ts';
import { type RedisProcess, startRedis } from '../../../test/support/redis.ts';
import { makeRedisProbe } from './redis-probe.fixture.ts';

let redis: RedisProcess;
const ends: (() => unknown)[] = [];
before(async () => {
  redis = await startRedis({ after: (end) => ends.push(end) });
});
after(async () => {
  for (const end of ends) await end();
});

logSuite('redis', async () => {
  const probe = await makeRedisProbe(redis);
  const close = async () => {
    await probe.close();
    assert.deepEqual(probe.faults, [], 'no fault was reported');
  };
  return { ...probe, close };
});
