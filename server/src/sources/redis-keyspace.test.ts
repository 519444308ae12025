// What the source makes of a real Redis that others write.
import assert from 'node:assert/strict';
import { afterEach, describe, test } from 'node:test';
import { createClient } from '@redis/client';
import type { RedisOptions } from '../../../test/support/redis.ts';
import type { RedisKeyspaceSettings } from '../config/flow-settings.ts';
import type { Log } from '../log/log.ts';
import { systemClock } from '../shared/clock.ts';
import { neededFlags } from './redis-keyspace/notification-flags.ts';
import type { RedisKeyspaceParts } from './redis-keyspace.ts';
import { type KeyspaceProbe, makeKeyspaceProbe } from './redis-keyspace-probe.fixture.ts';
import type { Source } from './source.ts';

describe('the source redis-keyspace', { timeout: 300_000 }, () => {
  let probe: KeyspaceProbe;
  const open = async (options: RedisOptions = {}) => {
    probe = await makeKeyspaceProbe(options);
    return probe.redis;
  };
  const follow = async (
    settings: Partial<RedisKeyspaceSettings> = {},
    parts: Partial<RedisKeyspaceParts> = {},
  ): Promise<Source> => {
    const source = probe.makeSource(settings, parts);
    await probe.until('the first scan', () => source.state().isReady && source.state().isHolder);
    return source;
  };
  const has = (...lines: readonly string[]) =>
    probe.until(`${lines.join(', ')}`, () => lines.every((line) => probe.changes.includes(line)));
  const holds = (key: string, value: string | undefined) =>
    probe.until(`${key}=${value}`, () => probe.value(key) === value);
  afterEach(() => probe.close());

  for (const mode of ['keyevents', 'tracking'] as const)
    test(`by ${mode}: what others set, change, rename, expire and flush becomes changes`, async () => {
      const redis = await open({ notifications: 'Eg$hxe' });
      await redis.command('SET', 'before', '1');
      const source = await follow({ mode });
      assert.equal(source.state().mode, mode);
      assert.deepEqual(probe.changes, ['before=1']);
      await redis.command('SET', 'text', 'hallo');
      await redis.command('HSET', 'hash', 'soc', '81', 'name', 'b"7');
      await redis.command('SET', 'json', '{"temp":21.50}');
      await has('text=hallo', 'hash={"soc":"81","name":"b\\"7"}', 'json={"temp":21.50}');
      assert.equal(probe.log.view.get('hash')?.as, 'hash');
      await redis.command('HDEL', 'hash', 'name');
      await has('hash={"soc":"81"}');
      await redis.command('RENAME', 'text', 'renamed');
      await has('text deleted', 'renamed=hallo');
      await redis.command('APPEND', 'renamed', ' du');
      await has('renamed=hallo du');
      await redis.command('DEL', 'json');
      await has('json deleted');
      await redis.command('SET', 'short', '1', 'PX', '150');
      await has('short=1', 'short expired');
      await redis.command('PEXPIRE', 'renamed', '60000');
      await probe.until('the expiry', () => probe.log.view.get('renamed')?.expires !== undefined);
      await redis.command('PERSIST', 'renamed');
      await probe.until('no expiry', () => probe.log.view.get('renamed')?.expires === undefined);
      await redis.command('FLUSHALL');
      await has('renamed deleted', 'hash deleted', 'before deleted');
      assert.equal(probe.log.view.list({ limit: 10 }).entries.length, 0);
      assert.deepEqual(
        probe.told.filter((line) => !/were compared|all of them/.test(line)),
        [],
      );
    });

  test('a flush right behind the first comparing is found, however short the process has run', async () => {
    const redis = await open({ notifications: 'KEA' });
    await redis.command('SET', 'before', '1');
    const startMs = performance.now();
    const clock = { ...systemClock, monotonicMs: () => performance.now() - startMs };
    await follow({ mode: 'keyevents' }, { clock });
    await redis.command('FLUSHALL');
    await has('before deleted');
  });

  test('a key of another type, and what Latchkey keeps for itself, are left alone', async () => {
    const redis = await open({ notifications: 'KEA' });
    await redis.command('RPUSH', 'cache:list', 'a');
    await redis.command('HSET', 'latchkey:{main}:head', 'offset', '1');
    await redis.command('SET', 'cache:a', '1');
    await redis.command('SET', 'other', '1');
    const source = await follow({ patterns: ['cache:*', 'latchkey:*'], mode: 'keyevents' });
    await redis.command('SET', 'latchkey:{main}:turn', '1');
    await redis.command('RPUSH', 'cache:list', 'b');
    await redis.command('SET', 'other', '2');
    await redis.command('SET', 'cache:a', '2');
    await holds('cache:a', '2');
    assert.deepEqual(probe.changes, ['cache:a=1', 'cache:a=2']);
    assert.ok(Number(source.state().skipped) >= 1);
    const warned = probe.told.filter((line) => /not followed/.test(line));
    assert.equal(warned.length, 1, `told once: ${warned}`);
    assert.match(warned[0] as string, /keys of cache:\* hold a list, set or another type/);
    await redis.command('DEL', 'cache:a');
    await redis.command('SADD', 'cache:a', 'x');
    await holds('cache:a', undefined);
  });

  test('entries stand under the prefix of the source', async () => {
    const redis = await open();
    await redis.command('SET', 'cache:a', '1');
    await follow({ patterns: ['cache:*'], keyPrefix: 'east.' });
    await redis.command('SET', 'cache:b', '2');
    await holds('east.cache:b', '2');
    await redis.command('DEL', 'cache:a');
    await holds('east.cache:a', undefined);
    assert.deepEqual(probe.changes, ['east.cache:a=1', 'east.cache:b=2', 'east.cache:a deleted']);
  });

  for (const mode of ['keyevents', 'tracking'] as const)
    test(`by ${mode}: after a cut every difference is observed once`, async () => {
      const redis = await open({ notifications: 'KEA' });
      for (const key of ['stays', 'changes', 'goes', 'flips']) await redis.command('SET', key, '1');
      await redis.command('SET', 'lives', '1', 'EX', '100');
      await redis.command('HSET', 'hash', 'a', '1', 'b', '2');
      await follow({ mode });
      await probe.log.submit({
        commands: [{ op: 'put', key: 'own', value: { kind: 'json', data: '1' } }],
        principal: { id: 'anonymous' },
      });
      const before = probe.changes.length;
      // Nobody is told of what happens in a transaction that kills its listeners first.
      const admin = createClient({ url: redis.url, RESP: 2 });
      await admin.connect();
      try {
        await admin.sendCommand(['MULTI']);
        for (const type of ['pubsub', 'normal'])
          await admin.sendCommand(['CLIENT', 'KILL', 'TYPE', type, 'SKIPME', 'yes']);
        await admin.sendCommand(['SET', 'changes', '2']);
        await admin.sendCommand(['DEL', 'goes']);
        await admin.sendCommand(['SET', 'flips', '2']);
        await admin.sendCommand(['SET', 'flips', '1']);
        await admin.sendCommand(['SET', 'comes', '1']);
        await admin.sendCommand(['EXEC']);
      } finally {
        admin.destroy();
      }
      await has('changes=2', 'goes deleted', 'comes=1');
      await redis.command('SET', 'last', '1');
      await has('last=1');
      assert.deepEqual(probe.changes.slice(before).sort(), ['changes=2', 'comes=1', 'goes deleted', 'last=1']);
      assert.equal(probe.value('own'), '1', 'what others wrote to Latchkey never was in that Redis');
    });

  test('while the Redis is gone it says so, and what happened meanwhile is found when it is back', async () => {
    const redis = await open({ appendonly: true });
    await redis.command('SET', 'a', '1');
    const source = await follow();
    await redis.kill9();
    await probe.until('the reason', () => !source.state().isReady);
    await probe.until('who', () => /can't be reached|connection/.test(String(source.state().reason)));
    await redis.restart({ withData: false });
    await redis.command('SET', 'b', '2');
    await holds('b', '2');
    await probe.until('ready', () => source.state().isReady);
    assert.equal(probe.value('a'), undefined);
  });

  test('notifications that are off are said with what to run, and set where that is wanted', async () => {
    const redis = await open({ notifications: 'K$' });
    const strict = probe.makeSource({ mode: 'keyevents' });
    await probe.until('the reason', () => /notify-keyspace-events/.test(String(strict.state().reason)));
    assert.match(
      String(strict.state().reason),
      /does not tell of every write: notify-keyspace-events is "\$K" there\. Run CONFIG SET notify-keyspace-events KEghxe\$ on it/,
    );
    assert.equal(strict.state().isReady, false);
    await strict.close();
    await redis.command('SET', 'a', '1');
    await follow({ mode: 'keyevents', setNotifications: true });
    await redis.command('SET', 'b', '1');
    await holds('b', '1');
    const flags = await redis.command('CONFIG', 'GET', 'notify-keyspace-events');
    assert.equal(neededFlags(/"([^"]*)"[}\]]+$/.exec(JSON.stringify(flags))?.[1] ?? ''), undefined);
  });

  test('notifications that somebody turns off are noticed', async () => {
    const redis = await open({ notifications: 'KEA' });
    const source = await follow({ mode: 'keyevents' });
    await redis.command('CONFIG', 'SET', 'notify-keyspace-events', '');
    await probe.until('the reason', () => /Run CONFIG SET/.test(String(source.state().reason)));
    await redis.command('SET', 'a', '1');
    await redis.command('CONFIG', 'SET', 'notify-keyspace-events', 'EA');
    await holds('a', '1');
    await probe.until('ready', () => source.state().isReady);
  });

  test('a user who may neither track nor see the settings is served by events, and told', async () => {
    const redis = await open({
      notifications: 'KEA',
      acl: [
        'user reader on >pw ~* &__keyevent@0__:* +@read +@connection +@pubsub +@transaction +info -client|tracking',
      ],
    });
    const source = await follow({ url: redis.url.replace('redis://', 'redis://reader:pw@') });
    assert.equal(source.state().mode, 'keyevents');
    assert.ok(probe.told.some((line) => /tracking is refused there \("NOPERM"\)/.test(line)));
    assert.ok(probe.told.some((line) => /does not let this user see notify-keyspace-events/.test(line)));
    await redis.command('SET', 'a', '1');
    await holds('a', '1');
  });

  for (const mode of ['keyevents', 'tracking'] as const)
    test(`by ${mode}: the rights that docs/sources.md names are enough`, async () => {
      const rights = '~cache:* &__keyevent@0__:* +@read +@connection +@transaction +@pubsub +info +config|get';
      const redis = await open({ notifications: 'KEA', acl: [`user reader on >pw ${rights}`] });
      await redis.command('SET', 'other', '1');
      await redis.command('HSET', 'cache:h', 'a', '1');
      const url = redis.url.replace('redis://', 'redis://reader:pw@');
      const source = await follow({ mode, url, patterns: ['cache:*'] });
      assert.equal(source.state().mode, mode);
      await redis.command('SET', 'cache:a', '1');
      await has('cache:h={"a":"1"}', 'cache:a=1');
      await redis.command('FLUSHALL');
      await has('cache:h deleted', 'cache:a deleted');
      assert.deepEqual(
        probe.told.filter((line) => !/were compared|all of them/.test(line)),
        [],
      );
    });

  test('tracking that can’t be had is said, where nothing else is wanted', async () => {
    const redis = await open({ acl: ['user reader on >pw ~* &* +@all -client|tracking'] });
    const source = probe.makeSource({ mode: 'tracking', url: redis.url.replace('redis://', 'redis://reader:pw@') });
    await probe.until('the reason', () => /permit/.test(String(source.state().reason)));
    assert.equal(source.state().isReady, false);
    assert.doesNotMatch(String(source.state().reason), /pw/);
  });

  test('20,000 keys are compared page by page, while what changes meanwhile is read', async () => {
    const redis = await open({ notifications: 'KEA' });
    const names = Array.from({ length: 20_000 }, (_, index) => `k.${index}`);
    for (let at = 0; at < names.length; at += 2000)
      await redis.command('MSET', ...names.slice(at, at + 2000).flatMap((name) => [name, 'v']));
    let largest = 0;
    const submit = probe.log.submit.bind(probe.log);
    const counted = new Proxy(probe.log, {
      get(target, property) {
        const value: unknown = Reflect.get(target, property, target);
        if (property === 'submit')
          return (batch: Parameters<typeof submit>[0]) => {
            largest = Math.max(largest, batch.commands.length);
            return submit(batch);
          };
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
    const source = probe.makeSource({}, { log: counted });
    await probe.until('progress', () => /of 20000 in that Redis/.test(String(source.state().reason)));
    assert.equal(source.state().isReady, false);
    await redis.command('SET', 'k.19999', 'changed');
    await redis.command('SET', 'new', 'v');
    await probe.until('the first scan', () => source.state().isReady);
    await holds('k.19999', 'changed');
    await holds('new', 'v');
    assert.equal(probe.log.view.counts().keys, 20_001);
    assert.ok(largest <= 1000, `${largest} observations in one step`);
    assert.ok(probe.changes.length <= 20_003, `${probe.changes.length} changes`);
    await redis.command('DEL', ...names.slice(0, 1000));
    await probe.until('what was deleted', () => probe.log.view.counts().keys === 19_001);
  });

  test('more names than may wait are made up for by a scan, and that is told', async () => {
    const redis = await open({ notifications: 'KEA' });
    const source = await follow({ mode: 'keyevents' }, { noticedKeysMax: 50 });
    await redis.command('MSET', ...Array.from({ length: 500 }, (_, index) => [`k.${index}`, 'v']).flat());
    await probe.until('all of them', () => probe.log.view.counts().keys === 500);
    assert.ok(probe.told.some((line) => /more than 50 keys wait to be read, so all of them are compared/.test(line)));
    await redis.command('DEL', ...Array.from({ length: 400 }, (_, index) => `k.${index}`));
    await probe.until('what was deleted', () => probe.log.view.counts().keys === 100);
    await probe.until('no lag', () => source.state().lagMs === 0);
  });

  test('a key that changes a thousand times is read as often as the log takes it, and ends right', async () => {
    const redis = await open();
    await follow();
    await Promise.all(Array.from({ length: 1000 }, () => redis.command('INCR', 'counter')));
    await holds('counter', '1000');
    const values = probe.changes.map((line) => Number(line.split('=')[1]));
    assert.deepEqual(
      values,
      values.toSorted((one, other) => one - other),
    );
    assert.ok(values.length <= 1000);
  });

  test('whoever takes over compares everything, and one node at a time submits', async () => {
    const redis = await open();
    const as = (node: string) => {
      const own: Partial<Log> = {
        node,
        leases: { acquire: (name, _, ttlMs) => probe.log.leases.acquire(name, node, ttlMs) },
      };
      return new Proxy(probe.log, {
        get(target, property) {
          const value: unknown = own[property as keyof typeof own] ?? Reflect.get(target, property, target);
          return typeof value === 'function' && !(property in own) ? value.bind(target) : value;
        },
      });
    };
    const first = await follow({}, { log: as('a'), leaseTtlMs: 300 });
    const second = probe.makeSource({}, { log: as('b'), leaseTtlMs: 300 });
    await probe.until('a standby', () => second.state().isReady);
    for (let value = 1; value <= 20; value += 1) await redis.command('SET', 'a', value);
    await holds('a', '20');
    const closed = first.close();
    await redis.command('SET', 'b', '1');
    await redis.command('DEL', 'a');
    await closed;
    await probe.until('another holder', () => second.state().isHolder && second.state().isReady);
    await redis.command('SET', 'c', '1');
    await holds('c', '1');
    assert.deepEqual([probe.value('a'), probe.value('b')], [undefined, '1']);
    assert.equal(probe.changes.filter((line) => line.startsWith('b=')).length, 1);
  });

  test('bytes, long values and odd names are as they are, or told', async () => {
    const redis = await open({ notifications: 'KEA' });
    const client = createClient({ url: redis.url, RESP: 2 });
    await client.connect();
    try {
      await client.sendCommand(['SET', 'bytes', Buffer.from([0, 255, 10])]);
      await client.sendCommand(['SET', Buffer.from([0x6b, 0xff]), 'x']);
      await client.sendCommand(['SET', 'long', 'x'.repeat(2 * 1024 * 1024)]);
      await client.sendCommand(['HSET', 'hash', 'f', Buffer.from([0xff])]);
      await client.sendCommand(['SET', 'a b"ü\u2028', '{"x":1}']);
      const source = await follow();
      assert.deepEqual(probe.log.view.get('bytes')?.value?.data, Buffer.from([0, 255, 10]));
      assert.equal(probe.value('a b"ü\u2028'), '{"x":1}');
      assert.equal(probe.log.view.counts().keys, 2);
      assert.equal(source.state().skipped, 3);
      const warned = probe.told.filter((line) => /not followed/.test(line)).join();
      for (const what of [/limits\.valueBytesMax/, /fields that are no UTF-8/, /limits\.keyBytesMax/])
        assert.match(warned, what);
      await client.sendCommand(['SET', 'long', 'short']);
      await holds('long', 'short');
    } finally {
      client.destroy();
    }
  });

  test('the same keys with their expiries make no change when they are compared again', async () => {
    const redis = await open();
    for (let index = 0; index < 50; index += 1) {
      await redis.command('SET', `e.${index}`, `{"n": ${index}}`, 'PX', 100_000 + index * 7);
      await redis.command('HSET', `h.${index}`, ...Array.from({ length: 20 }, (_, at) => [`f${at}`, at]).flat());
    }
    const source = await follow();
    const before = probe.changes.length;
    for (let round = 0; round < 3; round += 1) {
      const scans = Number(source.state().scans);
      await redis.command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
      await probe.until('another scan', () => Number(source.state().scans) > scans && source.state().isReady);
    }
    assert.equal(probe.changes.length, before);
  });

  test('a Redis that hangs is noticed, and what it takes afterwards is found', async () => {
    const redis = await open();
    const source = await follow();
    redis.pause();
    await probe.until('the reason', () => /did not answer|can't be reached/.test(String(source.state().reason)));
    assert.equal(source.state().isReady, false);
    redis.resume();
    await redis.command('SET', 'a', '1');
    await holds('a', '1');
    await probe.until('ready', () => source.state().isReady);
  });

  test('closes at once, also while the Redis does not answer', async () => {
    const redis = await open();
    const source = await follow();
    redis.pause();
    await source.close();
    assert.equal(source.state().isHolder, false);
  });
});
