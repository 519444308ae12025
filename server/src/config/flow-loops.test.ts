import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loopFaults, ownPortFaults } from './flow-loops.ts';
import type { RedisKeyspaceSettings, RedisPubsubSettings, RedisSinkSettings } from './flow-settings.ts';
import { DEFAULT_SETTINGS } from './settings.ts';

const place = { url: 'redis://localhost:6379/0', sentinels: [], sentinelName: 'mymaster', caFile: '' };
const source: RedisPubsubSettings = {
  ...place,
  name: 'updates',
  kind: 'redis-pubsub',
  keyPrefix: '',
  channels: ['update'],
  patterns: [],
  validate: false,
  format: { kind: 'kvupdater' },
  late: 'refuse',
  recordEqual: false,
};
const sink: RedisSinkSettings = {
  ...place,
  name: 'notify',
  kind: 'redis',
  keys: [],
  prefixes: [],
  patterns: [],
  channel: '{key}',
  payload: 'change',
  indexSet: null,
};

const loops = (of: Partial<RedisPubsubSettings>, to: Partial<RedisSinkSettings>, listen = '') =>
  loopFaults({
    log: DEFAULT_SETTINGS.log,
    resp: { listen, password: '' },
    sources: [{ ...source, ...of }],
    sinks: [{ ...sink, ...to }],
  }).length === 1;

test('a sink that publishes where a source listens is a loop, in whatever database', () => {
  assert.ok(loops({}, { channel: 'update', payload: 'kvupdater' }));
  assert.ok(loops({ url: 'redis://127.0.0.1/3' }, { channel: 'update' }));
  assert.ok(loops({ channels: [], patterns: ['up*'] }, { channel: 'update' }));
  assert.ok(loops({ url: 'resp' }, { channel: 'update', url: 'redis://127.0.0.1:6390' }, '0.0.0.0:6390'));
});

test('channels of keys are a loop where the sink names such keys, or the source hears everything', () => {
  assert.ok(loops({ channels: ['a.b'] }, { keys: ['a.b'] }));
  assert.ok(loops({ channels: [], patterns: ['battery:*'] }, { prefixes: ['battery:'] }));
  assert.ok(loops({ channels: [], patterns: ['battery:*'] }, { patterns: ['battery:*'] }));
  assert.ok(loops({ channels: [], patterns: ['*'] }, {}));
  assert.ok(!loops({}, {}));
  assert.ok(!loops({}, { prefixes: ['battery:'] }));
});

test('another channel, another Redis or no channel at all is none', () => {
  assert.ok(!loops({}, { channel: 'told' }));
  assert.ok(!loops({ url: 'redis://other:6379' }, { channel: 'update' }));
  assert.ok(!loops({}, { channel: 'update', url: 'redis://localhost:6380' }));
  assert.ok(!loops({ channels: [], patterns: ['*'] }, { channel: '' }));
});

test('neither the log nor what writes or follows entries may be this server’s own Redis port', () => {
  const resp = { listen: '127.0.0.1:6379', password: '' };
  const log = { ...DEFAULT_SETTINGS.log, kind: 'redis' } as const;
  const paths = (listen: string) =>
    ownPortFaults({ log, resp: { ...resp, listen }, sources: [source], sinks: [sink] }).map(({ path }) => path);
  assert.deepEqual(paths('127.0.0.1:6379'), ['log.url', 'sinks[0].url']);
  assert.deepEqual([...paths('127.0.0.1:6380'), ...paths('')], []);
});

test('a source of keys that the log copies to where it follows them is a loop', () => {
  const loops = (of: Partial<RedisKeyspaceSettings>, logUrl = 'redis://127.0.0.1') =>
    loopFaults({
      log: { ...DEFAULT_SETTINGS.log, kind: 'redis', url: logUrl },
      resp: { listen: '', password: '' },
      sources: [{ ...keys, ...of }],
      sinks: [],
    }).map(({ path }) => path);
  const keys: RedisKeyspaceSettings = {
    ...place,
    name: 'keys',
    kind: 'redis-keyspace',
    patterns: ['*'],
    mode: 'auto',
    setNotifications: false,
    keyPrefix: 'copy.',
  };
  assert.deepEqual(loops({}), ['sources[0].keyPrefix']);
  assert.deepEqual(loops({ patterns: ['cop?.*'] }), ['sources[0].keyPrefix']);
  assert.deepEqual(loops({ patterns: ['cache:*'] }), []);
  assert.deepEqual(loops({ keyPrefix: '' }), []);
  assert.deepEqual(loops({}, 'redis://127.0.0.1/1'), []);
  assert.deepEqual(loops({}, 'redis://127.0.0.1:6380'), []);
});
