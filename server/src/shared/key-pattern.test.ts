import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LatchkeyError } from '@latchkey/client';
import { compileKeyPattern } from './key-pattern.ts';

const fieldsOf = (template: string, key: string) => {
  const found = compileKeyPattern(template, 'indexSet.fromKey').match(key);
  return found === undefined ? undefined : Object.fromEntries(found);
};

test('a key that the template made gives back its fields, whatever they hold', () => {
  for (const id of ['7', 'a:b', ':', '{battery_id}', 'data', ':data', '🔋', ' ', '\u0000', '\n'])
    assert.deepEqual(fieldsOf('battery:{battery_id}:data', `battery:${id}:data`), { battery_id: id });
  assert.deepEqual(fieldsOf('{id}', 'x'), { id: 'x' });
  assert.deepEqual(fieldsOf('{a.b}/{c}', 'x/y/z'), { 'a.b': 'x', c: 'y/z' });
  assert.deepEqual(fieldsOf('{{{id}}}', '{5}'), { id: '5' });
});

test('a key that the template can’t have made gives nothing', () => {
  for (const key of ['battery::data', 'battery:7:info', 'battery:7:data:x', 'xbattery:7:data', 'battery:data', ''])
    assert.equal(fieldsOf('battery:{battery_id}:data', key), undefined, key);
  assert.equal(fieldsOf('fixed', 'fixed:1'), undefined);
  assert.deepEqual(fieldsOf('fixed', 'fixed'), {});
});

test('a template whose fields could not be told apart is refused', () => {
  for (const [template, says] of [
    ['{a}{b}', /nothing between/],
    ['{a}:{a}', /twice/],
    ['{$key}', /takes apart keys/],
    ['{a', /not closed/],
  ] as const)
    assert.throws(
      () => compileKeyPattern(template, 'indexSet.fromKey'),
      (error) => error instanceof LatchkeyError && error.code === 'config-invalid' && says.test(error.message),
    );
});
