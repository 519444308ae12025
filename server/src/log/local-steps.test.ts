import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { code, one, put, submit } from '../../../test/conformance/log-tools.ts';
import type { Command } from '../commands/command.ts';
import { type ANONYMOUS, openAccess } from '../shared/access.ts';
import type { Change } from '../shared/change.ts';
import { encodeRecord } from '../view/record.ts';
import type { LocalLog } from './local.ts';
import { type LocalProbe, makeLocalProbe } from './local-probe.fixture.ts';

const SECOND = 1_000_000;

async function withProbe(body: (probe: LocalProbe) => Promise<void>, access = openAccess): Promise<void> {
  const probe = await makeLocalProbe(access);
  try {
    await body(probe);
  } finally {
    await probe.close();
  }
}

function manyPuts(count: number, prefix: string, options: Parameters<typeof put>[2] = {}): readonly Command[] {
  return Array.from({ length: count }, (_, index) => put(`${prefix}${index}`, 1, options));
}

describe('a removal of many keys', () => {
  test('goes in steps while others wait, misses none, and all are answered in the order they came', async () => {
    await withProbe(async (probe) => {
      const log = await probe.open();
      await submit(log, manyPuts(30_000, 'k.'));
      await submit(log, manyPuts(100, 'other.'));
      const before = log.view.head(0);
      let steps = 0;
      probe.onStep = () => {
        steps += 1;
      };
      const answered: string[] = [];
      const told = async (name: string, command: Command) => {
        const outcome = await one(log, command);
        answered.push(name);
        return outcome;
      };
      const [removed, put1, put2] = await Promise.all([
        told('removal', { op: 'removeMatching', pattern: 'k.*' }),
        told('new', put('new', 1)),
        told('again', put('k.7', 'again')),
      ]);
      assert.ok(removed?.outcome === 'applied' && 'removed' in removed);
      assert.deepEqual([removed.removed, removed.keys.length, removed.truncated], [30_000, 1000, true]);
      assert.equal(removed.version?.offset, before + 30_000);
      assert.deepEqual([put1?.outcome, put2?.outcome], ['applied', 'applied']);
      assert.deepEqual(answered, ['removal', 'new', 'again']);
      assert.ok(steps >= 30, `${steps} steps`);
      assert.equal(log.view.counts().keys, 102);
      assert.deepEqual(
        await Promise.all(['k.0', 'k.7', 'k.29999'].map((key) => one(log, { op: 'read', key }))).then((outcomes) =>
          outcomes.map((outcome) => outcome.outcome === 'value' && 'entry' in outcome && outcome.entry?.key),
        ),
        [undefined, 'k.7', undefined],
      );
    });
  });

  test('that the disk stops says that part of it went, and a repeat removes the rest', async () => {
    await withProbe(async (probe) => {
      const log = await probe.open();
      await submit(log, manyPuts(5000, 'k.'));
      let steps = 0;
      probe.onStep = () => {
        steps += 1;
        if (steps === 3) probe.failNextStep();
      };
      const outcome = await one(log, { op: 'removeMatching', pattern: 'k.*' });
      assert.ok(outcome.outcome === 'refused' && outcome.code === 'storage-full');
      assert.match(outcome.message, /removed in earlier steps stay removed/);
      const left = log.view.counts().keys;
      assert.ok(left > 0 && left < 5000);
      const rest = await one(log, { op: 'removeMatching', pattern: 'k.*' });
      assert.equal(rest.outcome === 'applied' && 'removed' in rest && rest.removed, left);
      assert.equal(log.view.counts().keys, 0);
    });
  });
});

describe('a flood of what is due', () => {
  test('is decided at most a step at a time, and writers get every other step', async () => {
    await withProbe(async (probe) => {
      const log = await probe.open();
      await submit(log, manyPuts(20_000, 'k.', { ttlMicros: SECOND }));
      probe.clock.advance(1001);
      const expired: number[] = [];
      log.view.onDurable((changes) => expired.push(changes.filter(({ reason }) => reason === 'expired').length));
      const settled = log.settleDue();
      // A batch that must fit one step comes in between too.
      const atomic = await submit(log, manyPuts(1000, 'new.'), { atomic: true });
      assert.ok(atomic.outcomes.every(({ outcome }) => outcome === 'applied'));
      const writes = Array.from({ length: 5 }, async (_, index) => {
        await one(log, put(`late.${index}`, 1));
        return expired.reduce((sum, count) => sum + count, 0);
      });
      for (const seen of await Promise.all(writes)) assert.ok(seen <= 5000, `${seen} dues went first`);
      await settled;
      assert.ok(expired.every((count) => count <= 5000));
      assert.equal(
        expired.reduce((sum, count) => sum + count, 0),
        20_000,
      );
      assert.equal(log.view.counts().keys, 1005);
    });
  });

  test('is not held up by a flood of writes either', async () => {
    await withProbe(async (probe) => {
      const log = await probe.open();
      await submit(log, manyPuts(100, 'k.', { ttlMicros: SECOND }));
      probe.clock.advance(1001);
      const order: string[] = [];
      log.view.onDurable((changes) =>
        order.push(changes.some(({ reason }) => reason === 'expired') ? 'dues' : 'writes'),
      );
      await Promise.all(Array.from({ length: 6 }, (_, index) => submit(log, manyPuts(1000, `w${index}.`))));
      assert.ok(order.indexOf('dues') >= 0 && order.indexOf('dues') <= 1, order.join(' '));
    });
  });
});

describe('the bytes of the store', () => {
  test('are the sum of its records after any history', async () => {
    const key = fc.constantFrom('a', 'b', 'ü', 'd');
    const command: fc.Arbitrary<Command> = fc.oneof(
      fc.tuple(key, fc.string({ maxLength: 300 }), fc.constantFrom(undefined, SECOND)).map(([k, text, ttlMicros]) => {
        return put(k, text, ttlMicros === undefined ? {} : { ttlMicros });
      }),
      key.map((k): Command => ({ op: 'remove', key: k, updated: { micros: 1 } })),
      key.map((k): Command => ({ op: 'remove', key: k })),
      fc.constant<Command>({ op: 'removeMatching', pattern: '*' }),
    );
    const turn = fc.record({ commands: fc.array(command, { maxLength: 8 }), advanceMs: fc.constantFrom(0, 10, 1500) });
    await fc.assert(
      fc.asyncProperty(fc.array(turn, { maxLength: 12 }), fc.constantFrom(1, 4, 1000), async (turns, changesMax) => {
        await withProbe(async (probe) => {
          let log = await probe.open((defaults) => ({
            ...defaults,
            history: { ...defaults.history, changesMax },
            // Shorter than the window: tombstones go out of the middle of it.
            tombstones: { ageMaxMs: 1000 },
          }));
          for (const { advanceMs, commands } of turns) {
            probe.clock.advance(advanceMs);
            await submit(log, commands);
            await log.settleDue();
            assert.equal(log.view.counts().bytes, bytesHeld(log));
          }
          log = await probe.reopen();
          assert.equal(log.view.counts().bytes, bytesHeld(log));
          assert.deepEqual(probe.faults, []);
        });
      }),
      { numRuns: 25 },
    );
  });
});

function bytesHeld(log: LocalLog): number {
  const all = { changesMax: 1e6, bytesMax: 1e9, skipSuperseded: false, skipRemoves: false };
  const { changes } = log.view.scan(0, 0, { ...all, until: log.view.head(0) });
  return changes.reduce((sum: number, change: Change) => sum + encodeRecord(change).length, 0);
}

describe('a bug in deciding', () => {
  test('costs only the batch that met it, which is told so, and is reported', async () => {
    const access = {
      ...openAccess,
      allowed: (principal: typeof ANONYMOUS, action: 'read' | 'write', key: string) => {
        if (key === 'bug') throw new TypeError('cannot read properties of undefined');
        return openAccess.allowed(principal, action, key);
      },
    };
    await withProbe(async (probe) => {
      const log = await probe.open();
      const progress = { source: 's', sourcePartition: '0', expected: null, next: '1' };
      const [before, bug, after] = await Promise.all([
        code(submit(log, [put('a', 1)])),
        code(submit(log, [put('a', 2), put('b', 1), put('bug', 1)], { progress })),
        code(submit(log, [put('a', 3, { ifVersion: { epoch: log.view.epochs.current, partition: 0, offset: 1 } })])),
      ]);
      assert.deepEqual([before, bug, after], ['none', 'internal', 'none']);
      assert.deepEqual([log.view.get('a')?.offset, log.view.get('b'), log.view.head(0)], [2, undefined, 2]);
      assert.deepEqual(await log.progress('s'), {});
      assert.equal(probe.faults.length, 1);
      assert.ok(probe.faults[0] instanceof TypeError);
      assert.equal(log.state().isReady, true);
    }, access);
  });

  test('in writing keeps nothing of the step, and the log goes on', async () => {
    await withProbe(async (probe) => {
      const log = await probe.open();
      await one(log, put('a', 1));
      // No source has such a name; LMDB would refuse it in the middle of a transaction.
      const progress = { source: 's'.repeat(2000), sourcePartition: '0', expected: null, next: '1' };
      await assert.rejects(submit(log, [put('a', 2), put('b', 2)], { progress }), /takes 1 to 1978 bytes/);
      assert.deepEqual([log.view.head(0), log.view.get('a')?.offset, log.view.get('b')], [1, 1, undefined]);
      assert.equal((await one(log, put('b', 3))).outcome, 'applied');
      const reopened = await probe.reopen();
      assert.deepEqual([reopened.view.get('a')?.offset, reopened.view.get('b')?.offset], [1, 2]);
    });
  });
});
