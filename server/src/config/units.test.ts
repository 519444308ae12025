import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { formatBytes, formatDuration, parseBytes, parseDurationMs } from './units.ts';

describe('durations', () => {
  test('take every documented unit, in either case, with fractions', () => {
    const examples = {
      '500ms': 500,
      '15s': 15_000,
      '5m': 300_000,
      '24h': 86_400_000,
      '7d': 604_800_000,
      '2w': 1_209_600_000,
    };
    for (const [text, ms] of Object.entries(examples)) assert.equal(parseDurationMs(text), ms);
    assert.equal(parseDurationMs('1.5H'), 5_400_000);
    assert.equal(parseDurationMs(' 15 s '), 15_000);
    assert.equal(parseDurationMs(0), 0);
  });

  test('refuse a bare number, and say how to write it', () => {
    assert.throws(() => parseDurationMs(15), /write 15s or 15ms instead of 15/);
    assert.throws(() => parseDurationMs('15'), /write 15s or 15ms/);
  });

  test('refuse what is no duration, and quote it', () => {
    for (const text of ['', 'soon', '-1s', '1y', '1h30m', 'Infinity', '1e3s', '0x1s']) {
      assert.throws(
        () => parseDurationMs(text),
        { name: 'RangeError', message: /takes a duration with its unit/ },
        text,
      );
    }
    assert.throws(() => parseDurationMs('999999999999999w'), /too big/);
  });

  test('are read back as they were written', () => {
    fc.assert(
      fc.property(fc.nat({ max: 1e12 }), (ms) => parseDurationMs(formatDuration(ms)) === ms),
      { verbose: 1 },
    );
  });
});

describe('sizes', () => {
  test('take bytes, and binary and decimal units', () => {
    const examples = {
      '0': 0,
      '4096': 4096,
      '1KB': 1000,
      '1KiB': 1024,
      '256kib': 262_144,
      '1MiB': 1_048_576,
      '1.5GiB': 1_610_612_736,
      '12 B': 12,
    };
    for (const [text, bytes] of Object.entries(examples)) assert.equal(parseBytes(text), bytes);
    assert.equal(parseBytes(77), 77);
  });

  test('refuse 1M, which is read as either, and name both', () => {
    assert.throws(() => parseBytes('1M'), /write 1MiB or 1MB instead of "1M"/);
  });

  test('refuse what is no size, and quote it', () => {
    for (const text of ['', 'big', '-1', '1 apple', '1,5MB']) {
      assert.throws(() => parseBytes(text), { name: 'RangeError', message: /takes a number of bytes/ }, text);
    }
  });

  test('are read back as they were written', () => {
    fc.assert(
      fc.property(fc.nat({ max: Number.MAX_SAFE_INTEGER }), (bytes) => parseBytes(formatBytes(bytes)) === bytes),
      { verbose: 1 },
    );
  });
});
