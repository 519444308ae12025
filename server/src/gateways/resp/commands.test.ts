import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { COMMANDS } from './commands.ts';

test('the page of the gateway names every command that there is, and no other', () => {
  const page = readFileSync(new URL('../../../../docs/resp.md', import.meta.url), 'utf8');
  const section = /## Commands\n([^-]*)\n- /.exec(page)?.[1] ?? '';
  const named = [...section.matchAll(/`([A-Z]+)`/g)].map(([, name]) => (name as string).toLowerCase());
  assert.deepEqual(named.sort(), [...COMMANDS.keys()].sort());
});
