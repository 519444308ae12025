import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { LatchkeyError } from '@latchkey/client';
import { effectiveSettings } from './effective.ts';
import { loadSettings } from './load-settings.ts';

function folderWith(t: TestContext, files: Readonly<Record<string, string>>): string {
  const cwd = mkdtempSync(join(tmpdir(), 'latchkey-references-'));
  t.after(() => rmSync(cwd, { recursive: true }));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(cwd, name), text);
  return cwd;
}

describe('a setting that stands elsewhere', () => {
  test('is what the variable or the file holds, whatever it takes', (t) => {
    const cwd = folderWith(t, {
      'latchkey.yaml':
        'http: { port: "env:OUR_PORT", trustedHosts: [a.example, "file:host"] }\ntombstones: { ageMax: "env:AGE" }\n' +
        'clusterLabel: file:label\ninsecure: env:YES\nlogLevel: env:LEVEL',
      host: 'b.example\n',
      label: 'blue\r\n',
    });
    const { settings } = loadSettings({ cwd, environment: { OUR_PORT: '81', AGE: '14d', YES: 'true', LEVEL: 'WARN' } });
    assert.deepEqual(settings.http.trustedHosts, ['a.example', 'b.example']);
    assert.deepEqual(
      [settings.http.port, settings.tombstones.ageMaxMs, settings.clusterLabel, settings.insecure, settings.logLevel],
      [81, 14 * 86_400_000, 'blue', true, 'warn'],
    );
  });

  test('that leads nowhere is a fault beside the others, which says what to do', (t) => {
    const cwd = folderWith(t, { empty: '\n', big: 'x'.repeat(70_000) });
    const environment = {
      LATCHKEY_DATA: 'env:GONE',
      LATCHKEY_CLUSTER_LABEL: 'file:gone',
      LATCHKEY_LOG_NAME: 'file:empty',
      LATCHKEY_HTTP_HOST: 'file:big',
      LOG_LEVEL: 'loud',
    };
    assert.throws(
      () => loadSettings({ cwd, environment }),
      (error) => {
        assert.ok(error instanceof LatchkeyError);
        const lines = error.message.split('\n  ').slice(1).sort();
        assert.deepEqual(lines, [
          'clusterLabel refers to gone, which does not exist; check the path and its permissions (LATCHKEY_CLUSTER_LABEL).',
          'data refers to the variable GONE, which is not set; set it (LATCHKEY_DATA).',
          'http.host refers to big, which has more than 65536 bytes (LATCHKEY_HTTP_HOST).',
          'log.name refers to empty, which is empty (LATCHKEY_LOG_NAME).',
          'logLevel takes debug, info, warn or error, but got "loud" (LOG_LEVEL).',
        ]);
        return true;
      },
    );
  });

  test('is never printed, right or wrong', (t) => {
    const cwd = folderWith(t, {});
    const environment = { SECRET: 'hush', LATCHKEY_CLUSTER_LABEL: 'env:SECRET' };
    const loaded = loadSettings({ cwd, environment });
    assert.equal(loaded.settings.clusterLabel, 'hush');
    const shown = effectiveSettings(loaded);
    assert.doesNotMatch(JSON.stringify(shown), /hush/);
    assert.deepEqual(
      shown.find(({ path }) => path === 'clusterLabel'),
      {
        path: 'clusterLabel',
        value: 'env:SECRET',
        origin: 'LATCHKEY_CLUSTER_LABEL',
      },
    );
    for (const name of ['LATCHKEY_HTTP_PORT', 'LATCHKEY_TOMBSTONES_AGE_MAX', 'LATCHKEY_HTTP_HOST', 'LOG_LEVEL']) {
      assert.throws(
        () => loadSettings({ cwd, environment: { SECRET: 'hush hush', [name]: 'env:SECRET' } }),
        (error) =>
          error instanceof LatchkeyError &&
          /which is not what env:SECRET holds/.test(error.message) &&
          !JSON.stringify(error).includes('hush'),
        name,
      );
    }
  });
});

test('what is in effect says where it comes from: the nearest place that says it', (t) => {
  const cwd = folderWith(t, { 'latchkey.yaml': 'limits:\n  keyBytesMax: 200\nhistory: { ageMax: 2d }\n' });
  const environment = { PORT: '81', LATCHKEY_LIMITS: '{"valueBytesMax":"64KiB"}' };
  const shown = effectiveSettings(
    loadSettings({ cwd, environment, flags: { logLevel: 'debug', preset: ['kv-store'] } }),
  );
  const of = (path: string) => {
    const { origin, value } = shown.find((each) => each.path === path) ?? {};
    return [value, origin];
  };
  assert.deepEqual(of('limits.keyBytesMax'), [200, 'latchkey.yaml line 2']);
  assert.deepEqual(of('limits.valueBytesMax'), ['64KiB', 'LATCHKEY_LIMITS']);
  assert.deepEqual(of('history.ageMax'), ['2d', 'latchkey.yaml line 3']);
  assert.deepEqual(of('http.port'), [81, 'PORT']);
  assert.deepEqual(of('logLevel'), ['debug', '--log-level']);
  assert.deepEqual(of('presets'), [['kv-store'], '--preset']);
  assert.deepEqual(of('tombstones.ageMax'), ['7d', 'default']);
  assert.deepEqual(of('data'), [join(cwd, 'latchkey-data'), 'default']);
});
