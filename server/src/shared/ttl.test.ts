import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TTL_SECONDS_MAX, ttlMicros } from './ttl.ts';

test('seconds as a number or as text become whole microseconds, at least one', () => {
  for (const [ttl, micros] of [
    [60, 60_000_000],
    [0.5, 500_000],
    ['60', 60_000_000],
    [' 1.5 ', 1_500_000],
    ['.25', 250_000],
    ['1e2', 100_000_000],
    ['+3', 3_000_000],
    [1e-9, 1],
    [TTL_SECONDS_MAX, TTL_SECONDS_MAX * 1_000_000],
  ] as const) {
    assert.equal(ttlMicros(ttl), micros);
  }
});

test('anything that is no positive number of seconds is refused, as is what lies beyond a hundred years', () => {
  for (const ttl of [
    0,
    -1,
    '0',
    '-5',
    '',
    ' ',
    'abc',
    '0x10',
    '1 2',
    '1e999',
    Number.NaN,
    Number.POSITIVE_INFINITY,
    null,
    true,
    {},
    [5],
    '9'.repeat(100),
  ]) {
    const refused = ttlMicros(ttl, 'value.ttl');
    assert.ok(
      typeof refused === 'object' && refused.code === 'ttl-invalid' && refused.field === 'value.ttl',
      String(ttl),
    );
  }
  const tooLong = ttlMicros(TTL_SECONDS_MAX + 1);
  assert.ok(typeof tooLong === 'object' && tooLong.limit === TTL_SECONDS_MAX);
});
