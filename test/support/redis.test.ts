import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { connect } from 'node:tls';
import { redisPrograms, startRedis } from './redis.ts';
import { startSentinels } from './redis-sentinels.ts';

for (const { path, version } of redisPrograms()) {
  describe(`a redis of the test's own, ${version}`, () => {
    test('keeps its data over a restart with it, and its port over one without', async (t) => {
      const redis = await startRedis(t, { program: path });
      await redis.command('SET', 'a', '1');
      const { port } = redis;
      await redis.restart({ withData: true });
      assert.equal(await redis.command('GET', 'a'), '1');
      await redis.restart({ withData: false });
      assert.equal(await redis.command('GET', 'a'), null);
      assert.equal(redis.port, port);
    });

    test('has after kill -9 what its append-only file has', async (t) => {
      const redis = await startRedis(t, { program: path, appendonly: true, config: ['appendfsync always'] });
      await redis.command('SET', 'a', '1');
      assert.equal((await redis.kill9()).signal, 'SIGKILL');
      await assert.rejects(redis.command('GET', 'a'));
      await redis.restart({ withData: true });
      assert.equal(await redis.command('GET', 'a'), '1');
    });

    test('takes events, memory, a password and users from the options', async (t) => {
      const redis = await startRedis(t, {
        program: path,
        notifications: 'KEA',
        password: 'p@ss word',
        acl: ['user reader on >secret ~public:* +get'],
        memoryBytesMax: 50_000_000,
        memoryPolicy: 'noeviction',
      });
      const config = await redis.command('CONFIG', 'GET', 'maxmemory');
      assert.match(JSON.stringify(config), /50000000/);
      assert.match(JSON.stringify(await redis.command('ACL', 'LIST')), /user reader on/);
      assert.match(redis.url, /:p%40ss%20word@/);
    });

    test('answers nothing while it is paused', async (t) => {
      const redis = await startRedis(t, { program: path });
      await redis.command('PING');
      redis.pause();
      let isAnswered = false;
      const answer = redis.command('PING').then(() => {
        isAnswered = true;
      });
      await new Promise(setImmediate);
      assert.equal(isAnswered, false);
      redis.resume();
      await answer;
    });

    test('a replica follows, with the login that the ACL asks for', async (t) => {
      const primary = await startRedis(t, { program: path, password: 'secret' });
      const replica = await startRedis(t, { program: path, password: 'secret', replicaOf: primary });
      await primary.command('SET', 'a', '1');
      while ((await replica.command('GET', 'a')) !== '1') await new Promise(setImmediate);
      assert.equal(await replica.info('role'), 'slave');
    });
  });
}

test('a redis with TLS is trusted by the certificate made for it', async (t) => {
  const redis = await startRedis(t, { tls: true });
  assert.match(redis.url, /^rediss:/);
  assert.equal(await redis.command('PING'), 'PONG');
  const socket = connect({ host: '127.0.0.1', port: redis.port, ca: redis.ca as string });
  await once(socket, 'secureConnect');
  assert.equal(socket.authorized, true);
  socket.destroy();
});

test('three sentinels move the name to the replica when the primary is gone', async (t) => {
  const { current, movedFrom, primary, replicas } = await startSentinels(t, { redis: { password: 'secret' } });
  assert.equal(await current(), primary);
  await primary.kill9();
  const now = await movedFrom(primary);
  assert.equal(now, replicas[0]);
  await now.command('SET', 'a', '1');
});
