import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const REPORTER = fileURLToPath(new URL('./crashed-files.ts', import.meta.url));
const root = mkdtempSync(join(tmpdir(), 'latchkey-crashed-files-'));
after(() => rmSync(root, { recursive: true, force: true }));

test('a test file whose process died is told with how it ended and what it wrote last', () => {
  const begin = "import { test } from 'node:test';\n";
  const die = (how: string) => `${begin}test('a', () => { process.stderr.write('last words\\n'); ${how} });`;
  const files = {
    'killed.test.mjs': die("process.kill(process.pid, 'SIGSEGV'); while (true) {}"),
    'left.test.mjs': die('process.exit(7);'),
    'failed.test.mjs': `${begin}test('a', () => { throw new Error('of a test'); });`,
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(root, name), text);
  const { stdout } = spawnSync(process.execPath, ['--test', `--test-reporter=${REPORTER}`, ...Object.keys(files)], {
    cwd: root,
    encoding: 'utf8',
    // Else it would report to the run that this test is part of.
    env: { ...process.env, NODE_TEST_CONTEXT: undefined },
  });
  assert.match(stdout, /killed\.test\.mjs ended by signal SIGSEGV; it wrote last:\nlast words\n/);
  assert.match(stdout, /left\.test\.mjs ended with exit code 7; it wrote last:\nlast words\n/);
  assert.doesNotMatch(stdout, /failed\.test\.mjs/);
});
