import assert from 'node:assert/strict';
import { test } from 'node:test';
import { quote } from './version.ts';

test('any foreign value can be quoted, cut to what a reader can take in', () => {
  assert.equal(quote('a"b'), '"a\\"b"');
  assert.equal(quote(undefined), 'undefined');
  assert.equal(quote({ a: [1] }), '{"a":[1]}');
  assert.equal(quote('x'.repeat(1_000_000), 5), '"xxxx…');
  assert.equal(quote('xxx', 5), '"xxx"');
  const deep = JSON.parse('['.repeat(200_000) + ']'.repeat(200_000));
  assert.equal(quote(deep), 'an array');
  assert.equal(quote({ deep }), 'an object');
  assert.equal(quote(1n), '1');
});
