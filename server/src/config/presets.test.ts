import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { LatchkeyError } from '@latchkey/client';
import { loadSettings, type Places } from './load-settings.ts';
import type { Settings } from './settings.ts';

function folder(t: TestContext, files: Readonly<Record<string, string>> = {}): string {
  const cwd = mkdtempSync(join(tmpdir(), 'latchkey-presets-'));
  t.after(() => rmSync(cwd, { recursive: true }));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(cwd, name), text);
  return cwd;
}

const load = (preset: string, places: Places) => loadSettings({ ...places, flags: { preset: [preset] } });

function refusal(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof LatchkeyError && error.code === 'config-invalid') return error.message;
    throw error;
  }
  return assert.fail('the settings were taken');
}

const placesOf = ({ log, sinks, sources }: Settings) => [
  log.kind,
  log.url,
  ...sources.map(({ url }) => url),
  ...sinks.map(({ url }) => url),
];

describe('the preset kvupdater', () => {
  test('is its channel, its Redis and its message, without a word more', (t) => {
    const { settings, warnings } = load('kvupdater', { cwd: folder(t) });
    assert.deepEqual(placesOf(settings), ['redis', 'redis://redis.redis:6379/0', 'redis://redis.redis:6379/0']);
    const [source] = settings.sources;
    assert.ok(source?.kind === 'redis-pubsub');
    assert.deepEqual(source.channels, ['update']);
    assert.deepEqual(source.format, { kind: 'kvupdater' });
    assert.equal(source.validate, true);
    assert.equal(source.late, 'refuse');
    assert.deepEqual(warnings, []);
  });

  test('with a log and a Redis port of its own hears what is published there, unless a Redis is named', (t) => {
    const cwd = folder(t);
    const alone = { preset: ['kvupdater'], log: 'local', resp: '127.0.0.1:6380' };
    const places = (environment: Record<string, string>, flags: object = alone) =>
      placesOf(loadSettings({ cwd, environment, flags }).settings);
    assert.deepEqual([places({})[0], places({}).at(-1)], ['local', 'resp']);
    assert.equal(places({ REDIS_HOST: 'cache' }).at(-1), 'redis://cache:6379/0');
    assert.equal(places({}, { ...alone, log: 'redis' }).at(-1), 'redis://redis.redis:6379/0');
    const [kind, url] = places({}, { ...alone, log: 'redis://cache:6380/2' });
    assert.deepEqual([kind, url], ['redis', 'redis://cache:6380/2']);
  });

  test('takes config.py as it stands, and what the environment says of the Redis above it', (t) => {
    const text =
      'config = {\n  "redis_url": "redis://:pw@cache:6380?db=3&decode_responses=True",\n  "channel": "feed",\n  "validate": False,\n  "debug": 1\n}\n';
    const cwd = folder(t, { 'config.py': text });
    const { settings, warnings } = load('kvupdater', { cwd, file: 'config.py' });
    assert.deepEqual(placesOf(settings), ['redis', 'redis://:pw@cache:6380/3', 'redis://:pw@cache:6380/3']);
    const [source] = settings.sources;
    assert.ok(source?.kind === 'redis-pubsub');
    assert.deepEqual([source.channels, source.validate], [['feed'], false]);
    assert.deepEqual(warnings, [
      'config.py line 5: debug is ignored; redis_url, channel and validate are read',
      'redis_url: decode_responses behind the ? is ignored; db is read there',
    ]);
    const moved = load('kvupdater', {
      cwd,
      file: 'config.py',
      environment: { REDIS_HOST: 'other', REDIS_PASS: 'a/b@c' },
    });
    assert.equal(moved.settings.log.url, 'redis://:a%2Fb%40c@other:6380/3');
  });

  test('a config.py that is wrong is told with its line; without the preset it is no settings file', (t) => {
    const cwd = folder(t, { 'config.py': 'config = {\n  "channel": 5,\n}\n', 'bad.py': 'config = {\n  "a": x }' });
    assert.match(
      refusal(() => load('kvupdater', { cwd, file: 'config.py' })),
      /channel takes a text .*config\.py line 2/,
    );
    assert.match(
      refusal(() => load('kvupdater', { cwd, file: 'bad.py' })),
      /bad\.py line 2, column 8/,
    );
    assert.match(
      refusal(() => load('kvupdater', { cwd, file: 'gone.py' })),
      /gone\.py does not exist/,
    );
    assert.match(
      refusal(() => loadSettings({ cwd, file: 'config.py' })),
      /add --preset kvupdater/,
    );
  });
});

test('the preset redis-cache-sync follows the keys of the Redis that its log is in, and none beside the log local', (t) => {
  const cwd = folder(t);
  const { settings } = load('redis-cache-sync', { cwd });
  assert.deepEqual(
    settings.sources.map(({ kind, name, url }) => [kind, name, url]),
    [['redis-keyspace', 'cache', 'redis://localhost:6379/0']],
  );
  const environment = { LATCHKEY_LOG_SENTINELS: '["a:1"]', LATCHKEY_LOG_SENTINEL_NAME: 'cache' };
  assert.deepEqual(load('redis-cache-sync', { cwd, environment }).settings.sources[0]?.sentinels, ['a:1']);
  const alone = loadSettings({ cwd, flags: { preset: ['redis-cache-sync'], log: 'local' } }).settings;
  assert.deepEqual(alone.sources, []);
});

describe('the variables of the seeds', () => {
  const environment = { REDIS_HOST: '10.1.1.1', REDIS_PORT: '7000', REDIS_DB: '2', REDIS_PASS: 's p' };

  test('say where the Redis is, under their presets alone', (t) => {
    const cwd = folder(t);
    for (const preset of ['kvupdater', 'redis-cache-sync', 'redis-backend-ms']) {
      const { settings } = load(preset, { cwd, environment });
      for (const url of placesOf(settings).slice(1)) assert.equal(url, 'redis://:s%20p@10.1.1.1:7000/2', preset);
    }
    assert.equal(loadSettings({ cwd, environment }).settings.log.kind, 'local');
    assert.equal(load('keydb-poc', { cwd, environment }).settings.log.kind, 'local');
    assert.equal(load('redis-cache-sync', { cwd }).settings.log.url, 'redis://localhost:6379/0');
  });

  test('are below latchkey.yaml and LATCHKEY_ names, as all of a preset is', (t) => {
    const cwd = folder(t, { 'latchkey.yaml': 'log: { url: "redis://file:1/0" }' });
    assert.equal(load('redis-cache-sync', { cwd, environment }).settings.log.url, 'redis://file:1/0');
    const exact = { ...environment, LATCHKEY_LOG_URL: 'redis://exact:1/0' };
    const moved = load('redis-cache-sync', { cwd, environment: exact }).settings;
    assert.deepEqual(placesOf(moved), ['redis', 'redis://exact:1/0', 'redis://exact:1/0']);
  });

  test('what is wrong with them is told by their names, and no password is shown', (t) => {
    const cwd = folder(t, { '.env': 'REDIS_DB=x\n' });
    const wrong = { REDIS_PORT: '99999', REDIS_HOST: 'a b', REDIS_PASS: 'secret' };
    const message = refusal(() => load('redis-backend-ms', { cwd, environment: wrong }));
    for (const name of ['REDIS_PORT takes', 'REDIS_HOST takes', 'REDIS_DB takes a number', 'REDIS_DB in .env'])
      assert.ok(message.includes(name), `${name}: ${message}`);
    assert.doesNotMatch(message, /secret/);
  });

  test('what Kubernetes sets under the same name is ignored with a warning', (t) => {
    const injected = { REDIS_PORT: 'tcp://10.0.0.1:6379', REDIS_HOST: 'mine' };
    const { settings, warnings } = load('redis-cache-sync', { cwd: folder(t), environment: injected });
    assert.equal(settings.log.url, 'redis://mine:6379/0');
    assert.match(warnings.join(), /ignored REDIS_PORT: Kubernetes/);
  });
});

describe('the preset redis-backend-ms', () => {
  test('reads .env, keeps the set of ids, publishes the key’s own channel, and says what it does not do yet', (t) => {
    const file =
      'KAFKA_TOPIC=ems\nKAFKA_BROKER=a:9092\nKAFKA_GROUP=g\nREDIS_HOST=store\nREDIS_PORT=6390\nREDIS_DB=\nREDIS_PASS=\n';
    const { settings, warnings } = load('redis-backend-ms', {
      cwd: folder(t, { '.env': file }),
      environment: { REDIS_PORT: '6391' },
    });
    assert.deepEqual(placesOf(settings), ['redis', 'redis://store:6391/0', 'redis://store:6391/0']);
    const [sink] = settings.sinks;
    assert.equal(sink?.channel, '{key}');
    assert.equal(sink?.payload, 'updates');
    assert.deepEqual(sink?.indexSet, {
      key: 'info:batteries:ids',
      fromKey: 'battery:{battery_id}:data',
      member: '{battery_id}',
    });
    assert.equal(warnings.length, 1);
    assert.match(
      warnings[0] as string,
      /KAFKA_TOPIC, KAFKA_BROKER, KAFKA_GROUP are set, but this version has no source for Kafka/,
    );
  });

  test('.env is read under it alone', (t) => {
    const cwd = folder(t, { '.env': 'REDIS_HOST=store\n' });
    assert.equal(load('redis-cache-sync', { cwd }).settings.log.url, 'redis://localhost:6379/0');
  });
});

test('the preset keydb-poc opens the gateway where the observers look for a Redis', (t) => {
  const { settings } = load('keydb-poc', { cwd: folder(t) });
  assert.equal(settings.resp.listen, '127.0.0.1:6379');
  assert.equal(settings.log.kind, 'local');
});

test('templates of a sink that could never work are refused where they stand', (t) => {
  const sink = (more: string) => `sinks: [{ name: s, kind: redis, ${more} }]`;
  const index = (fromKey: string, member: string) =>
    sink(`indexSet: { key: i, fromKey: "${fromKey}", member: "${member}" }`);
  for (const [yaml, says] of [
    [sink('channel: "{id}"'), /sinks\[0\]\.channel names what a change does not have; it takes \{key\} alone/],
    [sink('payload: "{$key}"'), /sinks\[0\]\.payload names/],
    [sink('channel: "{key"'), /sinks\[0\]\.channel has a \{ at character 1/],
    [index('a:{x}{y}', '{x}'), /sinks\[0\]\.indexSet\.fromKey has nothing between/],
    [index('a:{x}:{y}', '{x}'), /sinks\[0\]\.indexSet\.member leaves out \{y\}: a member has to stand for one key/],
    [index('a:{x}', '{z}'), /sinks\[0\]\.indexSet\.member names \{z\}/],
  ] as const)
    assert.match(
      refusal(() => loadSettings({ cwd: folder(t, { 'latchkey.yaml': yaml }) })),
      says,
      yaml,
    );
});
