import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { LatchkeyError } from '@latchkey/client';
import type { Fault } from './fault.ts';
import { loadSettings, type Places } from './load-settings.ts';
import { DEFAULT_SETTINGS } from './settings.ts';

function folderWith(t: TestContext, yaml?: string): string {
  const cwd = mkdtempSync(join(tmpdir(), 'latchkey-settings-'));
  t.after(() => rmSync(cwd, { recursive: true }));
  if (yaml !== undefined) writeFileSync(join(cwd, 'latchkey.yaml'), yaml);
  return cwd;
}

function refusalOf(places: Places): LatchkeyError {
  try {
    loadSettings(places);
  } catch (error) {
    if (error instanceof LatchkeyError) return error;
    throw error;
  }
  return assert.fail('the settings were taken');
}

function faultsOf(places: Places): string[] {
  const error = refusalOf(places);
  assert.equal(error.code, 'config-invalid');
  return ((error.details.extra?.faults ?? []) as Fault[]).map(({ path, says }) => `${path} ${says}`);
}

describe('settings', () => {
  test('need none: the defaults stand', (t) => {
    const cwd = folderWith(t);
    const { settings, warnings } = loadSettings({ cwd });
    assert.deepEqual(settings, { ...DEFAULT_SETTINGS, data: join(cwd, 'latchkey-data') });
    assert.deepEqual(warnings, []);
  });

  test('come from file, environment and flags, and the later wins', (t) => {
    const cwd = folderWith(t, 'http: { host: 127.0.0.2, port: 1 }\nclusterLabel: file\nlimits: { keyBytesMax: 9 }\n');
    const environment = { LATCHKEY_HTTP_PORT: '2', CLUSTER: 'environment' };
    const { settings } = loadSettings({ cwd, environment, flags: { port: '3' } });
    assert.equal(settings.http.host, '127.0.0.2');
    assert.equal(settings.http.port, 3);
    assert.equal(settings.clusterLabel, 'environment');
    assert.equal(settings.limits.keyBytesMax, 9);
    assert.equal(settings.limits.valueBytesMax, DEFAULT_SETTINGS.limits.valueBytesMax);
  });

  test('take durations and sizes as people write them', (t) => {
    const cwd = folderWith(
      t,
      'tombstones: { ageMax: 14d }\nfeed: { progressInterval: 500ms }\nlimits: { valueBytesMax: 256KiB }',
    );
    const { settings } = loadSettings({ cwd });
    assert.equal(settings.tombstones.ageMaxMs, 14 * 86_400_000);
    assert.equal(settings.feed.progressIntervalMs, 500);
    assert.equal(settings.limits.valueBytesMax, 262_144);
  });

  test('take an empty file, comments alone and null for what is left out', (t) => {
    for (const yaml of [
      '',
      '# nothing\n',
      'http:\nresp: { listen: null, password: null }\nauth: { tokens: [], jwt: null }\nsources: []\n',
    ]) {
      const { settings } = loadSettings({ cwd: folderWith(t, yaml) });
      assert.equal(settings.http.port, 23_333);
    }
  });

  test('report every fault at once, with path, value, place and what is taken', (t) => {
    const cwd = folderWith(t, 'http:\n  port: 99999\nlimits: { keyBytesMax: none }\nfeed: 5\n');
    const error = refusalOf({ cwd, environment: { LOG_LEVEL: 'loud' }, flags: { logFormat: 'xml' } });
    assert.equal(error.row.exit, 2);
    const lines = error.message.split('\n  ');
    assert.equal(lines.length, 6);
    assert.ok(
      lines.includes('http.port takes a whole number from 0 to 65535, but got 99999 (latchkey.yaml line 2).'),
      error.message,
    );
    assert.ok(
      lines.includes('limits.keyBytesMax takes a whole number from 1 to 1900, but got "none" (latchkey.yaml line 3).'),
    );
    assert.ok(lines.includes('logLevel takes debug, info, warn or error, but got "loud" (LOG_LEVEL).'));
    assert.ok(lines.includes('logFormat takes json or text, but got "xml" (--log-format).'));
    assert.match(error.message, /feed takes a mapping of tickMaxMs, .* but got 5/);
  });

  test('suggest the name that a misspelt one meant', (t) => {
    const cwd = folderWith(t, 'htpp: { port: 1 }\nlimits: { keyBytsMax: 1 }\nport: 1\nnonsense: 1\n');
    const faults = faultsOf({ cwd, environment: { LATCHKEY_HTTP_PROT: '1' } });
    assert.deepEqual(faults.sort(), [
      'LATCHKEY_HTTP_PROT is not a setting. Did you mean LATCHKEY_HTTP_PORT?',
      'htpp is not a setting. Did you mean http?',
      'limits.keyBytsMax is not a setting. Did you mean limits.keyBytesMax?',
      'nonsense is not a setting.',
      'port is not a setting. Did you mean http.port?',
    ]);
  });

  test('refuse a value that no body could carry', (t) => {
    const cwd = folderWith(t, 'limits: { valueBytesMax: 16MiB }');
    assert.match(faultsOf({ cwd })[0] as string, /limits\.bodyBytesMax \(8388608\) never lets in/);
  });

  test('never print a secret', (t) => {
    const cwd = folderWith(
      t,
      'auth: { tokens: [hush-1] }\nresp: { password: hush-2 }\nsources: [{ url: "redis://u:hush-3@h" }]\nlog: { kind: redis, url: "redis://u:hush-4@h" }\nhttp: { host: "redis://u:hush-5@h" }\npasswrod: hush-6\n',
    );
    const { details, message } = refusalOf({ cwd });
    assert.doesNotMatch(message + JSON.stringify(details), /hush/);
  });
});

describe('what later versions have', () => {
  test('is refused when it is asked for', (t) => {
    const cwd = folderWith(
      t,
      'sources: [{ name: a, kind: kafka }]\nsinks: [{ name: b, kind: webhook }]\nauth: { tokens: [x] }\nlog: { kind: kafka, brokers: [a] }\n',
    );
    const faults = faultsOf({ cwd });
    assert.equal(faults.length, 4);
    assert.ok(faults.includes('log.kind takes local or redis in this version, but got "kafka"'));
    assert.ok(faults.includes('sources[0].kind is kafka, which this version does not have; leave it out'));
    assert.ok(faults.includes('sinks[0].kind is webhook, which this version does not have; leave it out'));
    assert.ok(faults.some((fault) => fault.startsWith('auth is of a later')));
  });

  test('a preset that never was is refused as such', (t) => {
    assert.match(
      faultsOf({ cwd: folderWith(t), flags: { preset: ['kvstore'] } })[0] as string,
      /takes a list of presets: kv-store, .* but got "kvstore"/,
    );
  });
});

describe('the environment', () => {
  test('takes lists and mappings as JSON, and presets by name', (t) => {
    const environment = {
      LATCHKEY_HTTP_CORS_ORIGINS: '["https://example.org"]',
      LATCHKEY_LIMITS: '{"keyBytesMax":77}',
      LATCHKEY_LIMITS_CONNECTIONS_MAX: '5',
      LATCHKEY_PRESET: 'kv-store',
      LATCHKEY_INSECURE: '1',
    };
    const { settings } = loadSettings({ cwd: folderWith(t), environment });
    assert.deepEqual(settings.http.corsOrigins, ['https://example.org']);
    assert.equal(settings.limits.keyBytesMax, 77);
    assert.equal(settings.limits.connectionsMax, 5);
    assert.deepEqual(settings.presets, ['kv-store']);
    assert.equal(settings.insecure, true);
    assert.match(
      faultsOf({ cwd: folderWith(t), environment: { LATCHKEY_HTTP_CORS_ORIGINS: 'a,b' } })[0] as string,
      /takes a list of origins/,
    );
  });

  test('knows PORT, LOG_LEVEL and CLUSTER, and the exact name wins over them', (t) => {
    const environment = { PORT: '81', LOG_LEVEL: 'DEBUG', CLUSTER: 'blue', LATCHKEY_HTTP_PORT: '82' };
    const { settings } = loadSettings({ cwd: folderWith(t), environment });
    assert.equal(settings.http.port, 82);
    assert.equal(settings.logLevel, 'debug');
    assert.equal(settings.clusterLabel, 'blue');
  });

  test('an empty variable is an unset one', (t) => {
    const { settings } = loadSettings({
      cwd: folderWith(t),
      environment: { PORT: '', LATCHKEY_DATA: ' ', LATCHKEY_NONSENSE: '' },
    });
    assert.equal(settings.http.port, 23_333);
  });

  test('what Kubernetes injects for services is ignored with one warning', (t) => {
    const environment = {
      LATCHKEY_PORT: 'tcp://10.0.0.1:80',
      LATCHKEY_HTTP_PORT: 'tcp://10.0.0.1:80',
      LATCHKEY_SERVICE_HOST: '10.0.0.1',
      LATCHKEY_SERVICE_PORT_HTTP: '80',
      LATCHKEY_PORT_80_TCP: 'tcp://10.0.0.1:80',
      LATCHKEY_PORT_80_TCP_PROTO: 'tcp',
      LATCHKEY_PORT_80_TCP_ADDR: '10.0.0.1',
    };
    const { settings, warnings } = loadSettings({ cwd: folderWith(t), environment });
    assert.equal(settings.http.port, 23_333);
    assert.equal(warnings.length, 1);
    assert.match(warnings[0] as string, /LATCHKEY_HTTP_PORT.*Kubernetes/);
  });

  test("the command line's own variables are no settings and no faults", (t) => {
    const environment = { LATCHKEY_SERVER: 'http://a', LATCHKEY_TOKEN: 'x', HOME: '/', SOMETHING: 'else' };
    assert.deepEqual(loadSettings({ cwd: folderWith(t), environment }).warnings, []);
  });
});

describe('the settings file', () => {
  test('a syntax error is told with line and column', (t) => {
    assert.match(
      refusalOf({ cwd: folderWith(t, 'http:\n  port: [1\nlog: {}\n') }).message,
      /^latchkey\.yaml line \d+, column \d+ is not YAML: /,
    );
  });

  test('that is named must be there, and must be a mapping', (t) => {
    const cwd = folderWith(t);
    assert.match(refusalOf({ cwd, file: 'other.yaml' }).message, /other\.yaml does not exist/);
    writeFileSync(join(cwd, 'list.yaml'), '- a\n');
    assert.match(refusalOf({ cwd, file: 'list.yaml' }).message, /list\.yaml takes a mapping of settings/);
  });

  test('a name twice, an alias bomb and __proto__ do nothing but be refused', (t) => {
    assert.match(refusalOf({ cwd: folderWith(t, 'data: a\ndata: b\n') }).message, /line 2/);
    const bomb = `a: &a [${'x,'.repeat(50)}]\nb: &b [${'*a,'.repeat(50)}]\nc: [${'*b,'.repeat(50)}]\n`;
    assert.match(refusalOf({ cwd: folderWith(t, bomb) }).message, /aliases/);
    assert.match(
      faultsOf({ cwd: folderWith(t, '__proto__: { insecure: true }\n') })[0] as string,
      /__proto__ is not a setting/,
    );
  });
});

describe('listening beyond loopback', () => {
  test('needs --insecure', (t) => {
    const cwd = folderWith(t);
    for (const host of ['0.0.0.0', '::', '10.1.2.3', 'example.org']) {
      const error = refusalOf({ cwd, flags: { host } });
      assert.equal(error.code, 'insecure-listen');
      assert.match(error.message, /--insecure/);
      assert.equal(loadSettings({ cwd, flags: { host, insecure: true } }).settings.http.host, host);
    }
    for (const host of ['localhost', '127.0.0.9', '::1', '[::1]']) {
      assert.equal(loadSettings({ cwd, flags: { host } }).settings.http.host, host);
    }
  });
});
