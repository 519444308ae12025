import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { redisPrograms } from '../../../../test/support/redis.ts';
import { storeWorld } from './store-world.fixture.ts';

const TTL_MS = 60_000;

for (const { path: program, version } of redisPrograms()) {
  describe(`on Redis ${version}`, () => {
    test('a lease has one holder, who keeps its fence; the next one’s is higher', async (t) => {
      const { open } = await storeWorld(t, { program });
      let shiftMicros = 0;
      const { store } = await open({ clockShiftMicros: () => shiftMicros });
      assert.equal(await store.lease('a', 'me', TTL_MS), 1);
      assert.equal(await store.lease('a', 'other', TTL_MS), undefined);
      assert.equal(await store.lease('b', 'other', TTL_MS), 1);
      shiftMicros += 50_000_000;
      assert.equal(await store.lease('a', 'me', TTL_MS), 1);
      shiftMicros += 50_000_000;
      assert.equal(await store.lease('a', 'other', TTL_MS), undefined);
      shiftMicros += 11_000_000;
      assert.equal(await store.lease('a', 'other', TTL_MS), 2);
      assert.equal(await store.lease('a', 'me', TTL_MS), undefined);
      shiftMicros += 61_000_000;
      assert.equal(await store.lease('a', 'other', TTL_MS), 3);
    });

    test('a lease that is given back is free, and another’s stays', async (t) => {
      const { open } = await storeWorld(t, { program });
      const { store } = await open();
      await store.lease('a', 'holder with spaces', TTL_MS);
      await store.releaseLease('a', 'other');
      assert.equal(await store.lease('a', 'other', TTL_MS), undefined);
      await store.releaseLease('a', 'holder with spaces');
      await store.releaseLease('never', 'other');
      assert.equal(await store.lease('a', 'other', TTL_MS), 2);
    });

    test('nodes hear of each other until they fall silent', async (t) => {
      const { open } = await storeWorld(t, { program });
      let shiftMicros = 0;
      const { store } = await open({ clockShiftMicros: () => shiftMicros });
      const sorted = async (node: string, epoch: string, offset: number) =>
        [...(await store.register(node, { epoch, offset }, TTL_MS))].sort((one, other) =>
          one.node < other.node ? -1 : 1,
        );
      const one = { node: 'one', epoch: 'e', offset: Number.MAX_SAFE_INTEGER };
      assert.deepEqual(await sorted('one', 'e', Number.MAX_SAFE_INTEGER), [one]);
      shiftMicros += 40_000_000;
      assert.deepEqual(await sorted('two', '', 0), [one, { node: 'two', epoch: '', offset: 0 }]);
      shiftMicros += 40_000_000;
      assert.deepEqual(await sorted('two', 'e', 5), [{ node: 'two', epoch: 'e', offset: 5 }]);
    });

    test('writers that fell silent are forgotten, the newest are not', async (t) => {
      const { open, redis } = await storeWorld(t, { program });
      const writer = await open();
      await writer.put({ key: 'a' });
      const old = Array.from({ length: 1000 }, (_, index) => [`old${index}`, `1 token ${index + 2}`]).flat();
      await redis.command('HSET', 'latchkey:main:writers', ...old);
      const other = await open();
      other.head = { ...writer.head };
      // Its own are the last offset of all.
      await redis.command('HSET', 'latchkey:main:head', 'offset', 5000);
      const request = await other.request([{ key: 'b' }], { head: { ...writer.head, offset: 5000 } });
      assert.equal((await other.append(request)).kind, 'appended');
      assert.equal(await redis.command('HLEN', 'latchkey:main:writers'), 500);
      assert.equal(await redis.command('HEXISTS', 'latchkey:main:writers', other.incarnation), 1);
      assert.equal(await redis.command('HEXISTS', 'latchkey:main:writers', 'old999'), 1);
      assert.equal(await redis.command('HEXISTS', 'latchkey:main:writers', 'old0'), 0);
    });
  });
}
