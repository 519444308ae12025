// Each bug is planted in a server of its own, and the checker that has to find it does: from outside, or under the faults it takes.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { systemClock } from '../../server/src/shared/clock.ts';
import type { VerifyReport } from '../../server/src/verify/report.ts';
import { Verification } from '../../server/src/verify/verify.ts';
import { ServerProcess } from '../support/server-process.ts';
import { serverCommand } from './launch.ts';
import { BUG_NAMES, bugOf } from './planted-bugs.ts';
import { run } from './run.ts';

const SEED = 20261125;
const DURATION_MS = 1200;
/** A busy machine writes little in that time: then it is verified once more. */
const TRIES_MAX = 12;
const RUNS_MAX = 4;

function verified(server: string, runId: string): Promise<VerifyReport> {
  return new Verification({
    server,
    prefix: 'latchkey-verify.',
    runId,
    durationMs: DURATION_MS,
    writers: 3,
    watchers: 8,
    seed: SEED,
    clock: systemClock,
    signal: new AbortController().signal,
  }).run();
}

describe('a bug that was planted is found', { concurrency: 3 }, () => {
  for (const name of BUG_NAMES) {
    const { about, amongNodes, foundBy, under } = bugOf(name);
    if (amongNodes !== undefined) continue; // planted-among-nodes.test.ts
    test(`by ${foundBy}: ${about}`, async (t) => {
      const found = new Set<string>();
      if (under !== undefined) {
        for (let tries = 0; tries < RUNS_MAX && !found.has(foundBy); tries += 1) {
          const { violations } = await run({ ...under, seed: SEED + tries, acksPerRoundMax: 400, planted: name });
          for (const { guarantee } of violations) found.add(guarantee);
        }
        t.diagnostic([...found].join(', '));
        assert.ok(found.has(foundBy), `${foundBy} is not among ${[...found].join(', ')}`);
        return;
      }
      const server = await ServerProcess.start({ command: serverCommand(name) }, t);
      for (let tries = 1; tries <= TRIES_MAX && !found.has(foundBy); tries += 1) {
        const { checkers } = await verified(server.url, `run${tries}`);
        for (const [checker, count] of Object.entries(checkers)) if (count > 0) found.add(checker);
      }
      t.diagnostic([...found].join(', '));
      assert.ok(found.has(foundBy), `${foundBy} is not among ${[...found].join(', ')}`);
    });
  }
});
