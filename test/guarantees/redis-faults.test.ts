// Every fault to a Redis does what it says to somebody who writes, and what was answered is there afterwards.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RedisConnection } from '../../server/src/shared/redis/connection.ts';
import { replyCode } from '../../server/src/shared/redis/error.ts';
import { FaultProxy } from '../support/fault-proxy.ts';
import { startRedis } from '../support/redis.ts';
import { Random, shuffle } from './random.ts';
import { LOSSLESS, REDIS_FAULTS, type RedisFault, RedisFaults } from './redis-faults.ts';

const SCRIPT = "redis.call('SET', KEYS[1], ARGV[1]) return redis.sha1hex('')";
const SEED = 20261130;

test('a Redis that is killed, frozen, busy, full, read-only or replaced keeps what it answered for, and each of it bites', async (t) => {
  const primary = await startRedis(t, LOSSLESS);
  const replica = await startRedis(t, { ...LOSSLESS, replicaOf: primary });
  const link = await FaultProxy.start(primary.port);
  t.after(() => link.close());
  const place = { url: `redis://127.0.0.1:${link.port}`, sentinels: [], sentinelName: '', caFile: '' };
  const connection = new RedisConnection({ place, name: 'latchkey-test' });
  t.after(() => connection.close());
  let [sent, answered] = [0, 0];
  let isWriting = true;
  t.after(() => {
    isWriting = false;
  });
  let digest = '';
  const told = new Set<string>();
  const writing = (async () => {
    while (isWriting) {
      sent += 1;
      try {
        await connection.up(10_000);
        if (digest === '') digest = String(await connection.send(['SCRIPT', 'LOAD', SCRIPT]));
        await connection.send(['EVALSHA', digest, '1', 'count', String(sent)]);
        answered = sent;
      } catch (error) {
        const code = replyCode(error) ?? 'no answer';
        told.add(code);
        if (code === 'NOSCRIPT') digest = '';
        if (code === 'READONLY') connection.renew(connection.translate(error, 'to write'));
        await new Promise((done) => setImmediate(done));
      }
    }
  })();
  const faults = new RedisFaults({ primary, replica, links: [link] });
  const random = new Random(SEED);
  const kinds = Object.keys(REDIS_FAULTS) as RedisFault[];
  for (const kind of [...shuffle(random, kinds), 'redis: fail over', 'redis: kill'] as const) {
    const bites = await REDIS_FAULTS[kind](faults, random);
    assert.ok(bites > 0, kind);
    const before = answered;
    while (answered === before) await new Promise((done) => setImmediate(done));
    const kept = Number(await faults.primary.command('GET', 'count'));
    assert.ok(kept >= before, `${kind}: ${before} was answered, and ${kept} is there`);
  }
  isWriting = false;
  await writing;
  assert.equal(Number(await faults.primary.command('GET', 'count')), sent);
  for (const code of ['NOSCRIPT', 'OOM', 'READONLY', 'NOREPLICAS']) assert.ok(told.has(code), [...told].join());
});
