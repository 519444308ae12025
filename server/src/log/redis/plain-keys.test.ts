import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { redisPrograms } from '../../../../test/support/redis.ts';
import type { Scope } from '../../../../test/support/server-process.ts';
import type { Found, KeyWrite } from './redis-store.ts';
import { type StoreWorld, storeWorld } from './store-world.fixture.ts';
import { json, type Wish, type Writer } from './writer.fixture.ts';

const MIB = 1024 * 1024;
const HOUR_MICROS = 3_600_000_000;

const hashWish = (
  value: Readonly<Record<string, string>>,
  plain: Partial<Extract<KeyWrite['plain'], { kind: 'hash' }>>,
): Wish => ({
  key: 'h',
  as: 'hash',
  value: json(value),
  plain: { kind: 'hash', isWhole: false, set: [], removed: [], expires: undefined, ...plain },
});

for (const { path: program, version } of redisPrograms()) {
  describe(`on Redis ${version}`, () => {
    const start = async (t: Scope): Promise<StoreWorld & { readonly writer: Writer }> => {
      const world = await storeWorld(t, { program });
      return { ...world, writer: await world.open() };
    };

    const found = async (writer: Writer, key: string) => (await writer.store.find([key]))[0] as Found;

    test('an expiry is the key’s own, is taken away by a put without one, and set alone', async (t) => {
      const { redis, writer } = await start(t);
      const { timeMicros } = await writer.store.facts();
      const expires = timeMicros + HOUR_MICROS + 1;
      await writer.put({ key: 'a', expires });
      const seen = await found(writer, 'a');
      assert.ok(seen.kind === 'string' && Math.abs((seen.expires ?? 0) - expires) <= 10_000);
      await writer.put({ key: 'a' });
      assert.equal(await redis.command('PTTL', 'a'), -1);
      await writer.put({ key: 'a', expires, plain: { kind: 'expiry', expires } });
      assert.ok(Number(await redis.command('PTTL', 'a')) > 3_500_000);
      await writer.put({ key: 'a', plain: { kind: 'expiry', expires: undefined } });
      assert.equal(await redis.command('PTTL', 'a'), -1);
      await writer.put({ key: 'a', expires: timeMicros - HOUR_MICROS });
      assert.equal(await redis.command('EXISTS', 'a'), 0);
      await writer.put({ key: 'b', expires: -5 });
      assert.equal(await redis.command('EXISTS', 'b'), 0);
    });

    test('a key is removed, or left as it is', async (t) => {
      const { redis, writer } = await start(t);
      await writer.put({ key: 'a' }, { key: 'b' });
      await writer.put({ key: 'a', op: 'remove' }, { key: 'b', op: 'stale', plain: { kind: 'none' } });
      assert.deepEqual(await redis.command('KEYS', '[ab]'), ['b']);
    });

    test('a hash is changed field by field, and others’ fields stay', async (t) => {
      const { redis, writer } = await start(t);
      await writer.put(
        hashWish(
          { a: '1', b: '2' },
          {
            isWhole: true,
            set: [
              ['a', '1'],
              ['b', '2'],
            ],
          },
        ),
      );
      await redis.command('HSET', 'h', 'foreign', 'x');
      await writer.put(hashWish({ a: '3' }, { set: [['a', '3']], removed: ['b'] }));
      assert.deepEqual(
        { ...((await redis.command('HGETALL', 'h')) as object) },
        Object.fromEntries([
          ['a', '3'],
          ['foreign', 'x'],
        ]),
      );
      const many = Array.from({ length: 5000 }, (_, index): [string, string] => [`f${index}`, `${index}`]);
      await writer.put(hashWish({}, { set: many }));
      assert.equal(await redis.command('HLEN', 'h'), 5002);
      await writer.put(hashWish({}, { removed: many.map(([name]) => name) }));
      assert.equal(await redis.command('HLEN', 'h'), 2);
    });

    test('what a change of some fields leaves out must be there: a hash that is gone, or no hash, is read again', async (t) => {
      const { everything, redis, writer } = await start(t);
      await writer.put(
        hashWish(
          { a: '1', b: '2' },
          {
            isWhole: true,
            set: [
              ['a', '1'],
              ['b', '2'],
            ],
          },
        ),
      );
      await redis.command('DEL', 'h');
      const before = await everything();
      const part = hashWish({ a: '2', b: '2' }, { set: [['a', '2']] });
      assert.deepEqual(await writer.put(part), { kind: 'reread', keys: ['h'] });
      assert.deepEqual(await everything(), before);
      await redis.command('SET', 'h', 'text');
      assert.deepEqual(await writer.put(part), { kind: 'reread', keys: ['h'] });
      assert.deepEqual(await writer.put(hashWish({ a: '2' }, { isWhole: true, set: [['a', '2']] })), {
        kind: 'appended',
      });
      assert.equal(await redis.command('HGET', 'h', 'a'), '2');
      await writer.put({ key: 'h' });
      assert.equal(await redis.command('TYPE', 'h'), 'string');
    });

    test('a refill brings the exact text of a hash, and knows whether its fields are as written', async (t) => {
      const { redis, writer } = await start(t);
      const value = { kind: 'json' as const, data: '{ "a": 5, "b": "5" }' };
      const plain = {
        kind: 'hash' as const,
        isWhole: true,
        set: [
          ['a', '5'],
          ['b', '5'],
        ] as const,
        removed: [],
        expires: undefined,
      };
      await writer.put({ key: 'h', as: 'hash', value, plain });
      const entry = async () => (await writer.store.refill(0, { entriesMax: 9, bytesMax: MIB })).entries[0];
      assert.deepEqual((await entry())?.change.value, value);
      assert.equal((await entry())?.isAsWritten, true);
      await redis.command('HSET', 'h', 'c', '1');
      assert.equal((await entry())?.isAsWritten, false);
      assert.equal((await entry())?.change.value, undefined);
      await redis.command('HDEL', 'h', 'c');
      assert.equal((await entry())?.isAsWritten, true);
    });

    test('a value that differs from the change’s own is written as it is given', async (t) => {
      const { redis, writer } = await start(t);
      await writer.put({ key: 'a', value: json(1), plain: { kind: 'set', value: json(2), expires: undefined } });
      assert.equal(await redis.command('GET', 'a'), '2');
    });

    test('what was found must be there as it was: type, bytes and expiry', async (t) => {
      const { everything, redis, writer } = await start(t);
      await redis.command('SET', 's', '"text"', 'PX', 3_600_000);
      await redis.command('HSET', 'h', 'a', '1', 'b', '');
      await redis.command('RPUSH', 'l', 'a');
      const keys = ['s', 'h', 'l', 'none'];
      const finds = [...(await writer.store.find(keys))];
      assert.deepEqual(
        finds.map(({ kind }) => kind),
        ['string', 'hash', 'foreign', 'absent'],
      );
      const wish = (key: string): Wish => {
        const at = keys.indexOf(key);
        const isPut = at < 2;
        return {
          key,
          op: isPut ? 'put' : 'remove',
          value: isPut ? (key === 's' ? json('text') : json({ a: '1', b: '' })) : undefined,
          ...(key === 'h' ? { as: 'hash' as const } : {}),
          plain: { kind: 'none' },
          expects: { kind: 'as-found', found: finds[at] as Found },
        };
      };
      const foreign: readonly (readonly [string, readonly (readonly string[])[], readonly (readonly string[])[]])[] = [
        ['s', [['SET', 's', '"texT"', 'KEEPTTL']], [['SET', 's', '"text"', 'KEEPTTL']]],
        ['s', [['PERSIST', 's']], [['PEXPIRE', 's', '3600000']]],
        ['h', [['HSET', 'h', 'a', '2']], [['HSET', 'h', 'a', '1']]],
        ['h', [['HSET', 'h', 'c', '1']], [['HDEL', 'h', 'c']]],
        ['h', [['HDEL', 'h', 'b']], [['HSET', 'h', 'b', '']]],
        ['h', [['PEXPIRE', 'h', '60000']], [['PERSIST', 'h']]],
        ['none', [['SET', 'none', '1']], [['DEL', 'none']]],
        ['l', [['DEL', 'l']], [['RPUSH', 'l', 'a']]],
      ];
      for (const [key, doing, undoing] of foreign) {
        for (const command of doing) await redis.command(...command);
        const before = await everything();
        assert.deepEqual(await writer.put(...keys.map(wish)), { kind: 'reread', keys: [key] }, doing.join());
        assert.deepEqual(await everything(), before);
        for (const command of undoing) await redis.command(...command);
        if (key === 's') finds[0] = await found(writer, 's');
      }
      assert.deepEqual(await writer.put(...keys.map(wish)), { kind: 'appended' });
      assert.equal(await redis.command('GET', 's'), '"text"');
      const page = await writer.store.refill(0, { entriesMax: 9, bytesMax: MIB });
      assert.deepEqual(
        page.entries.map(({ change, isAsWritten }) => [change.key, isAsWritten]),
        [
          ['s', true],
          ['h', true],
          ['l', false],
          ['none', true],
        ],
      );
    });

    test('the log’s time may be ahead of the server’s, for keys that expire as for leases', async (t) => {
      const { open } = await start(t);
      let shiftMicros = 0;
      const writer = await open({ clockShiftMicros: () => shiftMicros });
      assert.equal(await writer.store.lease('l', 'me', 60_000), 1);
      shiftMicros = 24 * HOUR_MICROS;
      const { timeMicros } = await writer.store.facts();
      await writer.put({ key: 'a', expires: timeMicros + HOUR_MICROS });
      const seen = await found(writer, 'a');
      assert.ok(seen.kind === 'string' && Math.abs((seen.expires ?? 0) - timeMicros - HOUR_MICROS) <= 10_000);
      const observed: Wish = { key: 'a', plain: { kind: 'none' }, expects: { kind: 'as-found', found: seen } };
      assert.equal((await writer.put(observed)).kind, 'appended');
      assert.equal(await writer.store.lease('l', 'other', 60_000), 2);
    });

    test('keys are found as they are, expiry and all', async (t) => {
      const { redis, writer } = await start(t);
      await redis.command('SET', 's', 'é');
      await redis.command('HSET', 'h', 'a', '1');
      await redis.command('PEXPIREAT', 'h', '9999999999999');
      await redis.command('SADD', 'set', '1');
      assert.deepEqual(await writer.store.find(['s', 'h', 'set', 'none']), [
        { kind: 'string', data: Buffer.from('é'), expires: undefined },
        { kind: 'hash', fields: [[Buffer.from('a'), Buffer.from('1')]], expires: 9_999_999_999_999_000 },
        { kind: 'foreign', type: 'set' },
        { kind: 'absent' },
      ]);
      assert.deepEqual(await writer.store.find([]), []);
    });
  });
}
