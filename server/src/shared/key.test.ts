import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { refuseKey, refusePattern, refusePrefix } from './key.ts';

const MAX = 16;

test('a key of 1 to keyBytesMax bytes of UTF-8 is taken', () => {
  for (const key of ['a', ' ', 'sensor.1', '/', '__proto__', 'ä€😀', 'x'.repeat(16), 'é'.repeat(8), '\u0080']) {
    assert.equal(refuseKey(key, MAX), undefined, key);
  }
});

test('what is no text for a key is refused as key-invalid and says what it got', () => {
  for (const key of [
    undefined,
    null,
    7,
    true,
    {},
    [],
    Symbol('s'),
    10n,
    '',
    'a\u0000',
    '\n',
    'a\u001f',
    '\u007f',
    '\ud800',
    'a\udc00b',
  ]) {
    const refusal = refuseKey(key, MAX, 'value.key');
    assert.equal(refusal?.code, 'key-invalid', String(key));
    assert.equal(refusal?.field, 'value.key');
  }
  assert.match(refuseKey('a\u0000', MAX)?.message ?? '', /U\+0000 at character 2/);
  assert.match(refuseKey(7, MAX)?.message ?? '', /got 7/);
});

test('a key is measured in bytes of UTF-8, and the limit is told', () => {
  for (const key of ['x'.repeat(17), 'é'.repeat(9), '😀'.repeat(5), 'x'.repeat(1_000_000)]) {
    const refusal = refuseKey(key, MAX);
    assert.deepEqual([refusal?.code, refusal?.limit, refusal?.field], ['key-too-long', MAX, 'key']);
  }
});

test('a taken key survives UTF-8 and fits its limit', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 20 }), (key) => {
      if (refuseKey(key, MAX) !== undefined) return;
      const bytes = Buffer.from(key);
      assert.equal(bytes.toString(), key);
      assert.ok(bytes.length >= 1 && bytes.length <= MAX);
      assert.ok([...bytes].every((byte) => byte >= 0x20 && byte !== 0x7f));
    }),
  );
});

test('a prefix may be empty, and is bounded as a key is', () => {
  assert.equal(refusePrefix('', MAX), undefined);
  assert.equal(refusePrefix('a.', MAX), undefined);
  assert.equal(refusePrefix(undefined, MAX)?.code, 'key-invalid');
  assert.equal(refusePrefix('\n', MAX)?.code, 'key-invalid');
  assert.equal(refusePrefix('x'.repeat(17), MAX)?.code, 'key-too-long');
});

test('a missing pattern is told apart from one that is wrong', () => {
  assert.equal(refusePattern('a.*', MAX), undefined);
  assert.equal(refusePattern(undefined, MAX)?.code, 'pattern-required');
  for (const pattern of ['', 7, null, '\u0000', '\ud800', 'x'.repeat(17)]) {
    assert.equal(refusePattern(pattern, MAX)?.code, 'pattern-invalid');
  }
  assert.equal(refusePattern('x'.repeat(17), MAX)?.limit, MAX);
});
