import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { one, put, submit } from '../../../test/conformance/log-tools.ts';
import type { Outcome } from '../commands/command.ts';
import type { LocalLog } from './local.ts';
import { type LocalProbe, makeLocalProbe } from './local-probe.fixture.ts';

const DAY_MS = 24 * 60 * 60 * 1000;

/** A test with a log of its own that remembers `countMax` answers for an hour. */
function withLog(promise: string, countMax: number, body: (log: LocalLog, probe: LocalProbe) => Promise<void>): void {
  test(promise, async () => {
    const probe = await makeLocalProbe();
    try {
      const idempotency = { countMax, ageMaxMs: DAY_MS };
      await body(await probe.open((defaults) => ({ ...defaults, idempotency })), probe);
      assert.deepEqual(probe.faults, []);
    } finally {
      await probe.close();
    }
  });
}

const isMismatch = (outcome: Outcome): boolean =>
  outcome.outcome === 'refused' && outcome.code === 'idempotency-mismatch';

/** Whether the key is remembered: another body under it is then refused. */
async function isKnown(log: LocalLog, key: string): Promise<boolean> {
  const { outcomes } = await submit(log, [{ ...put('probe', key), idempotencyKey: key }], { atomic: true });
  return isMismatch(outcomes[0] as Outcome);
}

describe('an idempotency key', () => {
  withLog('that comes twice in one batch is decided once', 100, async (log) => {
    const command = put('a', 1, { idempotencyKey: 'x', returnPrevious: true });
    const { outcomes } = await submit(log, [put('a', 0), command, command, put('a', 2, { idempotencyKey: 'x' })]);
    assert.deepEqual(outcomes[2], outcomes[1]);
    assert.ok(isMismatch(outcomes[3] as Outcome));
    assert.equal(log.view.head(0), 2);
  });

  withLog('twice in one batch shows the second the very entry that the first was shown', 100, async (log) => {
    const command = put('a', 2, { idempotencyKey: 'x', ifAbsent: true });
    const { outcomes } = await submit(log, [put('a', 1), command, command]);
    const [, first, second] = outcomes;
    assert.ok(first?.outcome === 'conflict' && second?.outcome === 'conflict');
    assert.equal(first.entry?.offset, 1);
    assert.deepEqual({ ...second.entry }, { ...first.entry });
  });

  withLog('is forgotten with a batch that is not kept', 100, async (log, probe) => {
    const command = put('a', 1, { idempotencyKey: 'x' });
    const { outcomes } = await submit(log, [command, put('b', 1, { ifPresent: true })], { atomic: true });
    assert.equal(outcomes[0]?.outcome, 'refused');
    probe.failNextStep();
    await assert.rejects(one(log, command), { code: 'storage-full' });
    assert.equal((await one(log, command)).outcome, 'applied');
    assert.equal(log.view.head(0), 1);
  });

  withLog('of a refused command or a read is free for the next', 100, async (log) => {
    await one(log, { op: 'read', key: 'a', idempotencyKey: 'x' });
    const future = { micros: log.view.nowMicros() + 1e12 };
    assert.equal((await one(log, put('a', 1, { idempotencyKey: 'x', updated: future }))).outcome, 'refused');
    assert.equal((await one(log, put('a', 2, { idempotencyKey: 'x' }))).outcome, 'applied');
  });

  withLog('belongs to its principal', 100, async (log) => {
    await one(log, put('a', 1, { idempotencyKey: 'x' }));
    const other = await submit(log, [put('a', 2, { idempotencyKey: 'x' })], { principal: { id: 'other' } as never });
    assert.equal(other.outcomes[0]?.outcome, 'applied');
  });

  withLog(
    'is kept while it is one of the newest, over restarts and more than a step of them',
    50,
    async (first, probe) => {
      const commands = Array.from({ length: 1500 }, (_, index) => put(`k${index}`, 1, { idempotencyKey: `i${index}` }));
      await submit(first, commands);
      await submit(first, [put('more', 1, { idempotencyKey: 'last' })]);
      const log = await probe.reopen();
      const known = await Promise.all(['i0', 'i1449', 'i1451', 'i1499', 'last'].map((key) => isKnown(log, key)));
      assert.deepEqual(known, [false, false, true, true, true]);
    },
  );

  withLog('is forgotten a day after, when the next comes', 1000, async (log, probe) => {
    await one(log, put('a', 1, { idempotencyKey: 'old' }));
    probe.clock.advance(DAY_MS - 1000);
    await one(log, put('a', 2, { idempotencyKey: 'young' }));
    assert.ok(await isKnown(log, 'old'));
    probe.clock.advance(1001);
    await one(log, put('a', 3, { idempotencyKey: 'new' }));
    assert.deepEqual(await Promise.all(['old', 'young', 'new'].map((key) => isKnown(log, key))), [false, true, true]);
  });

  withLog('of a removal of many steps is answered with the whole of it', 100, async (log) => {
    await submit(
      log,
      Array.from({ length: 2500 }, (_, index) => put(`k${index}`, 1)),
    );
    const command = { op: 'removeMatching', pattern: 'k*', idempotencyKey: 'x' } as const;
    const [first, second] = await Promise.all([one(log, command), one(log, command)]);
    assert.equal(first?.outcome === 'applied' && 'removed' in first && first.removed, 2500);
    assert.deepEqual(second, first);
  });
});
