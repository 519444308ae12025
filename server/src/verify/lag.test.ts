import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Lag } from './lag.ts';

test('quantiles are right to 2 %, the maximum is exact, and nothing measured says so', () => {
  const lag = new Lag();
  assert.deepEqual(lag.summary(), { count: 0 });
  for (let ms = 1; ms <= 1000; ms += 1) lag.record(ms);
  const { count, max, p50, p99 } = lag.summary();
  assert.deepEqual([count, max], [1000, 1000]);
  assert.ok(Math.abs((p50 as number) - 500) <= 10 && Math.abs((p99 as number) - 990) <= 20, `${p50} ${p99}`);
});

test('takes what is shorter than its least bucket and longer than its last', () => {
  const lag = new Lag();
  lag.record(0);
  lag.record(1e9);
  assert.equal(lag.summary().max, 1e9);
});
