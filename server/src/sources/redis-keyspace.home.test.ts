// The Redis that the log itself writes to: what others write there becomes changes, and what the log writes makes no further ones.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { put, submit } from '../../../test/conformance/log-tools.ts';
import { startRedis } from '../../../test/support/redis.ts';
import { eventually } from '../../../test/support/waiting.ts';
import { DEFAULT_SETTINGS } from '../config/settings.ts';
import { openRedisLog } from '../log/redis/open.ts';
import { openAccess } from '../shared/access.ts';
import { isLive } from '../shared/change.ts';
import { systemClock } from '../shared/clock.ts';
import { silentLogger } from '../shared/logger.ts';
import { LmdbView } from '../view/lmdb.ts';
import { RedisKeyspace } from './redis-keyspace.ts';

async function open(t: TestContext, mode: 'keyevents' | 'tracking') {
  const redis = await startRedis(t, { notifications: 'KEA' });
  const data = await mkdtemp(join(tmpdir(), 'latchkey-home-'));
  const faults: unknown[] = [];
  const parts = { clock: systemClock, reportFault: (_: string, error: unknown) => void faults.push(error) };
  const log = await openRedisLog({
    ...{ ...parts, access: openAccess, logger: silentLogger, openView: (options) => LmdbView.open(options) },
    settings: { ...DEFAULT_SETTINGS, data, log: { ...DEFAULT_SETTINGS.log, kind: 'redis', url: redis.url } },
  });
  const changes: string[] = [];
  log.view.onDurable((durable) => {
    for (const { key, op, reason, value } of durable)
      changes.push(op === 'remove' ? `${key} ${reason}` : `${key}=${value?.data.toString()}`);
  });
  const place = { url: redis.url, sentinels: [], sentinelName: 'mymaster', caFile: '' };
  const own = {
    name: 'home',
    kind: 'redis-keyspace',
    patterns: ['*'],
    keyPrefix: '',
    setNotifications: false,
  } as const;
  const source = new RedisKeyspace({
    ...{ ...parts, log, logger: silentLogger, random: Math.random, isOfLog: true, limits: DEFAULT_SETTINGS.limits },
    settings: { ...place, ...own, mode },
  });
  source.start();
  await eventually('the first scan', () => source.state().isReady && source.state().isHolder);
  return {
    ...{ redis, log, source, changes },
    value: (key: string) => {
      const entry = log.view.get(key);
      return entry !== undefined && isLive(entry, log.view.nowMicros()) ? entry.value?.data.toString() : undefined;
    },
    /** Whatever was noticed until now has been read. */
    async quiet() {
      const received = () => Number(source.state().received);
      await redis.command('SET', 'mark', `${received()} ${changes.length}`);
      const mark = String(await redis.command('GET', 'mark'));
      await eventually('the mark', () => changes.includes(`mark=${mark}`));
      await eventually('nothing waiting', () => source.state().waiting === 0 && source.state().lagMs === 0);
    },
    async close() {
      await source.close();
      await log.close();
      await rm(data, { recursive: true, force: true });
      assert.deepEqual(faults, []);
    },
  };
}

for (const mode of ['keyevents', 'tracking'] as const)
  describe(`redis-keyspace where the log is, by ${mode}`, { timeout: 300_000 }, () => {
    test('the log’s own writes make no further change', async (t) => {
      const home = await open(t, mode);
      const { changes, log } = home;
      for (let value = 1; value <= 100; value += 1) await submit(log, [put(`k.${value % 7}`, { n: value, x: 1.0 })]);
      await submit(log, [
        { op: 'merge', key: 'hash', patch: '{"soc":81,"on":true,"name":"b"}', as: 'hash' },
        { op: 'merge', key: 'hash', patch: '{"soc":82}' },
        put('short', 1, { ttlMicros: 60_000_000 }),
        { op: 'remove', key: 'k.1' },
      ]);
      await home.quiet();
      assert.equal(changes.filter((line) => !line.startsWith('mark')).length, 104);
      assert.equal(home.value('hash'), '{"soc":82,"on":true,"name":"b"}');
      await home.close();
    });

    test('what others write is a change once, and a number stays one', async (t) => {
      const home = await open(t, mode);
      const { changes, log, redis } = home;
      await submit(log, [put('temp', 21.5), { op: 'merge', key: 'hash', patch: '{"soc":81}', as: 'hash' }]);
      await redis.command('SET', 'temp', '22');
      await redis.command('HSET', 'hash', 'soc', '82', 'name', 'b');
      await redis.command('SET', 'new', 'text', 'PX', '60000');
      await eventually('all', () =>
        ['temp=22', 'hash={"soc":82,"name":"b"}', 'new=text'].every((line) => changes.includes(line)),
      );
      await redis.command('DEL', 'new');
      await eventually('the removal', () => changes.includes('new deleted'));
      await submit(log, [{ op: 'merge', key: 'hash', patch: '{"soc":83}' }]);
      await home.quiet();
      assert.deepEqual(await redis.command('HGET', 'hash', 'soc'), '83');
      assert.deepEqual(changes.filter((line) => !line.startsWith('mark')).sort(), [
        'hash={"soc":81}',
        'hash={"soc":82,"name":"b"}',
        'hash={"soc":83,"name":"b"}',
        'new deleted',
        'new=text',
        'temp=21.5',
        'temp=22',
      ]);
      await home.close();
    });

    test('others and the log write the same keys at once, and both end with the same', async (t) => {
      const home = await open(t, mode);
      const { changes, log, redis } = home;
      const writes: Promise<unknown>[] = [];
      for (let step = 0; step < 300; step += 1) {
        const key = `k.${step % 5}`;
        writes.push(submit(log, [step % 9 === 0 ? { op: 'remove', key } : put(key, step)]));
        if (step % 3 === 0) writes.push(redis.command('SET', key, `x${step}`));
        if (step % 11 === 0) writes.push(redis.command('DEL', key));
        if (step % 10 === 0) await Promise.all(writes.splice(0));
      }
      await Promise.all(writes);
      await home.quiet();
      const count = changes.length;
      for (let key = 0; key < 5; key += 1) {
        const there = await redis.command('GET', `k.${key}`);
        await eventually(`k.${key}`, () => (home.value(`k.${key}`) ?? null) === there);
      }
      await home.quiet();
      assert.ok(changes.length <= count + 2, 'nothing goes on by itself');
      await home.close();
    });
  });
