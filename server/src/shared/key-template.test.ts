import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LatchkeyError } from '@latchkey/client';
import { compileKeyTemplate } from './key-template.ts';
import { refuse } from './refusal.ts';

const source = {
  recordKey: 'k1',
  field: (path: readonly string[]) =>
    path[0] === 'gone' ? refuse('event-invalid', 'gone', 'gone') : `<${path.join('/')}>`,
};

test('places are filled, doubled braces are braces', () => {
  for (const [template, key] of [
    ['battery:{battery_id}:data', 'battery:<battery_id>:data'],
    ['{a}{b.c}', '<a><b/c>'],
    ['{{{a}}}', '{<a>}'],
    ['{{a}}', '{a}'],
    ['x:{$key}', 'x:k1'],
    ['{ spaced name }', '< spaced name >'],
    ['constant', 'constant'],
  ] as const) {
    assert.equal(compileKeyTemplate(template).fill(source), key);
  }
});

test('what is not there is a refusal, never a part of a key', () => {
  assert.equal((compileKeyTemplate('a:{gone}').fill(source) as { code: string }).code, 'event-invalid');
  const refusal = compileKeyTemplate('a:{$key}').fill({ ...source, recordKey: undefined });
  assert.ok(typeof refusal === 'object' && refusal.field === '$key');
});

test('a template that can not be meant is told at once, with its place', () => {
  for (const [template, told] of [
    ['', /is empty/],
    ['a{b', /a { at character 2 that is not closed/],
    ['a}b', /a } at character 2 that closes nothing/],
    ['{}', /an empty part/],
    ['{a..b}', /an empty part/],
    ['{a{b}', /a { within/],
    ['{$id}', /does not exist/],
  ] as const) {
    assert.throws(
      () => compileKeyTemplate(template, { field: 'sources.0.format.key' }),
      (error: unknown) =>
        error instanceof LatchkeyError &&
        error.code === 'config-invalid' &&
        told.test(error.message) &&
        error.details.field === 'sources.0.format.key',
      template,
    );
  }
  assert.throws(() => compileKeyTemplate('{id}', { takesFields: false }), /\{\$key\} only/);
});
