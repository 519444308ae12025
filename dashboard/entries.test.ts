import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

// The page is plain JavaScript without declarations, so it is not imported by a name that the compiler follows.
const { ageText, Entries, isStale, KEYS_MAX, valueText } = await import(
  new URL('./public/entries.js', import.meta.url).href
);

const put = (key: string, value: unknown, more: object = {}) =>
  JSON.stringify({ op: 'put', key, value, version: 'aaaa.1', updated: '2026-11-20T12:00:00Z', ...more });

describe('entries of the page', () => {
  test('fold puts and removes into the last value of each key', () => {
    const entries = new Entries();
    entries.take(put('b', 1));
    entries.take(put('a', 1));
    entries.take(put('b', 2));
    assert.deepEqual(entries.keys('key', 10), ['a', 'b']);
    assert.deepEqual(entries.keys('recent', 10), ['b', 'a']);
    assert.equal(valueText(entries.get('b')?.data as string), '2');
    entries.take('{"op":"remove","key":"b","version":"aaaa.4","reason":"deleted"}');
    entries.take('{"op":"remove","key":"never","version":"aaaa.5","reason":"deleted"}');
    assert.deepEqual(entries.keys('key', 10), ['a']);
    entries.clear();
    assert.equal(entries.size, 0);
  });

  test('hold a bounded number of keys, and say how much was left out', () => {
    const entries = new Entries();
    for (let index = 0; index < KEYS_MAX + 5; index += 1)
      entries.take(`{"op":"put","key":"k${index}","version":"a.1"}`);
    assert.equal(entries.size, KEYS_MAX);
    assert.equal(entries.leftOut, 5);
    entries.take(put('k1', 'still taken'));
    assert.equal(valueText(entries.get('k1')?.data as string), '"still taken"');
    assert.equal(entries.keys('recent', 3).length, 3);
  });

  test('a value is shown with the digits it was sent with, text as it is, nothing where there is none', () => {
    assert.equal(
      valueText('{"key":"a","value":{"id":12345678901234567890,"one":1.0}}'),
      '{"id":12345678901234567890,"one":1.0}',
    );
    assert.equal(valueText('{"key":"a","value":"a\\nb","contentType":"text/plain"}'), 'a\nb');
    assert.equal(valueText('{"key":"a","value":"x"}'), '"x"');
    assert.equal(valueText('{"key":"a","value":null}'), 'null');
    assert.equal(valueText('{"key":"a"}'), undefined);
  });

  test('an entry is stale when that was said, or when its time is up', () => {
    const nowMs = Date.parse('2026-11-20T12:00:00Z');
    assert.equal(isStale({ isStale: true }, nowMs), true);
    assert.equal(isStale({ isStale: false, valid: '2026-11-20T11:59:59Z' }, nowMs), true);
    assert.equal(isStale({ isStale: false, valid: '2026-11-20T12:00:01Z' }, nowMs), false);
    assert.equal(isStale({ isStale: false }, nowMs), false);
  });

  test('ages are told in one unit', () => {
    const nowMs = Date.parse('2026-11-20T12:00:00Z');
    const ages = [0, 999, 1000, 59_999, 60_000, 3_600_000, 172_800_000].map((ms) =>
      ageText(new Date(nowMs - ms).toISOString(), nowMs),
    );
    assert.deepEqual(ages, ['now', 'now', '1 s', '59 s', '1 min', '1 h', '2 d']);
    assert.equal(ageText('2027-01-01T00:00:00Z', nowMs), 'now');
    assert.equal(ageText('nonsense', nowMs), '—');
  });
});
