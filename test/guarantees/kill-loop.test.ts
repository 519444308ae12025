import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seedFrom } from './random.ts';
import { report, run } from './run.ts';

test('kill -9 at any instant loses no acknowledged write and no delivery, and repeats none to a watcher that resumes', async (t) => {
  const seed = seedFrom(process.env.LATCHKEY_SEED);
  t.diagnostic(`LATCHKEY_SEED=${seed}`);
  const { summary, violations } = await run({ seed, rounds: 8, acksPerRoundMax: 600, stopShare: 0.1 });
  t.diagnostic(JSON.stringify(summary));
  assert.equal(violations.length, 0, `LATCHKEY_SEED=${seed}\n${report(violations)}`);
  assert.ok(summary.acknowledged > 500 && summary.deliveries > summary.acknowledged, JSON.stringify(summary));
});
