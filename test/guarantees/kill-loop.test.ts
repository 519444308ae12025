import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FaultKind } from './faults.ts';
import { Random, seedFrom, shuffle } from './random.ts';
import { report } from './result.ts';
import { run } from './run.ts';

const KILLS: readonly FaultKind[] = [
  'kill',
  'die before commit',
  'die during commit',
  'die after commit',
  'kill',
  'lose power',
  'stop',
  'half-open',
];

test('kill -9 at any instant loses no acknowledged write and no delivery, and repeats none to a watcher that resumes', async (t) => {
  const seed = seedFrom(process.env.LATCHKEY_SEED);
  t.diagnostic(`LATCHKEY_SEED=${seed}`);
  const faults = shuffle(new Random(seed), KILLS);
  const { counts, violations } = await run({
    seed,
    world: 'complete',
    rounds: faults.map((kind) => [kind]),
    acksPerRoundMax: 400,
  });
  t.diagnostic(JSON.stringify(counts));
  assert.equal(violations.length, 0, `LATCHKEY_SEED=${seed}\n${report(violations)}`);
  assert.ok(counts.acknowledged > 500 && counts.deliveries > counts.acknowledged, JSON.stringify(counts));
});
