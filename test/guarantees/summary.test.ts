import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RunResult } from './result.ts';
import { Summary } from './summary.ts';

const RESULT: RunResult = {
  violations: [],
  faults: { kill: 3, stall: 1 },
  bites: { kill: 3, stall: 40 },
  harms: { cut: 5 },
  routes: { put: 7 },
  refusals: {},
  resets: { filter: 2 },
  conflations: {},
  counts: { acknowledged: 7, unanswered: 1, changes: 8, deliveries: 9, connections: 4, reads: 2, keyed: 1, rows: 6 },
};

test('what many runs did is summed by kind, route, reason and checker, as text and as one object', () => {
  const summary = new Summary(42);
  summary.add(RESULT);
  assert.ok(summary.isClean);
  summary.add({ ...RESULT, violations: [{ guarantee: 'GapFree', to: 'watch', message: 'gone' }] });
  const text = summary.text(2);
  assert.match(text, /^2 runs from seed 42 in 2\.0 minutes: 8 faults \(4 a minute\)$/m);
  assert.match(text, /^ {2}stall +80$/m);
  assert.match(text, /^violations by checker\n {2}GapFree +1$/m);
  assert.match(text, /^violations 1$/m);
  const object = summary.object(2);
  assert.deepEqual(object.faults, { kill: 6, stall: 2 });
  assert.deepEqual(object.violations, { GapFree: 1 });
  assert.equal(object.faultsTotal, 8);
});

test('a run that does not come to its end is no success', () => {
  const summary = new Summary(42);
  summary.add(RESULT);
  summary.addBroken(7);
  assert.ok(!summary.isClean);
  assert.deepEqual(summary.object(1).brokenSeeds, [7]);
});
