/** Permissions that somebody takes away from a connection that is there: an append is carried out, or refused before it writes. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { redisPrograms } from '../../../../test/support/redis.ts';
import { storeWorld } from './store-world.fixture.ts';
import { EMPTY_HEAD, json } from './writer.fixture.ts';

const WRITES = ['xadd', 'hset', 'zadd', 'set', 'mset'];

for (const { path: program, version } of redisPrograms()) {
  describe(`on Redis ${version}`, () => {
    for (const command of WRITES) {
      test(`a user who may not run ${command} any more has written nothing, and all goes on when it may again`, async (t) => {
        const world = await storeWorld(t, { program, acl: ['user node on >secret ~* &* +@all'] });
        const writer = await world.open({ url: world.redis.url.replace('//', '//node:secret@') });
        await writer.put({ key: 'a', value: json(1) });
        const before = await world.everything();
        const wishes = [
          { key: 'b', value: json(2) },
          { key: 'a', value: json(3), expires: Date.now() * 1000 + 60_000_000 },
        ];
        await world.redis.command('ACL', 'SETUSER', 'node', `-${command}`);
        await assert.rejects(writer.append(await writer.request(wishes)), { code: 'config-invalid' });
        assert.deepEqual(await world.everything(), before);
        await world.redis.command('ACL', 'SETUSER', 'node', `+${command}`);
        assert.deepEqual(await writer.append(await writer.request(wishes)), { kind: 'appended' });
      });
    }

    test('what half a write left in the stream beyond the head is taken out by the next one', async (t) => {
      const world = await storeWorld(t, { program });
      const writer = await world.open();
      await writer.put({ key: 'a', value: json(1) });
      for (const id of ['3-0', '900-0'])
        await world.redis.command('XADD', 'latchkey:main:changes', id, 'b', 'x', 'r', 'y');
      assert.deepEqual(await writer.put({ key: 'a', value: json(2) }), { kind: 'appended' });
      assert.deepEqual(await writer.put({ key: 'b', value: json(3) }), { kind: 'appended' });
      const records = await writer.store.tail(EMPTY_HEAD, { waitMs: 1000, bytesMax: 1024 * 1024 });
      assert.ok(records !== 'behind');
      assert.deepEqual(
        records.map(({ last }) => last),
        [1, 2, 3],
      );
    });
  });
}
