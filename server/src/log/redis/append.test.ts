import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import { redisPrograms } from '../../../../test/support/redis.ts';
import type { Scope } from '../../../../test/support/server-process.ts';
import type { AppendAnswer } from './redis-store.ts';
import { type StoreWorld, storeWorld } from './store-world.fixture.ts';
import { EMPTY_HEAD, json, type Writer } from './writer.fixture.ts';

const MIB = 1024 * 1024;

/** That the answer is of this kind, and that nothing was written for it. */
async function refused(world: StoreWorld, kind: AppendAnswer['kind'], ask: () => Promise<AppendAnswer>) {
  const before = await world.everything();
  const answer = await ask();
  assert.equal(answer.kind, kind);
  assert.deepEqual(await world.everything(), before);
  return answer;
}

for (const { path: program, version } of redisPrograms()) {
  describe(`on Redis ${version}`, () => {
    const start = async (t: Scope): Promise<StoreWorld & { readonly writer: Writer }> => {
      const world = await storeWorld(t, { program });
      return { ...world, writer: await world.open() };
    };

    test('the first append begins an epoch, and its values are plain keys', async (t) => {
      const { redis, writer } = await start(t);
      assert.deepEqual(await writer.store.head(), EMPTY_HEAD);
      const answer = await writer.put({ key: 'a', value: json(1) }, { key: 'b', value: json({ x: 'é' }) });
      assert.deepEqual(answer, { kind: 'appended' });
      assert.equal(await redis.command('GET', 'b'), '{"x":"é"}');
      assert.equal(writer.head.offset, 2);
      assert.equal(writer.head.runId, (await writer.store.facts()).runId);
      assert.deepEqual(await writer.store.epochs(), [{ id: writer.head.epoch, first: 1 }]);
    });

    test('the loser of a race is told what it missed', async (t) => {
      const world = await start(t);
      const { writer } = world;
      const other = await world.open();
      await writer.put({ key: 'a' });
      other.head = writer.head;
      await writer.put({ key: 'b' }, { key: 'a' });
      const answer = await refused(world, 'moved', () => other.put({ key: 'c' }));
      assert.ok(answer.kind === 'moved');
      assert.deepEqual(
        answer.records.map(({ changes }) => changes.map(({ key, value }) => [key, value])),
        [
          [
            ['b', json({ at: 2 })],
            ['a', json({ at: 3 })],
          ],
        ],
      );
    });

    test('a loser that is far behind is told about a MiB of it, oldest first', async (t) => {
      const world = await start(t);
      const { writer } = world;
      const other = await world.open();
      await writer.put({ key: 'a' });
      other.head = writer.head;
      for (let index = 0; index < 8; index += 1) await writer.put({ key: 'a', value: json('x'.repeat(MIB / 4)) });
      const answer = await other.put({ key: 'c' });
      assert.ok(answer.kind === 'moved');
      assert.deepEqual(
        answer.records.map(({ first }) => first),
        [2, 3, 4],
      );
    });

    test('a head that the stream does not go on from is behind: another lineage’s, or trimmed away', async (t) => {
      const world = await start(t);
      const { writer } = world;
      const other = await world.open({ bounds: { changesMax: 1, bytesMax: MIB } });
      await writer.put({ key: 'a' });
      await writer.put({ key: 'a' });
      await writer.put({ key: 'a' });
      other.head = { ...writer.head, offset: 1, token: 'another' };
      const answer = await refused(world, 'behind', () => other.put({ key: 'c' }));
      assert.deepEqual(answer.kind === 'behind' && answer.head, writer.head);
      other.head = { ...writer.head, offset: 9, token: 'another' };
      await refused(world, 'behind', () => other.put({ key: 'c' }));
      other.head = writer.head;
      for (let index = 0; index < 300; index += 1) await other.put({ key: `b${index}` });
      await refused(world, 'behind', () => writer.put({ key: 'c' }));
    });

    test('a fence that is not the lease’s is refused, whether higher, lower or unknown', async (t) => {
      const world = await start(t);
      const { writer } = world;
      const ask = async (number: number, lease = 'sink') =>
        writer.append(await writer.request([{ key: 'a' }], { fences: [{ lease, number }] }));
      assert.equal(await writer.store.lease('sink', 'me', 60_000), 1);
      assert.deepEqual(await refused(world, 'fenced', () => ask(2)), { kind: 'fenced', lease: 'sink', current: 1 });
      assert.deepEqual(await refused(world, 'fenced', () => ask(1, 'b')), { kind: 'fenced', lease: 'b', current: 0 });
      assert.equal((await ask(1)).kind, 'appended');
    });

    test('a record’s now is held to the server’s time, or to the head’s where that is ahead', async (t) => {
      const world = await start(t);
      const { writer } = world;
      await writer.put({ key: 'a' });
      const at = async (micros: number) =>
        writer.append(await writer.request([{ key: 'a' }], { record: { nowMicros: micros } }));
      const { timeMicros } = await writer.store.facts();
      const answer = await refused(world, 'untimely', () => at(timeMicros + 60_000_000));
      assert.ok(answer.kind === 'untimely' && Math.abs(answer.serverMicros - timeMicros) < 10_000_000);
      await refused(world, 'untimely', () => at(timeMicros - 2_000_000));
      await world.redis.command('HSET', 'latchkey:main:head', 'now', timeMicros + 60_000_000);
      await refused(world, 'untimely', () => at(timeMicros + 61_000_000));
      await refused(world, 'untimely', () => at(timeMicros + 58_000_000));
      assert.equal((await at(timeMicros + 60_000_000)).kind, 'appended');
    });

    test('on another run of the server a record has to begin an epoch', async (t) => {
      const world = await start(t);
      const { redis, writer } = world;
      const noEpoch = async () => writer.append(await writer.request([{ key: 'a' }], { record: { epoch: undefined } }));
      await refused(world, 'other-run', noEpoch);
      await writer.put({ key: 'a' });
      await redis.restart({ withData: true });
      await writer.store.up(10_000);
      const answer = await refused(world, 'other-run', noEpoch);
      assert.deepEqual(answer, { kind: 'other-run', runId: await redis.info('run_id') });
      assert.equal((await writer.put({ key: 'a' })).kind, 'appended');
      const epochs = await writer.store.epochs();
      assert.deepEqual(
        epochs.map(({ first }) => first),
        [1, 2],
      );
      assert.equal(epochs.at(-1)?.id, writer.head.epoch);
    });

    test('an empty Redis can be told the epochs that there were', async (t) => {
      const { writer } = await start(t);
      const before = [
        { id: 'one', first: 1 },
        { id: 'two', first: 7 },
      ];
      const head = { ...EMPTY_HEAD, offset: 20 };
      const request = await writer.request([{ key: 'a' }], { head, epochs: before, record: { epoch: 'three' } });
      assert.equal((await writer.append(request)).kind, 'appended');
      assert.deepEqual(await writer.store.epochs(), [...before, { id: 'three', first: 21 }]);
    });

    test('who lost often gets the turn, and others wait for it at most 50 ms', async (t) => {
      const world = await start(t);
      const { writer } = world;
      const other = await world.open();
      await writer.put({ key: 'a' });
      const loser = await other.request([{ key: 'b' }], { head: EMPTY_HEAD, wantsTurn: true, record: { epoch: 'x' } });
      assert.equal((await other.append(loser)).kind, 'moved');
      await world.redis.command('PEXPIRE', 'latchkey:main:turn', 60_000);
      const answer = await refused(world, 'turn', () => writer.put({ key: 'a' }));
      assert.ok(answer.kind === 'turn' && answer.waitMs > 50_000);
      other.head = writer.head;
      assert.equal((await other.put({ key: 'b' })).kind, 'appended');
      writer.head = other.head;
      assert.equal((await writer.put({ key: 'a' })).kind, 'appended');
    });

    test('keys that the log never had must be absent, and none is written where one is not', async (t) => {
      const world = await start(t);
      const { redis, writer } = world;
      await redis.command('SET', 'old', '1');
      await redis.command('HSET', 'older', 'a', '1');
      await redis.command('RPUSH', 'list', 'a');
      const keys = ['a', 'old', 'b', 'older'];
      const answer = await refused(world, 'reread', () => writer.put(...keys.map((key) => ({ key }))));
      assert.deepEqual(answer, { kind: 'reread', keys: ['old', 'older'] });
      const foreign = await refused(world, 'wrong-type', () =>
        writer.put({ key: 'a' }, { key: 'list' }, { key: 'old' }),
      );
      assert.deepEqual(foreign, { kind: 'wrong-type', keys: [{ key: 'list', type: 'list' }] });
    });

    test('a known key may be anything but of a foreign type', async (t) => {
      const world = await start(t);
      const { redis, writer } = world;
      const keys = ['set', 'gone', 'hash', 'list', 'stream'].map((key) => ({ key }));
      await writer.put(...keys);
      await redis.command('DEL', 'gone', 'hash', 'list', 'stream');
      await redis.command('HSET', 'hash', 'a', '1');
      await redis.command('RPUSH', 'list', 'a');
      await redis.command('XADD', 'stream', '*', 'a', '1');
      const answer = await refused(world, 'wrong-type', () => writer.put(...keys));
      assert.deepEqual(answer.kind === 'wrong-type' && answer.keys.map(({ key, type }) => `${key} ${type}`), [
        'list list',
        'stream stream',
      ]);
      await refused(world, 'wrong-type', () => writer.put({ key: 'list', op: 'remove' }));
      assert.equal((await writer.put(...keys.slice(0, 3))).kind, 'appended');
      assert.equal(await redis.command('GET', 'hash'), json({ at: 8 }).data);
    });

    test('a batch of 1,000 keys is one step, and goes again over what is there', async (t) => {
      const { redis, writer } = await start(t);
      const keys = Array.from({ length: 1000 }, (_, index) => ({ key: `k${index}`, value: json(index) }));
      assert.equal((await writer.put(...keys)).kind, 'appended');
      assert.equal((await writer.put(...keys)).kind, 'appended');
      assert.equal(await redis.command('GET', 'k999'), '999');
      assert.equal(await redis.command('ZCARD', 'latchkey:main:index'), 1000);
      assert.equal(await redis.command('HLEN', 'latchkey:main:heads'), 1000);
      assert.equal(await redis.command('XLEN', 'latchkey:main:changes'), 2);
      assert.equal(writer.head.offset, 2000);
    });

    test('values of any bytes and keys of any text come back as they were', async (t) => {
      const { writer } = await start(t);
      const data = randomBytes(MIB);
      const keys = ['\0', 'a\r\nb', 'π🔑', ' ', '*3\r\n', `x${'y'.repeat(1800)}`];
      await writer.put(
        { key: 'big', value: { kind: 'binary', data, contentType: 'image/png' } },
        ...keys.map((key) => ({ key, value: { kind: 'text' as const, data: '', contentType: 'text/plain' } })),
      );
      const page = await writer.store.refill(0, { entriesMax: 100, bytesMax: 10 * MIB });
      assert.deepEqual(
        page.entries.map(({ change, isAsWritten }) => [change.key, isAsWritten]),
        [['big', true], ...keys.map((key) => [key, true])],
      );
      const value = page.entries[0]?.change.value;
      assert.ok(value?.kind === 'binary' && value.data.equals(data) && value.contentType === 'image/png');
      const [record] = await tailed(writer);
      assert.deepEqual(
        record?.changes.map(({ key }) => key),
        ['big', ...keys],
      );
    });

    test('offsets are exact to 2^53', async (t) => {
      const { redis, writer } = await start(t);
      const offset = Number.MAX_SAFE_INTEGER - 3;
      const head = { ...EMPTY_HEAD, offset };
      await writer.append(await writer.request([{ key: 'a' }, { key: 'b' }], { head }));
      assert.equal(writer.head.offset, offset + 2);
      const page = await writer.store.refill(offset + 1, { entriesMax: 10, bytesMax: MIB });
      assert.deepEqual(
        page.entries.map(({ change }) => change.offset),
        [offset + 2],
      );
      assert.deepEqual(
        await redis
          .command('XREVRANGE', 'latchkey:main:changes', '+', '-', 'COUNT', 1)
          .then((all) => (all as string[][])[0]?.[0]),
        `${offset + 2}-0`,
      );
    });
  });
}

async function tailed(writer: Writer) {
  const records = await writer.store.tail(EMPTY_HEAD, { waitMs: 1000, bytesMax: 10 * MIB });
  assert.ok(records !== 'behind');
  return records;
}
