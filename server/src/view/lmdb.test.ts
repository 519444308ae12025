import { test } from 'node:test';
import fc from 'fast-check';
import { type HistoryStep, type Op, ViewPair } from './view-pair.fixture.ts';

// fast-check prints the seed and the shrunk history of a failure; `{ seed, path }` beside numRuns plays it again.
const RUNS = { numRuns: 30 };

const KEYS = ['a.1', 'a.2', 'a.3', 'ab', 'b.1', 'ü.1', '😀.1'];

const op: fc.Arbitrary<Op> = fc.record({
  key: fc.constantFrom(...KEYS),
  op: fc.constantFrom('put', 'put', 'put', 'remove', 'stale'),
  size: fc.constantFrom(0, 1, 300, 5000),
  expiresInMs: fc.option(fc.constantFrom(1, 50, 400), { nil: undefined }),
  validInMs: fc.option(fc.constantFrom(-2e6, 1, 50, 400), { nil: undefined }),
});

const step: fc.Arbitrary<HistoryStep> = fc.record({
  ops: fc.array(op, { maxLength: 6 }),
  advanceMs: fc.constantFrom(0, 1, 20, 150),
  collectMax: fc.constantFrom(0, 1000),
  fails: fc.boolean().chain((maybe) => (maybe ? fc.boolean() : fc.constant(false))),
  reopens: fc.integer({ min: 0, max: 9 }).map((chance) => chance === 0),
});

test('after any history it answers as the model does, before a commit, between flush and report, and after', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(1, 2),
      fc.constantFrom(2, 6, 1000),
      fc.constantFrom(100, 1_000_000),
      fc.array(step, { minLength: 5, maxLength: 25 }),
      async (partitions, changesMax, historyMs, steps) => {
        // Tombstones outlive the window here, as in the model; the other case is a test of its own.
        const pair = new ViewPair(partitions, KEYS, { changesMax, historyMs, tombstoneMs: Math.max(historyMs, 200) });
        await pair.open();
        try {
          for (const one of steps) await pair.step(one);
        } finally {
          await pair.close();
        }
      },
    ),
    RUNS,
  );
});
