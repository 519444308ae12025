import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { markerOf, markerText } from './marker.ts';
import { figuresOf, histogramOf } from './report.ts';
import { Tally } from './tally.ts';

function tallyOf(...sequences: readonly number[]): Tally {
  const tally = new Tally();
  for (const sequence of sequences) tally.record(sequence, sequence * 1000);
  return tally;
}

describe('the tally of one observer', () => {
  test('counts each value once: as seen, as seen behind a later one, or as seen before', () => {
    const tally = tallyOf(1, 2, 5, 4, 4, 1);
    assert.deepEqual([tally.received, tally.reordered, tally.duplicated], [4, 1, 2]);
    assert.equal(tally.missed(6), 2);
    assert.equal(tally.lag.summary().count, 4);
  });

  test('misses of another program’s values what lies between the first and the last', () => {
    assert.equal(tallyOf(7, 9, 12).missed(undefined), 3);
    assert.equal(tallyOf().missed(undefined), 0);
  });

  test('keeps a hundred thousand values apart', () => {
    const tally = tallyOf(...Array.from({ length: 100_000 }, (_, at) => at + 1));
    assert.deepEqual([tally.received, tally.missed(100_000), tally.duplicated], [100_000, 0, 0]);
    assert.ok(tally.has(99_999) && !tally.has(0) && !tally.has(100_001));
  });

  test('without a common clock there are counts, and no lag', () => {
    const tally = new Tally();
    tally.record(1, undefined);
    assert.deepEqual([tally.received, figuresOf(tally.lag)], [1, { count: 0 }]);
  });

  test('its figures are in microseconds, its histogram loses none and begins and ends with what is there', () => {
    const { lag } = tallyOf(...Array.from({ length: 100 }, (_, at) => at + 1));
    const { count, max, p50, p90, p99 } = figuresOf(lag);
    assert.deepEqual([count, max], [100, 100_000]);
    const near = (value: number | undefined, wanted: number) => Math.abs((value ?? 0) / wanted - 1) < 0.03;
    assert.ok(near(p50, 50_000) && near(p90, 90_000) && near(p99, 99_000), `${p50} ${p90} ${p99}`);
    const bars = histogramOf(lag);
    assert.equal(
      bars.reduce((sum, bar) => sum + bar.count, 0),
      100,
    );
    assert.ok((bars[0]?.count ?? 0) > 0 && (bars.at(-1)?.count ?? 0) > 0);
    assert.deepEqual(histogramOf(new Tally().lag), []);
  });
});

test('a value is found in whatever a path wraps it, and another program’s is none', () => {
  const marker = { run: '4f2a', sequence: 17, host: '0123abcd', micros: 123_456_789 };
  assert.deepEqual(markerOf(markerText(marker)), marker);
  assert.deepEqual(markerOf(JSON.stringify({ key: 'a', value: `"${markerText(marker)}"` })), marker);
  assert.equal(markerOf('Python01 timestamp 1725543675'), undefined);
});
