/** A step whose keys others left alone is appended after theirs, and is then exactly what would have been decided there. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { redisPrograms } from '../../../../test/support/redis.ts';
import type { Scope } from '../../../../test/support/server-process.ts';
import { encodeRecord } from './record-codec.ts';
import type { AppendAnswer, AppendRequest, Looked } from './redis-store.ts';
import { type StoreWorld, storeWorld } from './store-world.fixture.ts';
import { json, type Wish, type Writer } from './writer.fixture.ts';

const MIB = 1024 * 1024;

interface Race extends StoreWorld {
  /** Is ahead of the other. */
  readonly fast: Writer;
  /** Knows the log as it was before `fast` went on; in it are `a` at offset 1 and `b` at 2. */
  readonly slow: Writer;
  /** What `slow` would append. */
  late(wishes: readonly Wish[], looked?: readonly Looked[]): Promise<AppendRequest>;
}

function rebasedOf(answer: AppendAnswer) {
  assert.ok(answer.kind === 'appended' && answer.rebased !== undefined, `it was answered ${answer.kind}`);
  return answer.rebased;
}

for (const { path: program, version } of redisPrograms()) {
  describe(`on Redis ${version}`, () => {
    const race = async (t: Scope): Promise<Race> => {
      const world = await storeWorld(t, { program });
      const [fast, slow] = [await world.open(), await world.open()];
      await fast.put({ key: 'a' }, { key: 'b' });
      for (const key of ['a', 'b']) slow.learn(key);
      slow.head = fast.head;
      const late: Race['late'] = (wishes, rebase = []) => slow.request(wishes, { rebase });
      return { ...world, fast, slow, late };
    };

    /** That it is told what it missed, and nothing is written. */
    const loses = async (world: Race, request: AppendRequest, why: string) => {
      const before = await world.everything();
      assert.equal((await world.slow.store.append(request)).kind, 'moved', why);
      assert.deepEqual(await world.everything(), before, why);
    };

    test('it takes the next offsets, and is told what lies before it', async (t) => {
      const world = await race(t);
      const { fast, late, redis, slow } = world;
      const request = await late([{ key: 'a', previous: 1, value: json('late') }, { key: 'new' }]);
      await fast.put({ key: 'b' }, { key: 'c' });
      await fast.put({ key: 'c' });
      const rebased = rebasedOf(await slow.append(request));
      assert.deepEqual([rebased.first, rebased.records.map(({ last }) => last)], [6, [4, 5]]);
      assert.equal(await redis.command('GET', 'a'), '"late"');
      assert.equal(await redis.command('ZSCORE', 'latchkey:main:index', 'new'), 7);
      assert.deepEqual(await slow.store.head(), slow.head);
      assert.deepEqual([slow.head.offset, slow.head.token], [7, request.record.token]);
      const page = await fast.store.refill(5, { entriesMax: 10, bytesMax: MIB });
      assert.deepEqual(
        page.entries.map(({ change, isAsWritten }) => [change.key, change.offset, change.previous, isAsWritten]),
        [
          ['a', 6, 1, true],
          ['new', 7, 0, true],
        ],
      );
    });

    test('its record is byte for byte the one that a node would have made there', async (t) => {
      const { fast, late, slow } = await race(t);
      const told = { micros: 7_000_000, text: '1970-01-01T00:00:07Z' };
      const wishes: readonly Wish[] = [
        { key: 'a', previous: 1 },
        { key: 'π🔑', value: { kind: 'binary', data: Buffer.from([0, 255]), contentType: 'image/png' } },
        { key: 'b', previous: 2, op: 'remove' },
        { key: 'told', updated: told, origin: 'http:1.2.3.4:5' },
        { key: 'hash', as: 'hash', value: json({ x: 1 }) },
        { key: 'timed', expires: 9_000_000_000_000_000 },
      ];
      const request = await late(wishes);
      await fast.put({ key: 'c' }, { key: 'd' }, { key: 'e' });
      const { first, nowMicros, records } = rebasedOf(await slow.append(request));
      assert.equal(records.length, 1);
      assert.equal(nowMicros, Math.max(request.record.nowMicros, fast.head.nowMicros));
      const up = first - request.record.first;
      const changes = request.record.changes.map((change) => ({
        ...change,
        offset: change.offset + up,
        valueOffset: change.offset + up,
        updated: change.updated === told ? told : { micros: nowMicros },
        decided: nowMicros,
      }));
      const { bytes } = encodeRecord({ ...request.record, first, last: first + 5, nowMicros, changes });
      const there = await fast.store.tail(fast.head, { waitMs: 1000, bytesMax: MIB });
      assert.ok(there !== 'behind' && there[0] !== undefined);
      assert.deepEqual(encodeRecord(there[0]).bytes, bytes);
    });

    test('a key that it changes twice goes on from its own change', async (t) => {
      const { fast, late, slow } = await race(t);
      const request = await late([{ key: 'a', previous: 1 }, { key: 'c' }, { key: 'a', previous: 3 }]);
      const twice = {
        ...request,
        keys: request.keys.slice(1).map((key) => ({ ...key, previous: key.change.key === 'a' ? 1 : 0 })),
      };
      await fast.put({ key: 'b' });
      const { first } = rebasedOf(await slow.append(twice));
      assert.equal(first, 4);
      const records = await fast.store.tail(fast.head, { waitMs: 1000, bytesMax: MIB });
      assert.ok(records !== 'behind');
      assert.deepEqual(
        records.flatMap(({ changes }) => changes.map(({ key, offset, previous }) => [key, offset, previous])),
        [
          ['a', 4, 1],
          ['c', 5, 0],
          ['a', 6, 4],
        ],
      );
    });

    test('it loses where one of its keys has changed, was removed, or is there by now', async (t) => {
      const world = await race(t);
      const { fast, late } = world;
      const known = await late([{ key: 'c' }, { key: 'a', previous: 1 }]);
      await fast.put({ key: 'a' });
      await loses(world, known, 'changed');
      world.slow.head = fast.head;
      const removed = await late([{ key: 'a', previous: 3 }]);
      const absent = await late([{ key: 'd' }]);
      await fast.put({ key: 'a', op: 'remove' }, { key: 'd' });
      await loses(world, removed, 'removed');
      await loses(world, absent, 'there by now');
    });

    test('it loses where a key has changed that it only looked at', async (t) => {
      const world = await race(t);
      const { fast, late, slow } = world;
      const looked = [
        { key: 'b', offset: 2 },
        { key: 'none', offset: 0 },
      ];
      const one = await late([{ key: 'a', previous: 1 }], looked);
      await fast.put({ key: 'c' });
      assert.equal(rebasedOf(await slow.append(one)).first, 4);
      fast.head = slow.head;
      const other = await late([{ key: 'a', previous: 4 }], looked);
      await fast.put({ key: 'b' });
      await loses(world, other, 'changed');
      slow.head = fast.head;
      const third = await late([{ key: 'a', previous: 4 }], looked.slice(1));
      await fast.put({ key: 'none' });
      await loses(world, third, 'there by now');
    });

    test('it loses where the step may not be moved, another has the turn, or it missed more than a reply takes', async (t) => {
      const world = await race(t);
      const { fast, late, redis } = world;
      const request = await late([{ key: 'a', previous: 1 }]);
      await fast.put({ key: 'c' });
      await loses(world, { ...request, rebase: undefined }, 'may not');
      await redis.command('SET', 'latchkey:main:turn', 'another');
      await loses(world, request, 'turn');
      await redis.command('DEL', 'latchkey:main:turn');
      for (const _ of [1, 2, 3]) await fast.put({ key: 'c', value: json('x'.repeat(MIB / 2)) });
      await loses(world, request, 'too much');
    });

    test('it loses where an epoch began, or tombstones were collected', async (t) => {
      const world = await race(t);
      const { fast, late, slow } = world;
      const request = await late([{ key: 'a', previous: 1 }]);
      await fast.append(await fast.request([{ key: 'b', op: 'remove' }]));
      await fast.append(await fast.request([], { collected: ['b'], record: { tombstoneFloor: 3 } }));
      await loses(world, request, 'collected');
      slow.head = fast.head;
      const later = await late([{ key: 'a', previous: 1 }]);
      await fast.append(await fast.request([{ key: 'c' }], { record: { epoch: 'another' } }));
      await loses(world, later, 'epoch');
    });

    test('it loses, and is not told to read again, where a plain key is not as the log left it', async (t) => {
      const world = await race(t);
      const { fast, late, redis } = world;
      const request = await late([{ key: 'new' }]);
      await fast.put({ key: 'c' });
      await redis.command('SET', 'new', 'of another');
      await loses(world, request, 'foreign');
    });

    test('sent again it is told the same place, also where others went on after it', async (t) => {
      const world = await race(t);
      const { everything, fast, late, slow } = world;
      const request = await late([{ key: 'a', previous: 1 }, { key: 'd' }]);
      await fast.put({ key: 'c' });
      const first = await slow.store.append(request);
      const before = await everything();
      assert.deepEqual(await slow.store.append(request), first);
      assert.deepEqual(await everything(), before);
      fast.head = await fast.store.head();
      await fast.put({ key: 'e' });
      const again = await slow.store.append(request);
      assert.deepEqual(again, first);
      assert.deepEqual([rebasedOf(again).first, rebasedOf(again).records.length], [4, 1]);
    });

    test('what needs nothing written holds on a later head too, as long as the keys it was decided on are as they were', async (t) => {
      const { fast, slow } = await race(t);
      const { store, head } = slow;
      const looked = [
        { key: 'a', offset: 1 },
        { key: 'none', offset: 0 },
      ];
      assert.deepEqual(await store.confirm(head, undefined), { kind: 'confirmed' });
      await fast.put({ key: 'c' });
      assert.deepEqual(await store.confirm(head, looked), { kind: 'confirmed' });
      const missed = await store.confirm(head, undefined);
      assert.deepEqual(missed.kind === 'moved' && missed.records.map(({ first }) => first), [3]);
      await fast.put({ key: 'none' });
      assert.equal((await store.confirm(head, looked)).kind, 'moved');
      assert.deepEqual(await store.confirm(head, looked.slice(0, 1)), { kind: 'confirmed' });
      assert.equal((await store.confirm({ ...head, token: 'another', epoch: 'another' }, looked)).kind, 'behind');
      await fast.append(await fast.request([{ key: 'c' }], { record: { epoch: 'another' } }));
      assert.equal((await store.confirm(head, looked.slice(0, 1))).kind, 'moved');
    });

    test('offsets stay exact to 2^53', async (t) => {
      const world = await storeWorld(t, { program });
      const [fast, slow] = [await world.open(), await world.open()];
      const offset = Number.MAX_SAFE_INTEGER - 5;
      await fast.append(await fast.request([{ key: 'a' }], { head: { ...fast.head, offset } }));
      slow.head = fast.head;
      const request = await slow.request([{ key: 'b' }, { key: 'c' }], { rebase: [] });
      await fast.put({ key: 'd' });
      assert.equal(rebasedOf(await slow.append(request)).first, offset + 3);
      const page = await fast.store.refill(offset + 2, { entriesMax: 10, bytesMax: MIB });
      assert.deepEqual(
        page.entries.map(({ change }) => change.offset),
        [offset + 3, offset + 4],
      );
      assert.deepEqual(await slow.store.head(), slow.head);
    });
  });
}
