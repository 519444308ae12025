import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ERRORS } from '@latchkey/client';
import { describeSettings, variableOf } from './describe.ts';
import { settingsSchema } from './schema.ts';
import { DEFAULT_SETTINGS } from './settings.ts';

const page = (name: string) => readFileSync(new URL(`../../../docs/${name}`, import.meta.url), 'utf8');

test('every setting is described with its default, and the schema has the defaults of the contract', () => {
  assert.deepEqual(settingsSchema.parse({}), DEFAULT_SETTINGS);
  const names = describeSettings().map(({ path }) => path);
  assert.equal(new Set(names).size, names.length);
  for (const { about, takes } of describeSettings()) assert.ok(about !== '' && takes !== '');
});

test('variables are the path in upper snake case, and no two settings share one', () => {
  assert.equal(variableOf('http.port'), 'LATCHKEY_HTTP_PORT');
  assert.equal(variableOf('limits.keyBytesMax'), 'LATCHKEY_LIMITS_KEY_BYTES_MAX');
  const variables = describeSettings().flatMap(({ aliases, variable }) => [variable, ...aliases]);
  assert.equal(new Set(variables).size, variables.length);
});

test('the reference pages name every setting and every error code, and are what the code says', () => {
  const settings = page('settings.md');
  for (const { path, variable } of describeSettings()) {
    assert.ok(settings.includes(`\`${path}\``), path);
    assert.ok(settings.includes(`\`${variable}\``), variable);
  }
  for (const code of Object.keys(ERRORS)) assert.ok(page('errors.md').includes(`\`${code}\``), code);
  const script = fileURLToPath(new URL('../../../scripts/docs.ts', import.meta.url));
  execFileSync(process.execPath, ['--conditions=source', script, '--check'], { stdio: 'pipe' });
});
