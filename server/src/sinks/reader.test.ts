import assert from 'node:assert/strict';
import { test } from 'node:test';
import { put, submit } from '../../../test/conformance/log-tools.ts';
import type { Command } from '../commands/command.ts';
import { makeLocalProbe } from '../log/local-probe.fixture.ts';
import type { Change } from '../shared/change.ts';
import { Reader } from './reader.ts';

const STEPS = 400;
const KEYS = 12;

/** 0 ≤ x < 1, the same for the same seed. */
function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

test('whatever is collected, skipped and begun again, what was read adds up to what there is, in order', async (t) => {
  for (let run = 0; run < 6; run += 1) {
    const seed = Number(process.env.LATCHKEY_SEED ?? (Math.random() * 2 ** 31) | 0);
    t.diagnostic(`LATCHKEY_SEED=${seed}`);
    const random = randomOf(seed);
    const pick = (max: number) => Math.floor(random() * max);
    const probe = await makeLocalProbe();
    try {
      let log = await probe.open((settings) => ({
        ...settings,
        history: { ...settings.history, changesMax: 5 + pick(40) },
        tombstones: { ageMaxMs: 2000 },
      }));
      let reader = new Reader(log.view, undefined);
      const target = new Map<string, string>();
      let last = 0;
      let times = 0;
      const take = (change: Change) => {
        assert.ok(change.offset > last, `offset ${change.offset} came after ${last}`);
        last = change.offset;
        if (change.op === 'remove') target.delete(change.key);
        else target.set(change.key, String(change.value?.data));
      };
      const read = (pagesMax: number) => {
        for (let pages = 0; pages < pagesMax; pages += 1) {
          if (reader.isLost) {
            // As a target does that forgets what is gone.
            for (const key of target.keys()) if (log.view.get(key)?.op !== 'put') target.delete(key);
            reader.restart();
            last = 0;
            times += 1;
          }
          const page = reader.next();
          if (page === undefined) return;
          page.changes.forEach(take);
          reader.advance(page);
        }
      };
      for (let step = 0; step < STEPS; step += 1) {
        const kind = random();
        if (kind < 0.6) {
          const commands = Array.from({ length: 1 + pick(5) }, (_, index): Command => {
            const key = `k.${pick(KEYS)}`;
            return random() < 0.3 ? { op: 'remove', key } : put(key, step * 10 + index);
          });
          await submit(log, commands);
        } else if (kind < 0.75) read(1 + pick(3));
        else if (kind < 0.85) {
          probe.clock.advance(pick(3000));
          await probe.settleDue(log);
        } else if (kind < 0.9) {
          const kept = reader.position();
          log = (await probe.reopen()) as typeof log;
          reader = new Reader(log.view, kept);
        }
      }
      read(Number.POSITIVE_INFINITY);
      assert.equal(reader.behind, 0);
      const there = log.view.list({ limit: KEYS }).entries.map(({ key, value }) => [key, String(value?.data)] as const);
      assert.deepEqual(Object.fromEntries([...target].sort()), Object.fromEntries(there), `after ${times} resets`);
    } finally {
      await probe.close();
    }
  }
});

test('while the window holds everything, every change is read once', async () => {
  const probe = await makeLocalProbe();
  try {
    const log = await probe.open();
    const reader = new Reader(log.view, undefined);
    const offsets: number[] = [];
    for (let index = 0; index < 700; index += 1) await submit(log, [put(`k.${index % 3}`, index)]);
    for (let page = reader.next(); page !== undefined; page = reader.next()) {
      offsets.push(...page.changes.map(({ offset }) => offset));
      reader.advance(page);
    }
    assert.deepEqual(
      offsets,
      Array.from({ length: 700 }, (_, index) => index + 1),
    );
    assert.equal(reader.positionText(), `${log.view.epochs.current}.700`);
  } finally {
    await probe.close();
  }
});
