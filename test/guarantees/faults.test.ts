// A short, fixed share of what `npm run torture` does for hours: every fault once, in both worlds, and those to workers.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SINGLE_KINDS } from './faults.ts';
import { Random, shuffle } from './random.ts';
import { report } from './result.ts';
import { run } from './run.ts';

describe('under every fault of process, disk, clock and network', () => {
  test('a watcher is told everything, once and in order', async (t) => {
    const seed = 20261121;
    const faults = shuffle(new Random(seed), SINGLE_KINDS);
    const { conflations, counts, resets, violations } = await run({
      seed,
      world: 'complete',
      rounds: faults.map((kind) => [kind]),
      acksPerRoundMax: 200,
    });
    t.diagnostic(JSON.stringify({ counts, resets }));
    assert.equal(violations.length, 0, `seed ${seed}: ${faults.join(', ')}\n${report(violations)}`);
    assert.ok(counts.deliveries > counts.changes, JSON.stringify(counts));
    assert.equal(Object.keys(conflations).length, 0, 'the history holds the whole run');
  });

  test('a watcher that comes back to a narrow history is told what was left out, and ends with the entries', async (t) => {
    const seed = 4242;
    const faults = shuffle(new Random(seed), SINGLE_KINDS);
    const { conflations, counts, resets, violations } = await run({
      seed,
      world: 'narrow',
      rounds: faults.map((kind) => [kind]),
      acksPerRoundMax: 200,
    });
    t.diagnostic(JSON.stringify({ counts, resets }));
    assert.equal(violations.length, 0, `seed ${seed}: ${faults.join(', ')}\n${report(violations)}`);
    const skips = Object.keys(conflations).length + (resets.collected ?? 0);
    assert.ok(skips > 0, 'the history was narrow enough to leave changes out');
  });

  test('a watcher is told everything by whichever worker serves it, whoever of them or their owner dies or stands still', async (t) => {
    const seed = 777;
    const kinds = ['kill worker', 'freeze worker', 'kill worker', 'kill', 'hold flush', 'die after commit'] as const;
    const rounds = shuffle(new Random(seed), kinds).map((kind) => [kind]);
    const { counts, resets, violations } = await run({
      seed,
      world: 'complete',
      workers: 2,
      rounds,
      acksPerRoundMax: 200,
    });
    t.diagnostic(JSON.stringify({ counts, resets }));
    assert.equal(violations.length, 0, `seed ${seed}: ${rounds.join(', ')}\n${report(violations)}`);
    assert.ok(counts.deliveries > counts.changes, JSON.stringify(counts));
  });
});
