import assert from 'node:assert/strict';
import { test } from 'node:test';
import { barLine, progressBar, sizeText } from './progress-bar.ts';

test('a bar shows its share, its count, the rate of this run, and the time that is left', () => {
  const at = (share: number | undefined, count: number) => ({ share, count });
  assert.equal(
    barLine(at(0.25, 250_000), at(0, 0), 2000, 'rows'),
    '[######..................]  25 %  250,000 rows  125,000 rows/s  6 s left',
  );
  // What was there before this run is not of its making.
  assert.match(
    barLine(at(0.75, 750), at(0.5, 500), 10_000, 'entries'),
    / 75 % {2}750 entries {2}25 entries\/s {2}10 s left$/,
  );
  assert.equal(barLine(at(undefined, 10), at(undefined, 0), 1000, 'rows'), '10 rows  10 rows/s');
  assert.equal(barLine(at(0, 0), at(0, 0), 0, 'rows'), '[........................]   0 %  0 rows');
  assert.match(barLine(at(0.01, 1), at(0, 0), 60_000, 'rows'), / 99 min left$/);
  assert.match(barLine(at(0.001, 1), at(0, 0), 60_000, 'rows'), / 16 h 39 min left$/);
  assert.match(barLine(at(1.7, 1), at(0, 0), 1, 'bytes'), /^\[#{24}\] 100 % {2}1 B/);
});

test('sizes are shown in the unit that fits', () => {
  assert.deepEqual([0, 1023, 1024, 5_242_880, 3 * 1024 ** 4].map(sizeText), [
    '0 B',
    '1023 B',
    '1.0 KiB',
    '5.0 MiB',
    '3.0 TiB',
  ]);
});

test('a bar is drawn at most ten times a second, cut to the terminal, and taken away', () => {
  const written: string[] = [];
  let nowMs = 0;
  const stream = { isTTY: true, columns: 20, write: (text: string) => written.push(text) };
  const bar = progressBar({
    unit: 'rows',
    clock: { monotonicMs: () => nowMs },
    stream: stream as unknown as NodeJS.WriteStream,
  });
  for (; nowMs < 1000; nowMs += 10) bar.show({ share: nowMs / 1000, count: nowMs });
  bar.clear();
  bar.clear();
  assert.equal(written.length, 11);
  assert.ok(
    written.slice(0, 10).every((text) => /^\r\u001b\[K.{19}$/.test(text)),
    JSON.stringify(written),
  );
  assert.equal(written.at(-1), '\r\u001b[K');
});
