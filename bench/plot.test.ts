import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { decades, plotSvg, short } from './plot.ts';

const plot = {
  title: 'Cost & size',
  xAxis: 'keys',
  yAxis: 'µs',
  lines: [
    {
      name: 'a < b',
      points: [
        [1, 0.5],
        [1000, 50],
      ] as const,
    },
    { name: 'nothing to see', points: [[10, 0]] as const },
  ],
};

describe('a plot', () => {
  test('has the decades that hold every value, and at least one', () => {
    assert.deepEqual(decades([1, 1000]), [0, 1, 2, 3]);
    assert.deepEqual(decades([0.5, 50]), [-1, 0, 1, 2]);
    assert.deepEqual(decades([100]), [2, 3]);
    assert.throws(() => decades([0]), RangeError);
  });

  test('writes large numbers short', () => {
    assert.deepEqual([0.1, 20, 1000, 1_500_000].map(short), ['0.1', '20', '1 k', '1.5 M']);
  });

  test('puts the ends of a line at the ends of its axes', () => {
    const svg = plotSvg(plot);
    assert.match(svg, /points="64\.0,[\d.]+ 616\.0,[\d.]+"/);
    assert.doesNotMatch(svg, /NaN|Infinity/);
  });

  test('is XML whatever the words, names its axes and follows the reader’s colours', () => {
    const svg = plotSvg(plot);
    assert.match(svg, /Cost &amp; size/);
    assert.match(svg, />a &lt; b</);
    assert.match(svg, />keys</);
    assert.match(svg, />µs</);
    assert.match(svg, /prefers-color-scheme:dark/);
  });
});
