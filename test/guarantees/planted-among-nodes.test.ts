// Each bug is planted in one of two nodes around one Redis, and the checker that has to find it does.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { BUG_NAMES, bugOf } from './planted-bugs.ts';
import { runNodes } from './run-nodes.ts';

const SEED = 20261130;
/** A busy machine writes little: then there is another run. */
const RUNS_MAX = 6;
/** A node that knows of a write that is none may wait for ever for what comes of it: then there is another run, too. */
const REST_MS = 15_000;

describe('a bug that was planted between a node and its Redis is found', () => {
  for (const name of BUG_NAMES) {
    const { about, amongNodes, foundBy } = bugOf(name);
    if (amongNodes === undefined) continue;
    test(`by ${foundBy}: ${about}`, async (t) => {
      const found = new Set<string>();
      for (let tries = 0; tries < RUNS_MAX && !found.has(foundBy); tries += 1) {
        const choices = { seed: SEED + tries, acksPerRoundMax: 400, nodeCount: 2, planted: name, restMs: REST_MS };
        try {
          const { violations } = await runNodes({ ...amongNodes, ...choices });
          for (const { guarantee } of violations) found.add(guarantee);
        } catch (error) {
          t.diagnostic(`run ${tries + 1} had no end: ${String(error).split('\n')[0]}`);
        }
      }
      t.diagnostic([...found].join(', '));
      assert.ok(found.has(foundBy), `${foundBy} is not among ${[...found].join(', ')}`);
    });
  }
});
