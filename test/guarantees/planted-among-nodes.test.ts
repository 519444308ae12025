// Each bug is planted in one of two nodes around one Redis, and the checker that has to find it does.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { BUG_NAMES, bugOf } from './planted-bugs.ts';
import { runNodes } from './run-nodes.ts';

const SEED = 20261130;
/** A busy machine writes little: then there is another run. */
const RUNS_MAX = 4;

describe('a bug that was planted between a node and its Redis is found', () => {
  for (const name of BUG_NAMES) {
    const { about, amongNodes, foundBy } = bugOf(name);
    if (amongNodes === undefined) continue;
    test(`by ${foundBy}: ${about}`, async (t) => {
      const found = new Set<string>();
      for (let tries = 0; tries < RUNS_MAX && !found.has(foundBy); tries += 1) {
        const choices = { seed: SEED + tries, acksPerRoundMax: 400, nodeCount: 2, planted: name };
        const { violations } = await runNodes({ ...amongNodes, ...choices });
        for (const { guarantee } of violations) found.add(guarantee);
      }
      t.diagnostic([...found].join(', '));
      assert.ok(found.has(foundBy), `${foundBy} is not among ${[...found].join(', ')}`);
    });
  }
});
