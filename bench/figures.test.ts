import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Figure, goalOf, median, medians, percentile } from './figures.ts';
import { digits, table, verdict } from './table.ts';

const figure = (parts: Partial<Figure>): Figure => ({
  name: 'a row',
  unit: 'µs',
  isLowerBetter: true,
  latchkey: 2,
  floor: 1,
  floorIs: 'nothing',
  ...parts,
});

describe('figures', () => {
  test('a median is the middle, or lies between the two middles', () => {
    assert.equal(median([9, 1, 5]), 5);
    assert.equal(median([4, 1, 2, 3]), 2.5);
  });

  test('a percentile is a value that was measured', () => {
    const values = Array.from({ length: 100 }, (_, index) => 100 - index);
    assert.equal(percentile(values, 0.5), 51);
    assert.equal(percentile(values, 0.99), 100);
    assert.equal(percentile([7], 0.99), 7);
  });

  test('each figure has the median of its own repeats, and no floor where there was none', () => {
    const runs = [1, 5, 3].map((latchkey) => [
      figure({ latchkey, floor: latchkey * 10 }),
      figure({ floor: undefined }),
    ]);
    const [first, second] = medians(runs) as [Figure, Figure];
    assert.deepEqual([first.latchkey, first.floor, second.floor], [3, 30, undefined]);
  });

  test('a goal may be a share of the floor of the same run', () => {
    assert.equal(goalOf(figure({ goal: 7 })), 7);
    assert.equal(goalOf(figure({ goal: { shareOfFloor: 0.8 }, floor: 100 })), 80);
    assert.equal(goalOf(figure({ goal: { shareOfFloor: 0.8 }, floor: undefined })), undefined);
  });
});

describe('the table', () => {
  test('says reached, or by how much not, whichever way is better', () => {
    assert.equal(verdict(figure({ goal: 2 })), 'reached');
    assert.equal(verdict(figure({ goal: 1 })), '2.00 × off');
    assert.equal(verdict(figure({ goal: 4, isLowerBetter: false })), '2.00 × off');
    assert.equal(verdict(figure({ goal: 0 })), 'missed');
    assert.equal(verdict(figure({})), '');
  });

  test('shows three digits', () => {
    assert.deepEqual([0, 0.00012, 0.1234, 12.34, 123_456].map(digits), ['0', '1.2e-4', '0.123', '12.3', '123,456']);
  });

  test('has a line for each figure, and leaves out the cost where there is no floor', () => {
    const lines = table([figure({}), figure({ floor: undefined })]).split('\n');
    assert.equal(lines.length, 3);
    assert.match(lines[1] as string, /2\.00 ×/);
    assert.doesNotMatch(lines[2] as string, /×/);
  });
});
