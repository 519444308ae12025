import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { redisPrograms, startRedis } from '../../../../test/support/redis.ts';
import type { Scope } from '../../../../test/support/server-process.ts';
import { openRedisStore } from './store.ts';
import { EMPTY_HEAD, json, Writer } from './writer.fixture.ts';

for (const { path, version } of redisPrograms()) {
  describe(`on Redis ${version}`, () => {
    const world = async (t: Scope) => {
      const redis = await startRedis(t, { program: path });
      const open = async () => {
        const place = { url: redis.url, sentinels: [], sentinelName: '', caFile: '' };
        const store = openRedisStore({ place, name: 'main' });
        t.after(() => store.close());
        await store.up(5000);
        return new Writer(store);
      };
      return { redis, open };
    };

    test('the first append begins an epoch, and its values are plain keys', async (t) => {
      const { open, redis } = await world(t);
      const writer = await open();
      assert.deepEqual(await writer.store.head(), EMPTY_HEAD);
      assert.deepEqual(await writer.put({ key: 'a', value: json(1) }, { key: 'b', value: json({ x: 'é' }) }), {
        kind: 'appended',
      });
      assert.equal(await redis.command('GET', 'b'), '{"x":"é"}');
      const facts = await writer.store.facts();
      assert.equal(writer.head.offset, 2);
      assert.equal(writer.head.runId, facts.runId);
      assert.deepEqual(await writer.store.epochs(), [{ id: writer.head.epoch, first: 1 }]);
    });

    test('the loser of a race is told what it missed, and a new node reads it all', async (t) => {
      const { open } = await world(t);
      const [one, other] = [await open(), await open()];
      await one.put({ key: 'a' });
      other.head = one.head;
      await one.put({ key: 'b' }, { key: 'a' });
      const answer = await other.put({ key: 'c' });
      assert.equal(answer.kind, 'moved');
      assert.deepEqual(
        answer.kind === 'moved' && answer.records.map(({ changes }) => changes.map(({ key, value }) => [key, value])),
        [
          [
            ['b', json({ at: 2 })],
            ['a', json({ at: 3 })],
          ],
        ],
      );
      const page = await one.store.refill(0, { entriesMax: 100, bytesMax: 1_000_000 });
      assert.equal(page.next, undefined);
      assert.deepEqual(
        page.entries.map(({ change, isAsWritten }) => [change.key, change.offset, change.value, isAsWritten]),
        [
          ['b', 2, json({ at: 2 }), true],
          ['a', 3, json({ at: 3 }), true],
        ],
      );
      const records = await one.store.tail(EMPTY_HEAD, { waitMs: 1000, bytesMax: 1_000_000 });
      assert.ok(records !== 'behind');
      assert.deepEqual(
        records.map(({ first, last }) => [first, last]),
        [
          [1, 1],
          [2, 3],
        ],
      );
    });
  });
}
