import assert from 'node:assert/strict';
import { test } from 'node:test';
import { freePort } from '../../../test/support/free-port.ts';
import { startRedis } from '../../../test/support/redis.ts';
import { runLatchkey, temporaryFolder } from '../../../test/support/server-process.ts';

const sinkOn = (url: string) => JSON.stringify([{ name: 'notify', kind: 'redis', url }]);
const check = (url: string) =>
  runLatchkey(['config', 'check', '--connect'], { env: { LATCHKEY_SINKS: sinkOn(url), LATCHKEY_HTTP_PORT: '0' } });

test('config check --connect asks the Redis of each sink, and says which one is not there', async (t) => {
  const redis = await startRedis(t, { password: 'secret' });
  const good = await check(redis.url);
  assert.equal(good.code, 0, good.stderr);
  assert.match(good.stderr, /sinks notify: redis:\/\/127\.0\.0\.1:\d+ answers/);
  const bad = await check(redis.url.replace('secret', 'other'));
  assert.equal(bad.code, 6);
  assert.match(bad.stderr, /sinks notify: .* refuses the user or password/);
  assert.doesNotMatch(bad.stderr + bad.stdout, /other/);
  const gone = await check(`redis://127.0.0.1:${await freePort()}`);
  assert.equal(gone.code, 6);
  assert.match(gone.stderr, /sinks notify: redis:\/\/127\.0\.0\.1:\d+ can't be reached/);
});

test('config check --connect asks the Redis of each source, but not this process itself, and reads its template', async (t) => {
  const redis = await startRedis(t);
  const sourceOn = (url: string, key = 'k:{id}') => ({
    name: `on-${url.slice(0, 4)}`,
    ...{ kind: 'redis-pubsub', url, channels: ['c'], format: { kind: 'json', key } },
  });
  const checkSources = (...sources: readonly object[]) =>
    runLatchkey(['config', 'check', '--connect'], {
      env: {
        LATCHKEY_SOURCES: JSON.stringify(sources),
        LATCHKEY_RESP: '{"listen":"127.0.0.1:0"}',
        LATCHKEY_HTTP_PORT: '0',
      },
    });
  const good = await checkSources(sourceOn(redis.url), sourceOn('resp'));
  assert.equal(good.code, 0, good.stderr);
  assert.match(good.stderr, /sources on-redi: redis:\/\/127\.0\.0\.1:\d+ answers/);
  assert.doesNotMatch(good.stderr, /on-resp/);
  const gone = await checkSources(sourceOn(`redis://127.0.0.1:${await freePort()}`));
  assert.equal(gone.code, 6);
  assert.match(gone.stderr, /sources on-redi: redis:\/\/127\.0\.0\.1:\d+ can't be reached/);
  const bad = await checkSources(sourceOn(redis.url, 'k:{id'));
  assert.equal(bad.code, 2);
  assert.match(bad.stderr, /sources\[0\]\.format of the source on-redi: .*k:\{id/);
});

test('config check --connect asks the Redis of the log what a start would ask', async (t) => {
  const redis = await startRedis(t, { password: 'secret' });
  const checkLog = (url: string, ...args: string[]) =>
    runLatchkey(['config', 'check', '--connect', '--log', url, '--port', '0', ...args], { cwd: temporaryFolder(t) });
  const good = await checkLog(redis.url);
  assert.equal(good.code, 0, good.stderr);
  assert.match(good.stderr, /^log: redis:\/\/127\.0\.0\.1:\d+ answers\. .*restart of the Redis loses/m);
  assert.deepEqual(await redis.command('KEYS', '*'), []);
  const bad = await checkLog(redis.url.replace('secret', 'other'));
  assert.equal(bad.code, 6);
  assert.match(bad.stderr, /^error: log: .* refuses the user or password/m);
  await redis.command('CONFIG', 'SET', 'maxmemory', '100mb', 'maxmemory-policy', 'allkeys-lru');
  const evicting = await checkLog(redis.url);
  assert.equal(evicting.code, 2);
  assert.match(evicting.stderr, /^error: log: .*maxmemory-policy allkeys-lru.*set noeviction/m);
  const taken = await checkLog('local', '--resp', `127.0.0.1:${redis.port}`);
  assert.equal(taken.code, 1);
  assert.match(taken.stderr, /^error: resp: 127\.0\.0\.1:\d+ is taken/m);
});
