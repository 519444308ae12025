// A short, fixed share of what `npm run torture -- --nodes` does for hours: three nodes around one Redis, and faults to all of them.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CLIENT_KINDS, LINK_KINDS, type NodesFault, REDIS_KINDS } from './node-faults.ts';
import { Random, shuffle } from './random.ts';
import { report } from './result.ts';
import { runNodes } from './run-nodes.ts';

/** What needs a node to be started again takes its time: all of it is `npm run torture -- --nodes`'s. */
const NODE_FAULTS: readonly NodesFault[] = [
  'die after commit',
  'lose power',
  'freeze',
  'clock jump',
  'hold flush',
  'disk full',
  'kill',
];

/** Each of them once, as many of them together as places are there. */
function everyFaultOnce(random: Random): readonly (readonly NodesFault[])[] {
  const places: readonly (readonly NodesFault[])[] = [REDIS_KINDS, LINK_KINDS, NODE_FAULTS, CLIENT_KINDS];
  const drawn = places.map((place) => shuffle(random, place));
  const length = Math.max(...drawn.map((place) => place.length));
  return Array.from({ length }, (_, round) => drawn.flatMap((place) => place[round] ?? []));
}

describe('three nodes around one Redis, under faults to nodes, Redis and what lies between', () => {
  test('agree in every offset; a watcher that goes from node to node is told everything, once and in order', async (t) => {
    const seed = 20261130;
    const rounds = everyFaultOnce(new Random(seed));
    const { conflations, counts, refusals, resets, violations } = await runNodes({
      seed,
      world: 'complete',
      rounds,
      acksPerRoundMax: 100,
    });
    t.diagnostic(JSON.stringify({ counts, refusals, resets }));
    assert.equal(violations.length, 0, `seed ${seed}: ${rounds.join(', ')}\n${report(violations)}`);
    assert.ok(counts.deliveries > counts.changes && counts.rows > 0 && counts.keyed > 0, JSON.stringify(counts));
    assert.equal(Object.keys(conflations).length, 0, 'the history holds the whole run');
  });
});
