import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { LatchkeyError } from '@latchkey/client';
import { FaultProxy } from '../../../../test/support/fault-proxy.ts';
import { redisPrograms, startRedis } from '../../../../test/support/redis.ts';
import { openRedisStore } from './store.ts';
import { persistently, placeOf, storeWorld, UP_MS, until } from './store-world.fixture.ts';
import { EMPTY_HEAD, json, Writer } from './writer.fixture.ts';

const MIB = 1024 * 1024;
const OWN = '~latchkey:main:* +@all';

const is =
  (code: LatchkeyError['code'], says = /./) =>
  (error: unknown) => {
    assert.ok(error instanceof LatchkeyError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, says);
    return true;
  };

for (const { path: program, version } of redisPrograms()) {
  describe(`on Redis ${version}`, () => {
    test('an ACL that forbids one key of a batch: nothing is written, and the answer names it', async (t) => {
      const acl = [`user node on >secret ${OWN} ~ok:*`];
      const world = await storeWorld(t, { program, acl });
      const writer = await world.open({ url: world.redis.url.replace('redis://', 'redis://node:secret@') });
      await writer.put({ key: 'ok:1' });
      const before = await world.everything();
      const answer = await writer.put({ key: 'ok:1' }, { key: 'secret' }, { key: 'ok:2' }, { key: 'other' });
      assert.deepEqual(answer, { kind: 'not-permitted', keys: ['secret', 'other'] });
      assert.deepEqual(await world.everything(), before);
      assert.equal((await writer.put({ key: 'ok:1' }, { key: 'ok:2' })).kind, 'appended');
      await assert.rejects(writer.store.find(['secret']), is('config-invalid', /does not permit this user a key/));
    });

    test('an ACL without the log’s own keys, or without a command, is told before anything is written', async (t) => {
      const acl = [
        'user keys on >secret ~ok:* +@all',
        'user commands on >secret ~* +@all -mset -zadd',
        'user reader on >secret ~* -@all +@read +@connection +info',
      ];
      const world = await storeWorld(t, { program, acl });
      const up = (user: string) => {
        const place = placeOf(`redis://${user}:secret@127.0.0.1:${world.redis.port}`);
        const store = openRedisStore({ place, name: 'main' });
        t.after(() => store.close());
        return store.up(1000);
      };
      await assert.rejects(up('keys'), is('config-invalid', /Its ACL needs ~latchkey:main:\*/));
      await assert.rejects(up('commands'), is('config-invalid', /add \+zadd \+mset to its ACL/));
      await assert.rejects(up('reader'), is('config-invalid', /does not permit this user a command/));
      await assert.rejects(up('nobody'), is('not-ready', /refuses the user or password/));
      assert.deepEqual([...(await world.everything()).keys()], []);
    });

    test('a Redis that is full keeps what it has, and takes it again when there is room', async (t) => {
      const world = await storeWorld(t, { program, memoryPolicy: 'noeviction' });
      const writer = await world.open();
      await writer.put({ key: 'a' });
      await world.redis.command('CONFIG', 'SET', 'maxmemory', '1');
      const before = await world.everything();
      const request = await writer.request([
        { key: 'a' },
        { key: 'b', value: json('x'.repeat(1000)) },
        { key: 'a2', op: 'remove' },
      ]);
      await assert.rejects(writer.append(request), is('storage-full', /has reached maxmemory/));
      assert.deepEqual(await world.everything(), before);
      const late = await world.open();
      assert.deepEqual(await late.store.head(), writer.head);
      await world.redis.command('CONFIG', 'SET', 'maxmemory', '0');
      assert.equal((await writer.append(await writer.request([{ key: 'a' }]))).kind, 'appended');
    });

    test('a Redis that becomes a replica is left for the primary', async (t) => {
      const world = await storeWorld(t, { program });
      const other = await startRedis(t, { program, replicaOf: world.redis });
      const writer = await world.open();
      await writer.put({ key: 'a' });
      await until('the replica has it', async () => (await other.command('GET', 'a')) !== null);
      await other.command('REPLICAOF', 'NO', 'ONE');
      await world.redis.command('REPLICAOF', '127.0.0.1', other.port);
      await until('it has synced', async () => (await world.redis.info('master_link_status')) === 'up');
      const before = await world.everything();
      const append = async () => writer.append(await writer.request([{ key: 'a' }]));
      await assert.rejects(append(), is('not-ready', /is a read-only replica/));
      assert.deepEqual(await world.everything(), before);
      await assert.rejects(writer.store.up(200), is('not-ready', /is a read-only replica/));
      await world.redis.command('REPLICAOF', 'NO', 'ONE');
      await writer.store.up(UP_MS);
      // Anew, because the first may be too old by now.
      assert.equal((await writer.append(await writer.request([{ key: 'a' }]))).kind, 'appended');
    });

    test('a key of its own that something else wrote stops it, with what to do, before anything is written', async (t) => {
      const world = await storeWorld(t, { program });
      const writer = await world.open();
      await writer.put({ key: 'a' });
      for (const name of [
        'head',
        'epochs',
        'changes',
        'marks',
        'heads',
        'index',
        'writers',
        'turn',
        'table:progress',
      ]) {
        const key = `latchkey:main:${name}`;
        const kept = `kept:${name}`;
        const isThere = (await world.redis.command('EXISTS', key)) === 1;
        if (isThere) await world.redis.command('RENAME', key, kept);
        await world.redis.command('SADD', key, 'x');
        const before = await world.everything();
        const tables = [{ table: 'progress', key: Buffer.from('a'), value: Buffer.from('1') }] as const;
        const request = await writer.request([{ key: 'a' }], { tables });
        await assert.rejects(
          writer.append(request),
          is('config-invalid', /not of the type that the log keeps there/),
          name,
        );
        assert.deepEqual(await world.everything(), before, name);
        await world.redis.command('DEL', key);
        if (isThere) await world.redis.command('RENAME', kept, key);
      }
      assert.equal((await writer.put({ key: 'a' })).kind, 'appended');
    });

    test('a stream whose head is gone takes nothing', async (t) => {
      const world = await storeWorld(t, { program });
      const writer = await world.open();
      await writer.put({ key: 'a' });
      await writer.put({ key: 'a' });
      await world.redis.command('DEL', 'latchkey:main:head');
      writer.head = EMPTY_HEAD;
      const before = await world.everything();
      await assert.rejects(writer.put({ key: 'a' }), is('not-ready'));
      assert.deepEqual(await world.everything(), before);
    });

    test('a Redis that is killed is not ready, and goes on where it was when it is back', async (t) => {
      const world = await storeWorld(t, { program, appendonly: true, config: ['appendfsync always'] });
      const writer = await world.open();
      await writer.put({ key: 'a' });
      await world.redis.kill9();
      await assert.rejects(writer.store.head(), is('not-ready'));
      await world.redis.restart({ withData: true });
      await writer.store.up(UP_MS);
      assert.deepEqual({ ...(await writer.store.head()) }, writer.head);
      assert.equal((await writer.put({ key: 'a' })).kind, 'appended');
      assert.equal((await writer.store.epochs()).length, 2);
    });

    test('one that comes back without its data has an empty head, and takes no append of the old one', async (t) => {
      const world = await storeWorld(t, { program });
      const writer = await world.open();
      await writer.put({ key: 'a' });
      await world.redis.restart({ withData: false });
      await writer.store.up(UP_MS);
      assert.deepEqual(await writer.store.head(), EMPTY_HEAD);
      const answer = await writer.put({ key: 'a' });
      assert.deepEqual(answer, { kind: 'behind', head: EMPTY_HEAD });
      assert.deepEqual(await world.everything(), new Map());
    });
  });
}

test('a Redis that hangs is given up after its time, and what it was asked before then is not done later', async (t) => {
  const world = await storeWorld(t);
  const proxy = await FaultProxy.start(world.redis.port);
  t.after(() => proxy.close());
  const writer = await world.open({ url: proxy.url.replace('http:', 'redis:') });
  const request = await writer.request([{ key: 'a' }]);
  // The server does not hear that the connection ended.
  proxy.set({ kind: 'half-open' });
  world.redis.pause();
  await assert.rejects(writer.append(request), is('not-ready'));
  world.redis.resume();
  // By now it is too old, as the first one is where that was taken from the socket.
  assert.equal((await persistently(() => writer.store.append(request))).kind, 'untimely');
  const clients = String(await world.redis.command('CLIENT', 'LIST'));
  assert.equal(clients.split('\n').filter((line) => line.includes(' name=latchkey-log ')).length, 1, clients);
  assert.equal((await writer.put({ key: 'a' })).kind, 'appended');
  assert.equal((await writer.store.head()).offset, 1);
});

test('replicas that have a write are counted, and not those of a server that came after it', async (t) => {
  const world = await storeWorld(t);
  await startRedis(t, { replicaOf: world.redis });
  await until('the replica is there', async () => (await world.redis.info('connected_slaves')) === '1');
  const writer = await world.open();
  await writer.put({ key: 'a' });
  assert.equal(await writer.store.waitForReplicas(1, 5000, false), 1);
  assert.equal(await writer.store.waitForReplicas(2, 50, false), 1);
  await world.redis.restart({ withData: true });
  await writer.store.up(UP_MS);
  await assert.rejects(writer.store.waitForReplicas(1, 50, false), is('not-ready', /was replaced after the write/));
});

test('it works over TLS, with a password', async (t) => {
  const world = await startRedis(t, { tls: true, password: 'a b:c@d' });
  const caFile = `${world.folder}/trusted.pem`;
  writeFileSync(caFile, world.ca ?? '');
  const store = openRedisStore({ place: placeOf(world.url, caFile), name: 'main' });
  t.after(() => store.close());
  await store.up(UP_MS);
  const writer = new Writer(store);
  assert.equal((await writer.put({ key: 'a' })).kind, 'appended');
  assert.deepEqual(
    (await store.refill(0, { entriesMax: 1, bytesMax: MIB })).entries.map(({ change }) => change.key),
    ['a'],
  );
});

test('what the server says of itself', async (t) => {
  const acl = ['user node on >secret ~* +@all -config'];
  const world = await storeWorld(t, { acl, memoryPolicy: 'allkeys-lru', memoryBytesMax: 64 * MIB, appendonly: true });
  const admin = await world.open({ url: `redis://test-admin:test-admin@127.0.0.1:${world.redis.port}` });
  const facts = await admin.store.facts();
  assert.equal(facts.version, await world.redis.info('redis_version'));
  assert.equal(facts.runId, await world.redis.info('run_id'));
  assert.deepEqual(
    [facts.maxmemoryPolicy, facts.maxmemoryBytes, facts.role, facts.connectedReplicas, facts.persistence],
    ['allkeys-lru', 64 * MIB, 'master', 0, { appendonly: true, appendfsync: 'everysec', save: '' }],
  );
  const node = await world.open({ url: `redis://node:secret@127.0.0.1:${world.redis.port}` });
  assert.equal((await node.store.facts()).persistence, undefined);
});
