import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type RedisProcess, redisPrograms } from '../../../../test/support/redis.ts';
import type { Scope } from '../../../../test/support/server-process.ts';
import { TABLE_NAMES } from '../../view/view.ts';
import type { Head, LogRecord, TableWrite } from './redis-store.ts';
import { type StoreWorld, storeWorld, until } from './store-world.fixture.ts';
import { EMPTY_HEAD, json, type Writer } from './writer.fixture.ts';

const MIB = 1024 * 1024;
const LONG_MS = 60_000;

const firsts = (records: readonly LogRecord[] | 'behind') =>
  records === 'behind' ? records : records.map(({ first }) => first);

for (const { path: program, version } of redisPrograms()) {
  describe(`on Redis ${version}`, () => {
    const start = async (t: Scope): Promise<StoreWorld & { readonly writer: Writer }> => {
      const world = await storeWorld(t, { program });
      return { ...world, writer: await world.open() };
    };
    const tail = (writer: Writer, after: Head, waitMs = 100, bytesMax = MIB) =>
      writer.store.tail(after, { waitMs, bytesMax });

    test('a tail brings what was appended after a head, and waits where there is nothing', async (t) => {
      const { open, writer } = await start(t);
      await writer.put({ key: 'a' });
      const reader = await open();
      const waiting = tail(reader, writer.head, LONG_MS);
      await writer.put({ key: 'b' });
      assert.deepEqual(firsts(await waiting), [2]);
      assert.deepEqual(firsts(await tail(reader, EMPTY_HEAD)), [1, 2]);
      assert.deepEqual(firsts(await tail(reader, writer.head)), []);
      const again = tail(reader, writer.head, LONG_MS);
      const last = writer.head;
      await writer.put({ key: 'a' });
      await writer.put({ key: 'a' });
      assert.deepEqual(firsts(await again), [3]);
      assert.deepEqual(firsts(await tail(reader, last)), [3, 4]);
    });

    test('one that is told to stop stops, though nothing comes', async (t) => {
      const { redis, writer } = await start(t);
      await writer.put({ key: 'a' });
      const stopping = new AbortController();
      const waiting = writer.store.tail(writer.head, { waitMs: LONG_MS, bytesMax: MIB, signal: stopping.signal });
      await untilWaiting(redis);
      stopping.abort();
      assert.deepEqual(await waiting, []);
      const options = { waitMs: LONG_MS, bytesMax: MIB, signal: stopping.signal };
      assert.deepEqual(await writer.store.tail(writer.head, options), []);
    });

    test('a page of it is held to its bytes, but for one record of any size', async (t) => {
      const { writer } = await start(t);
      for (const size of [10, 10, 2 * MIB, 10, 0.6 * MIB, 0.6 * MIB, 10])
        await writer.put({ key: 'a', value: json('x'.repeat(size)) });
      const pages: (readonly number[])[] = [];
      let head = EMPTY_HEAD;
      while (head.token !== writer.head.token) {
        const records = await tail(writer, head);
        assert.ok(records !== 'behind');
        pages.push(records.map(({ first }) => first));
        const last = records.at(-1) as LogRecord;
        head = { ...head, offset: last.last, token: last.token };
      }
      assert.deepEqual(pages.flat(), [1, 2, 3, 4, 5, 6, 7]);
      const has = (one: number, other: number) => pages.some((page) => page.includes(one) && page.includes(other));
      assert.ok(!has(2, 3) && !has(3, 4) && !has(5, 6), JSON.stringify(pages));
    });

    test('a head of another lineage is behind, wherever it is', async (t) => {
      const { writer } = await start(t);
      for (let index = 0; index < 3; index += 1) await writer.put({ key: 'a' });
      for (const offset of [0, 1, 3, 7]) {
        assert.equal(await tail(writer, { ...writer.head, offset, token: 'another' }), 'behind');
      }
    });

    test('a Redis that lost its data is behind, also for who waits there', async (t) => {
      const { open, redis, writer } = await start(t);
      for (let index = 0; index < 3; index += 1) await writer.put({ key: 'a' });
      const reader = await open();
      const waiting = tail(reader, writer.head, 1000);
      await untilWaiting(redis);
      await redis.command('FLUSHALL');
      assert.deepEqual(firsts(await waiting), []);
      assert.equal(await tail(reader, writer.head), 'behind');
      const old = writer.head;
      writer.head = EMPTY_HEAD;
      await writer.put({ key: 'b' });
      assert.equal(await tail(reader, old), 'behind');
    });

    test('a head without its token is judged by its epoch', async (t) => {
      const { redis, writer } = await start(t);
      await writer.put({ key: 'a' });
      await writer.put({ key: 'a' });
      const first = { ...writer.head, token: '' };
      assert.deepEqual(firsts(await tail(writer, { ...first, offset: 1 })), [2]);
      assert.deepEqual(firsts(await tail(writer, first)), []);
      assert.equal(await tail(writer, { ...first, offset: 3 }), 'behind');
      assert.equal(await tail(writer, { ...first, epoch: 'unknown' }), 'behind');
      await redis.restart({ withData: true });
      await writer.store.up(10_000);
      await writer.put({ key: 'a' });
      assert.deepEqual(firsts(await tail(writer, first)), [3]);
      assert.deepEqual(firsts(await tail(writer, { ...first, offset: 1 })), [2, 3]);
      assert.equal(await tail(writer, { ...first, offset: 3 }), 'behind');
      await redis.command('XDEL', 'latchkey:main:changes', '2-0');
      assert.equal(await tail(writer, { ...first, offset: 1 }), 'behind');
    });

    test('the stream is held to its changes', async (t) => {
      const { open, redis } = await start(t);
      const writer = await open({ bounds: { changesMax: 50, bytesMax: 100 * MIB } });
      for (let index = 0; index < 400; index += 1) await writer.put({ key: `k${index % 10}` });
      const length = Number(await redis.command('XLEN', 'latchkey:main:changes'));
      assert.ok(length >= 50 && length < 200, `${length} records`);
      assert.equal(await tail(writer, EMPTY_HEAD), 'behind');
      assert.deepEqual(firsts(await tail(writer, { ...writer.head, offset: 399, token: '' })), [400]);
    });

    test('the stream is held to its bytes', async (t) => {
      const { open, redis } = await start(t);
      const writer = await open({ bounds: { changesMax: 1_000_000, bytesMax: MIB } });
      for (let index = 0; index < 60; index += 1) await writer.put({ key: 'a', value: json('x'.repeat(MIB / 16)) });
      const length = Number(await redis.command('XLEN', 'latchkey:main:changes'));
      assert.ok(length >= 14 && length <= 18, `${length} records`);
      assert.ok(Number(await redis.command('LLEN', 'latchkey:main:marks')) <= 64);
    });

    test('a refill goes page by page, in the order of last changes, tombstones too', async (t) => {
      const { writer } = await start(t);
      await writer.put(...Array.from({ length: 10 }, (_, index) => ({ key: `k${index}`, value: json(index) })));
      await writer.put({ key: 'k3', op: 'remove' }, { key: 'k1', value: json('new') });
      const pages: (readonly string[])[] = [];
      let next: number | undefined = 0;
      while (next !== undefined) {
        const page = await writer.store.refill(next, { entriesMax: 4, bytesMax: MIB });
        assert.deepEqual(page.head, writer.head);
        assert.ok(page.entries.every(({ isAsWritten }) => isAsWritten));
        pages.push(
          page.entries.map(({ change }) => `${change.offset} ${change.key} ${change.value?.data ?? change.reason}`),
        );
        next = page.next;
      }
      assert.deepEqual(pages, [
        ['1 k0 0', '3 k2 2', '5 k4 4', '6 k5 5'],
        ['7 k6 6', '8 k7 7', '9 k8 8', '10 k9 9'],
        ['11 k3 deleted', '12 k1 "new"'],
      ]);
    });

    test('a page of a refill is held to its bytes, and goes on', async (t) => {
      const { writer } = await start(t);
      for (const key of ['a', 'b', 'c']) await writer.put({ key, value: json('x'.repeat(MIB)) });
      const page = await writer.store.refill(0, { entriesMax: 100, bytesMax: MIB });
      assert.deepEqual(
        page.entries.map(({ change }) => change.key),
        ['a'],
      );
      assert.equal(page.next, 1);
    });

    test('a refill tells what others changed, and brings no value for it', async (t) => {
      const { redis, writer } = await start(t);
      await writer.put({ key: 'same' }, { key: 'other' }, { key: 'gone' }, { key: 'list' });
      await writer.put({ key: 'back' });
      await writer.put({ key: 'back', op: 'remove' });
      await redis.command('SET', 'other', '2');
      await redis.command('DEL', 'gone', 'list');
      await redis.command('RPUSH', 'list', 'a');
      await redis.command('SET', 'back', '1');
      const { entries } = await writer.store.refill(0, { entriesMax: 100, bytesMax: MIB });
      assert.deepEqual(
        entries.map(({ change, isAsWritten }) => [change.key, isAsWritten, change.value === undefined]),
        [
          ['same', true, false],
          ['other', false, true],
          ['gone', false, true],
          ['list', false, true],
          ['back', false, true],
        ],
      );
    });

    test('a refill beside writing misses no change: each is in a page, or after the last page’s head', async (t) => {
      const { open, writer } = await start(t);
      const reader = await open();
      const keys = Array.from({ length: 60 }, (_, index) => ({ key: `k${index}` }));
      await writer.put(...keys);
      let isOver = false;
      const writing = (async () => {
        for (let round = 0; !isOver; round += 1) {
          const isRemove = round % 5 === 0;
          await writer.put({ key: `k${(round * 7) % 60}`, ...(isRemove ? { op: 'remove' as const } : {}) });
        }
      })();
      for (let round = 0; round < 10; round += 1) {
        const entries = new Map<string, number>();
        let next: number | undefined = 0;
        let head = EMPTY_HEAD;
        while (next !== undefined) {
          const page = await reader.store.refill(next, { entriesMax: 7, bytesMax: MIB });
          for (const { change, isAsWritten } of page.entries) {
            assert.ok(isAsWritten && change.offset > next && change.offset <= page.head.offset);
            entries.set(change.key, change.offset);
          }
          ({ head, next } = page);
        }
        const records = await tail(reader, head, 1);
        assert.ok(records !== 'behind');
        for (const { changes } of records) for (const { key, offset } of changes) entries.set(key, offset);
        assert.equal(entries.size, 60);
      }
      isOver = true;
      await writing;
    });

    test('tombstones go when they are collected, and only those: a key that came back stays', async (t) => {
      const { redis, writer } = await start(t);
      const keys = ['a', 'b', 'c'].map((key) => ({ key }));
      await writer.put(...keys);
      await writer.put(...keys.map((wish) => ({ ...wish, op: 'remove' as const })));
      await writer.put({ key: 'b' });
      const collected = ['a', 'b', 'c', 'never'];
      await writer.append(await writer.request([], { collected, record: { tombstoneFloor: 5 } }));
      assert.equal((await writer.store.head()).tombstoneFloor, 5);
      const { entries } = await writer.store.refill(0, { entriesMax: 100, bytesMax: MIB });
      assert.deepEqual(
        entries.map(({ change }) => change.key),
        ['c', 'b'],
      );
      assert.equal(await redis.command('HLEN', 'latchkey:main:heads'), 2);
      await writer.put({ key: 'a' });
      assert.equal((await writer.store.head()).tombstoneFloor, 5);
    });

    test('tables are written with the changes, and read back page by page', async (t) => {
      const { writer } = await start(t);
      const write = (table: TableWrite['table'], key: string, value: string | undefined): TableWrite => ({
        table,
        key: Buffer.from(key),
        value: value === undefined ? undefined : Buffer.from(value),
      });
      const many = Array.from({ length: 3000 }, (_, index) => write('idempotency', `k${index}`, `${index}`));
      const rest = TABLE_NAMES.map((table) => write(table, '\xff\0', table));
      await writer.append(
        await writer.request([{ key: 'a' }], { tables: [...many, ...rest, write('progress', 'gone', '1')] }),
      );
      await writer.append(
        await writer.request([], { tables: [write('progress', 'gone', undefined), write('ledger', 'l', '')] }),
      );
      const seen = new Map<string, string>();
      let cursor: string | undefined;
      let pages = 0;
      do {
        const page = await writer.store.refillTables(cursor);
        for (const { key, table, value } of page.writes) seen.set(`${table} ${key}`, String(value));
        cursor = page.next;
        pages += 1;
      } while (cursor !== undefined);
      const expected = [...many, ...rest, write('ledger', 'l', '')];
      assert.equal(seen.size, expected.length);
      for (const { key, table, value } of expected) assert.equal(seen.get(`${table} ${key}`), String(value));
      assert.ok(pages > TABLE_NAMES.length);
    });
  });
}

/** Until a read waits there. */
function untilWaiting(redis: RedisProcess): Promise<void> {
  return until('a read waits', async () => (await redis.info('blocked_clients')) === '1');
}
