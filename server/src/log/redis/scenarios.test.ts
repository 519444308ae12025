/** What happens to a Redis and to nodes around it over longer stretches: failovers, foreign hands at every step, moving over. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { FaultProxy } from '../../../../test/support/fault-proxy.ts';
import { redisPrograms, startRedis } from '../../../../test/support/redis.ts';
import { startSentinels } from '../../../../test/support/redis-sentinels.ts';
import type { Payload } from '../../shared/change.ts';
import { Random, seedFrom } from '../../verify/random.ts';
import type { Found, RefillPage } from './redis-store.ts';
import { openRedisStore } from './store.ts';
import { persistently, type StoreWorld, storeWorld, UP_MS, until } from './store-world.fixture.ts';
import { json, type Wish, Writer } from './writer.fixture.ts';

const MIB = 1024 * 1024;
const STEPS = 150;

test('a promoted replica that lacks the last writes: a node that holds them is behind, before and after others write', async (t) => {
  const world = await storeWorld(t);
  const replica = await startRedis(t, { replicaOf: world.redis });
  const proxy = await FaultProxy.start(world.redis.port);
  t.after(() => proxy.close());
  const url = proxy.url.replace('http:', 'redis:');
  const old = await world.open({ url });
  await old.put({ key: 'a' });
  await until('the replica has it', async () => (await replica.command('GET', 'a')) !== null);
  await replica.command('REPLICAOF', 'NO', 'ONE');
  // The old primary takes two more, which are lost with it; one of them was never answered.
  const common = old.head;
  await old.put({ key: 'a' });
  const lost = await old.request([{ key: 'b' }]);
  await old.append(lost);
  proxy.leadTo(replica.port);
  await world.redis.kill9();
  proxy.cut();
  await persistently(() => old.store.head());

  assert.equal(await old.store.tail(old.head, { waitMs: 50, bytesMax: MIB }), 'behind');
  const answer = await old.store.append(lost);
  assert.deepEqual(answer, { kind: 'behind', head: common });
  const fresh = await world.open({ url });
  fresh.head = common;
  assert.deepEqual(await fresh.append(await fresh.request([{ key: 'c' }], { record: { epoch: undefined } })), {
    kind: 'other-run',
    runId: await replica.info('run_id'),
  });
  for (const key of ['c', 'd', 'e', 'f']) {
    await fresh.put({ key });
    // Whether the offset that it holds is beyond the new lineage's, equal to it, or before it.
    assert.equal(await old.store.tail(old.head, { waitMs: 50, bytesMax: MIB }), 'behind', key);
    assert.equal((await old.put({ key: 'a' })).kind, 'behind', key);
  }
  const epochs = await fresh.store.epochs();
  assert.deepEqual(
    epochs.map(({ first }) => first),
    [1, 2],
  );
  assert.equal(await replica.command('EXISTS', 'b'), 0);
});

test('a failover by Sentinels: the store finds the new primary by itself, and tells its run', async (t) => {
  const { movedFrom, name, primary, sentinels } = await startSentinels(t, { downAfterMs: 500 });
  const place = {
    url: 'redis://unused',
    sentinels: sentinels.map(({ port }) => `127.0.0.1:${port}`),
    sentinelName: name,
    caFile: '',
  };
  const store = openRedisStore({ place, name: 'main' });
  t.after(() => store.close());
  await store.up(UP_MS);
  const writer = new Writer(store);
  await writer.put({ key: 'a' });
  assert.equal(await store.waitForReplicas(1, 5000, false), 1);
  const before = writer.head;
  await primary.kill9();
  const now = await movedFrom(primary);
  await store.up(UP_MS);
  assert.deepEqual(await store.head(), before);
  assert.equal((await store.facts()).runId, await now.info('run_id'));
  assert.equal((await writer.put({ key: 'a' })).kind, 'appended');
  assert.equal((await store.epochs()).length, 2);
});

for (const { path: program, version } of redisPrograms()) {
  describe(`on Redis ${version}`, () => {
    test('moving over a Redis that others filled loses no key and no field', async (t) => {
      const { open, redis } = await storeWorld(t, { program });
      const writer = await open();
      await redis.command('SET', 'text', 'not json');
      await redis.command('SET', 'soon', '1', 'PX', 3_600_000);
      await redis.command('HSET', 'user', 'name', 'Ann', 'age', '7', 'city', 'Ulm');
      const keys = ['text', 'soon', 'user'];
      assert.deepEqual(await writer.put(...keys.map((key) => ({ key }))), { kind: 'reread', keys });
      const found = await writer.store.find(keys);
      await writer.put(...keys.map((key, at) => observed(key, found[at] as Found)));
      // Only now is it decided on: a merge of one field, a put over the text.
      const plain = {
        kind: 'hash' as const,
        isWhole: false,
        set: [['age', '8']] as const,
        removed: [],
        expires: undefined,
      };
      await writer.put({ key: 'user', as: 'hash', value: json({ name: 'Ann', age: 8, city: 'Ulm' }), plain });
      await writer.put({ key: 'text', value: json(1) });
      const hash = Object.entries((await redis.command('HGETALL', 'user')) as object).sort();
      assert.deepEqual(Object.fromEntries(hash), { age: '8', city: 'Ulm', name: 'Ann' });
      assert.ok(Number(await redis.command('PTTL', 'soon')) > 3_000_000);
    });

    test('scripts work where a Redis is set to send them to replicas, or knows no such setting', async (t) => {
      const { open, redis } = await storeWorld(t, { program });
      await redis.command('CONFIG', 'SET', 'lua-replicate-commands', 'no').catch(() => undefined);
      const writer = await open();
      assert.equal((await writer.put({ key: 'a' })).kind, 'appended');
      assert.equal(await writer.store.lease('a', 'me', 1000), 1);
    });

    test('foreign hands at every step: what the log never saw is never written over, and all is known in the end', async (t) => {
      const world = await storeWorld(t, { program });
      const writer = await world.open();
      const seed = seedFrom(process.env.LATCHKEY_SEED);
      t.diagnostic(`LATCHKEY_SEED=${seed}`);
      await foreignHands(world, writer, new Random(seed));
    });
  });
}

const NAMES = ['a', 'b', 'c', 'd'];

/** One who writes past the log, and a log that writes, reads again where it is told to, and looks through all of it at times. */
async function foreignHands({ redis }: StoreWorld, writer: Writer, random: Random): Promise<void> {
  const foreign = async () => {
    const key = random.pick(NAMES);
    const kinds = ['SET', 'DEL', 'HSET', 'PEXPIRE', 'none', 'none'];
    const kind = random.pick(kinds);
    if (kind === 'SET') await redis.command('SET', key, `"foreign ${random.between(0, 9)}"`);
    if (kind === 'DEL') await redis.command('DEL', key);
    if (kind === 'PEXPIRE') await redis.command('PEXPIRE', key, 3_600_000);
    if (kind === 'HSET') await redis.command('HSET', key, 'f', random.between(0, 9)).catch(() => undefined);
  };
  for (let step = 0; step < STEPS; step += 1) {
    await foreign();
    const key = random.pick(NAMES);
    const isUnseen = !writer.knows(key);
    const before = await redis.command('DUMP', key);
    const answer = await writer.put(wishOf(key, random));
    if (isUnseen && before !== null) assert.equal(answer.kind, 'reread', `${key} at step ${step}`);
    await foreign();
    if (answer.kind === 'reread') await observe(writer, answer.keys, foreign);
  }
  const all = async (): Promise<RefillPage['entries']> =>
    (await writer.store.refill(0, { entriesMax: 99, bytesMax: MIB })).entries;
  await observe(
    writer,
    (await all()).filter(({ isAsWritten }) => !isAsWritten).map(({ change }) => change.key),
    async () => {},
  );
  for (const { change, isAsWritten } of await all()) {
    assert.ok(isAsWritten, `${change.key}: ${change.op}`);
    const [found] = await writer.store.find([change.key]);
    if (found?.kind === 'string') assert.equal(change.value?.data.toString(), found.data.toString());
  }
}

function wishOf(key: string, random: Random): Wish {
  const kind = random.between(0, 3);
  if (kind === 0) return { key, op: 'remove' };
  if (kind === 1) return { key };
  const set = [['g', `${random.between(0, 9)}`]] as const;
  const plain = { kind: 'hash' as const, isWhole: kind === 2, set, removed: [], expires: undefined };
  return { key, as: 'hash', value: json(Object.fromEntries(set)), plain };
}

/** Reads the keys and records what is there, until nobody was faster. */
async function observe(writer: Writer, keys: readonly string[], between: () => Promise<void>): Promise<void> {
  while (keys.length > 0) {
    const found = await writer.store.find(keys);
    await between();
    const wishes = keys.map((key, at) => observed(key, found[at] as Found));
    const answer = await writer.put(...wishes);
    if (answer.kind === 'appended') return;
    assert.equal(answer.kind, 'reread');
  }
}

function observed(key: string, found: Found): Wish {
  const wish = { key, plain: { kind: 'none' as const }, expects: { kind: 'as-found' as const, found } };
  if (found.kind === 'hash') {
    const fields = found.fields.map(([name, value]) => [name.toString(), value.toString()]);
    return { ...wish, as: 'hash', value: json(Object.fromEntries(fields)), expires: found.expires };
  }
  if (found.kind !== 'string') return { ...wish, op: 'remove' };
  const value: Payload = { kind: 'text', data: found.data.toString(), contentType: 'text/plain' };
  return { ...wish, value, expires: found.expires };
}
