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

test('config check --connect says what a source of keyspace events lacks at its Redis, and sets nothing there', async (t) => {
  const acl = ['user blind on >secret ~* &* +@read +@pubsub +@connection'];
  const redis = await startRedis(t, { notifications: 'Kg', password: 'p', acl });
  const checkKeyspace = (part: object, url = redis.url) =>
    runLatchkey(['config', 'check', '--connect'], {
      env: {
        LATCHKEY_SOURCES: JSON.stringify([{ name: 'cache', kind: 'redis-keyspace', url, patterns: ['*'], ...part }]),
        LATCHKEY_HTTP_PORT: '0',
      },
    });
  const lacking = await checkKeyspace({ mode: 'keyevents' });
  assert.equal(lacking.code, 6, lacking.stderr);
  assert.match(
    lacking.stderr,
    /^error: sources cache: redis:\/\/127\.0\.0\.1:\d+ does not tell of every write: notify-keyspace-events is "gK" there\. Run CONFIG SET notify-keyspace-events gKEhxe\$ on it and keep it in its redis\.conf, or set setNotifications: true\./m,
  );
  const setting = await checkKeyspace({ mode: 'keyevents', setNotifications: true });
  assert.equal(setting.code, 0, setting.stderr);
  assert.match(setting.stderr, /is "gK" there; the source sets it to gKEhxe\$ \(setNotifications\)/);
  assert.deepEqual(await redis.command('CONFIG', 'GET', 'notify-keyspace-events'), { 'notify-keyspace-events': 'gK' });
  const tracking = await checkKeyspace({ mode: 'auto' });
  assert.equal(tracking.code, 0, tracking.stderr);
  assert.match(tracking.stderr, /sources cache: redis:\S+ answers; CLIENT TRACKING tells of every write/);
  const unseen = await checkKeyspace({ mode: 'keyevents' }, redis.url.replace(/:p@/, 'blind:secret@'));
  assert.match(unseen.stderr, /answers; .* does not let this user see notify-keyspace-events; without Eghxe\$ in it/);
  await redis.command('CONFIG', 'SET', 'notify-keyspace-events', 'KEA');
  const enough = await checkKeyspace({ mode: 'keyevents' });
  assert.equal(enough.code, 0, enough.stderr);
  assert.match(enough.stderr, /answers; keyspace events tell of every write/);
});

test('config check --connect finds keyspace events where a user may not turn on tracking', async (t) => {
  const redis = await startRedis(t, {
    acl: ['user reader on >secret ~* &* +@read +@pubsub +@connection +config|get -client|tracking'],
  });
  const checkAs = (mode: string) =>
    runLatchkey(['config', 'check', '--connect'], {
      env: {
        LATCHKEY_SOURCES: JSON.stringify([
          {
            name: 'cache',
            kind: 'redis-keyspace',
            patterns: ['*'],
            mode,
            url: redis.url.replace('//', '//reader:secret@'),
          },
        ]),
        LATCHKEY_HTTP_PORT: '0',
      },
    });
  const auto = await checkAs('auto');
  assert.equal(auto.code, 6, auto.stderr);
  assert.match(
    auto.stderr,
    /sources cache: .* notify-keyspace-events is "" there\. Run CONFIG SET notify-keyspace-events Eghxe\$/,
  );
  const tracking = await checkAs('tracking');
  assert.equal(tracking.code, 6, tracking.stderr);
  assert.match(
    tracking.stderr,
    /sources cache: .* does not permit asking to be told of changes to this user; widen its ACL/,
  );
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
