import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatMicros, MICROS_MAX, MICROS_MIN, parseTimestamp } from './timestamp.ts';

const micros = (text: string): number | undefined => parseTimestamp(text)?.micros;
const NOON = Date.UTC(2023, 9, 1, 12) * 1000;

test('a time is read with any precision and keeps its text', () => {
  assert.deepEqual(parseTimestamp('2023-10-01T12:00:00Z'), { micros: NOON, text: '2023-10-01T12:00:00Z' });
  assert.equal(micros('2023-10-01T12:00:00.5Z'), NOON + 500_000);
  assert.equal(micros('2023-10-01T12:00:00.123456Z'), NOON + 123_456);
  assert.equal(micros('2023-10-01T12:00:00.1234569999999999999999Z'), NOON + 123_456);
  assert.equal(micros('1969-12-31T23:59:59.9Z'), -100_000);
});

test('a zone moves a time, and no zone is UTC', () => {
  for (const text of [
    '2023-10-01T12:00:00',
    '2023-10-01t12:00:00z',
    '2023-10-01 12:00:00Z',
    '2023-10-01T14:00:00+02:00',
    '2023-10-01T06:30:00-05:30',
    '2023-10-02T11:59:00+23:59',
    '2023-10-01T12:00:00-00:00',
    '2023-10-01T12:00:00+0000',
    '2023-10-01 12:00:00+00',
    '2023-10-01T12:00Z',
    '2023-10-01T12:00',
    '2023-10-01T13:00+01:00',
  ]) {
    assert.equal(micros(text), NOON, text);
  }
});

test('what is no time is undefined', () => {
  for (const text of [
    '',
    'now',
    '2023-10-01',
    '20231001T120000Z',
    '2023-10-01T12',
    '2023-10-01T12:00:',
    '2023-10-01T12:00:0',
    '2023-10-01T12:00:00.',
    '2023-10-01T12:00:00.Z',
    '2023-10-01T12:00:00,5Z',
    '2023-10-01T12:00:00ZZ',
    '2023-10-01T12:00:00 Z',
    '2023-10-01T12:00:00+1',
    '2023-10-01T12:00:00+24:00',
    '2023-10-01T12:00:00+01:60',
    '2023-10-01T12:00:00+01-00',
    '2023-10-01T12:00:00+01:00:00',
    '2023-00-01T12:00:00Z',
    '2023-13-01T12:00:00Z',
    '2023-10-00T12:00:00Z',
    '2023-10-32T12:00:00Z',
    '2023-04-31T12:00:00Z',
    '2023-10-01T24:00:00Z',
    '2023-10-01T12:60:00Z',
    '2023-10-01T12:00:61Z',
    '2023-10-01_12:00:00Z',
    ' 2023-10-01T12:00:00Z',
    '2023-10-01T12:00:00Z\n',
    '+023-10-01T12:00:00Z',
    '0000-01-01T00:00:00Z',
    '0001-01-01T00:00:00+00:01',
    '9999-12-31T23:59:59-00:01',
    '２０２３-10-01T12:00:00Z',
    `2023-10-01T12:00:00.${'0'.repeat(60)}Z`,
  ]) {
    assert.equal(parseTimestamp(text), undefined, JSON.stringify(text));
  }
});

test('29 February exists in leap years only', () => {
  assert.equal(micros('2024-02-29T00:00:00Z'), Date.UTC(2024, 1, 29) * 1000);
  assert.equal(micros('2000-02-29T00:00:00Z'), Date.UTC(2000, 1, 29) * 1000);
  assert.equal(micros('2023-02-29T00:00:00Z'), undefined);
  assert.equal(micros('1900-02-29T00:00:00Z'), undefined);
  assert.equal(micros('2100-02-29T00:00:00Z'), undefined);
});

test('a leap second is the last microsecond of its minute', () => {
  const midnight = Date.UTC(2017, 0, 1) * 1000;
  assert.equal(micros('2016-12-31T23:59:60Z'), midnight - 1);
  assert.equal(micros('2016-12-31T23:59:60.7Z'), midnight - 1);
  assert.equal(micros('2017-01-01T00:59:60+01:00'), midnight - 1);
  assert.equal(micros('2016-12-31T22:59:60Z'), undefined);
  assert.equal(micros('1960-12-31T23:59:60Z'), Date.UTC(1961, 0, 1) * 1000 - 1);
});

test('the first and the last moment of the calendar are read and written', () => {
  assert.equal(micros('0001-01-01T00:00:00Z'), MICROS_MIN);
  assert.equal(micros('9999-12-31T23:59:59.999999Z'), MICROS_MAX);
  assert.equal(formatMicros(MICROS_MIN), '0001-01-01T00:00:00Z');
  assert.equal(formatMicros(MICROS_MAX), '9999-12-31T23:59:59.999968Z');
  assert.equal(formatMicros(1e300), formatMicros(MICROS_MAX));
  assert.equal(formatMicros(-1e300), formatMicros(MICROS_MIN));
});

test('a fraction is written only where there is one', () => {
  assert.equal(formatMicros(0), '1970-01-01T00:00:00Z');
  assert.equal(formatMicros(NOON), '2023-10-01T12:00:00Z');
  assert.equal(formatMicros(NOON + 7000), '2023-10-01T12:00:00.007Z');
  assert.equal(formatMicros(NOON + 7), '2023-10-01T12:00:00.000007Z');
  assert.equal(formatMicros(-1), '1969-12-31T23:59:59.999999Z');
});

test('what was written is read back as the same moment', () => {
  fc.assert(
    fc.property(fc.integer({ min: -9_007_199_252_999_999, max: 9_007_199_252_999_999 }), (moment) => {
      assert.equal(micros(formatMicros(moment)), moment);
    }),
    { numRuns: 2000 },
  );
});

test('every day of the calendar is the one that Date knows', () => {
  fc.assert(
    fc.property(
      fc.date({ min: new Date(MICROS_MIN / 1000), max: new Date(253_402_300_799_000), noInvalidDate: true }),
      (date) => {
        const text = date.toISOString();
        const second = Math.floor(date.getTime() / 1000);
        assert.equal(formatMicros(second * 1_000_000), `${text.slice(0, 19)}Z`);
        assert.equal(micros(`${text.slice(0, 19)}Z`), second * 1_000_000);
      },
    ),
    { numRuns: 2000 },
  );
});

test('any text is read or refused, never an exception', () => {
  const shaped = fc
    .array(fc.constantFrom(...'0123456789-:T.Z+ '), { maxLength: 40 })
    .map((characters) => characters.join(''));
  fc.assert(
    fc.property(fc.oneof(fc.string(), shaped), (text) => {
      const read = parseTimestamp(text);
      assert.ok(read === undefined || Number.isInteger(read.micros));
    }),
    { numRuns: 2000 },
  );
});
