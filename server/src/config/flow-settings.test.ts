import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LatchkeyError } from '@latchkey/client';
import type { Fault } from './fault.ts';
import { loadSettings, type Places } from './load-settings.ts';

const cwd = '/';

function settingsOf(sources: unknown, sinks: unknown = [], more: Places['environment'] = {}) {
  const environment = {
    LATCHKEY_SOURCES: JSON.stringify(sources),
    LATCHKEY_SINKS: JSON.stringify(sinks),
    ...more,
  };
  return loadSettings({ cwd, environment }).settings;
}

function faultsOf(sources: unknown, sinks: unknown = [], more: Places['environment'] = {}): string[] {
  try {
    settingsOf(sources, sinks, more);
  } catch (error) {
    if (!(error instanceof LatchkeyError)) throw error;
    return ((error.details.extra?.faults ?? []) as Fault[]).map(({ path, says }) => `${path} ${says}`);
  }
  return assert.fail('the settings were taken');
}

const pubsub = { name: 'updates', kind: 'redis-pubsub', channels: ['update'], format: { kind: 'kvupdater' } };

test('sources and sinks take what they leave out from the defaults', () => {
  const json = { kind: 'json', key: 'battery:{id}:data', write: 'merge', as: 'hash', ttl: '0.5' };
  const { sinks, sources } = settingsOf(
    [pubsub, { ...pubsub, name: 'other', format: json }, { name: 'keys', kind: 'redis-keyspace' }],
    [{ name: 'notify', kind: 'redis', payload: 'updates' }],
  );
  assert.deepEqual(sources[0], {
    name: 'updates',
    kind: 'redis-pubsub',
    url: 'redis://localhost:6379/0',
    sentinels: [],
    sentinelName: 'mymaster',
    caFile: '',
    channels: ['update'],
    patterns: [],
    format: { kind: 'kvupdater' },
    late: 'refuse',
    recordEqual: false,
    validate: false,
    keyPrefix: '',
  });
  assert.deepEqual(sources[1]?.kind === 'redis-pubsub' && sources[1].format, {
    kind: 'json',
    key: 'battery:{id}:data',
    omit: [],
    write: 'merge',
    as: 'hash',
    ttl: 0.5,
  });
  assert.deepEqual(sources[2]?.kind === 'redis-keyspace' && sources[2].patterns, ['*']);
  assert.equal(sinks[0]?.channel, '{key}');
  assert.equal(sinks[0]?.indexSet, null);
});

test('every fault of an item is told with its place, what it takes, and the name that was meant', () => {
  const faults = faultsOf([
    { ...pubsub, url: 'http://x', channel: ['a'], format: { kind: 'jsn' } },
    { kind: 'redis-stream', name: 'a b', streams: 'x', format: { kind: 'json' } },
    { kind: 'redis-strem', name: 'c' },
    'redis',
  ]);
  assert.ok(
    faults.some((fault) => /^sources\[0\]\.url takes a URL such as .* or resp .*, but got "http:\/\/x"$/.test(fault)),
  );
  assert.ok(faults.includes('sources[0].channel is not a setting. Did you mean channels?'), faults.join('\n'));
  assert.ok(faults.some((fault) => /^sources\[0\]\.format\.kind takes command, .* but got "jsn"$/.test(fault)));
  assert.ok(faults.some((fault) => /^sources\[1\]\.name takes 1 to 64 letters/.test(fault)));
  assert.ok(faults.some((fault) => /^sources\[1\]\.streams takes a list of keys, but got "x"$/.test(fault)));
  assert.ok(faults.some((fault) => /^sources\[1\]\.format\.key takes a template/.test(fault)));
  assert.ok(
    faults.some((fault) =>
      /^sources\[2\]\.kind takes .* redis-stream or redis-keyspace, but got "redis-strem"$/.test(fault),
    ),
  );
  assert.ok(
    faults.some((fault) => /^sources\[3\] takes /.test(fault)),
    faults.join('\n'),
  );
});

test('what no single setting can tell is told too', () => {
  assert.deepEqual(
    faultsOf(
      [
        { ...pubsub, channels: [] },
        { ...pubsub, url: 'resp' },
        { name: 's', kind: 'redis-stream', format: { kind: 'command' } },
      ],
      [
        { name: 'k', kind: 'redis', channel: '' },
        { name: 'l', kind: 'redis', indexSet: { key: 'ids' } },
      ],
      { LATCHKEY_LOG_KIND: 'redis', LATCHKEY_WORKERS: '2' },
    ),
    [
      'sources[1].name is updates, as another source or sink is called; give each its own name',
      'sources[0] has no channels and no patterns; name what it subscribes to',
      'sources[1].url is resp, but the gateway listens nowhere; set resp.listen too',
      'sources[2].streams is empty; name the streams that it reads',
      'sinks[0] has neither a channel nor an indexSet, so it would do nothing; set one',
      'sinks[1].indexSet takes key, fromKey and member together',
      'workers takes 0 with log.kind redis: start more nodes instead, which are equal',
    ],
  );
});

test('the gateway for Redis clients listens beyond loopback only with a password, or where that is asked for', () => {
  const listen = (environment: NonNullable<Places['environment']>) =>
    loadSettings({ cwd, environment }).settings.resp.listen;
  assert.equal(listen({ LATCHKEY_RESP_LISTEN: '6380' }), '127.0.0.1:6380');
  assert.equal(listen({ LATCHKEY_RESP_LISTEN: '0.0.0.0:6380', LATCHKEY_RESP_PASSWORD: 'x' }), '0.0.0.0:6380');
  assert.throws(() => listen({ LATCHKEY_RESP_LISTEN: '0.0.0.0:6380' }), { code: 'insecure-listen' });
  assert.equal(listen({ LATCHKEY_RESP_LISTEN: '[::1]:6380' }), '[::1]:6380');
});

test('a secret within an item stands elsewhere and is followed', () => {
  const { sources } = settingsOf([{ ...pubsub, url: 'env:PLACE' }], [], { PLACE: 'redis://user:hush@host:1/2' });
  assert.equal(sources[0]?.url, 'redis://user:hush@host:1/2');
  assert.deepEqual(faultsOf([{ ...pubsub, url: 'env:NOWHERE' }]), [
    'sources[0].url refers to the variable NOWHERE, which is not set; set it',
  ]);
  assert.doesNotMatch(
    faultsOf([{ ...pubsub, url: 'env:PLACE' }], [], { PLACE: 'http://user:hush@host' }).join(),
    /hush/,
  );
});
