import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { formatPosition } from '@latchkey/client';
import type { Command } from '../../server/src/commands/command.ts';
import { type Change, isLive } from '../../server/src/shared/change.ts';
import { code, jsonOf, type LogSuite, moment, one, put, SECOND, submit } from './log-tools.ts';

/** What becomes of commands: order, atomicity, removal by pattern, time. */
export function decidingPromises(suite: LogSuite): void {
  describe('changes', () => {
    suite.each('gives every change its own offset, growing, and the entry its version', async () => {
      const { outcomes } = await submit(suite.log, [put('a', 1), put('b', 2), put('a', 3)]);
      const offsets = outcomes.map((outcome) =>
        outcome.outcome === 'applied' && outcome.version ? outcome.version.offset : -1,
      );
      assert.ok((offsets[0] as number) < (offsets[1] as number) && (offsets[1] as number) < (offsets[2] as number));
      assert.equal(suite.log.view.get('a')?.offset, offsets[2]);
      assert.equal(suite.log.view.get('a')?.previous, offsets[0]);
    });

    suite.each('decides the commands of a batch in order, each seeing the earlier ones', async () => {
      const { outcomes } = await submit(suite.log, [
        put('k', 1),
        { op: 'remove', key: 'k' },
        { op: 'read', key: 'k' },
        put('k', 2),
      ]);
      assert.deepEqual(
        outcomes.map((outcome) => outcome.outcome),
        ['applied', 'applied', 'value', 'applied'],
      );
      assert.equal((outcomes[2] as { entry?: unknown }).entry, undefined);
      assert.equal(jsonOf(suite.log, 'k'), 2);
      await submit(suite.log, [put('j', 1), { op: 'remove', key: 'j' }]);
      assert.equal(suite.log.view.get('j')?.op, 'remove');
    });

    suite.each('tells listeners of changes in offset order before their senders are answered', async () => {
      const seen: Change[] = [];
      suite.log.view.onDurable((changes) => seen.push(...changes));
      await submit(suite.log, [put('a', 1), put('b', 2)]);
      assert.deepEqual(
        seen.map((change) => change.key),
        ['a', 'b'],
      );
      await Promise.all(Array.from({ length: 50 }, (_, index) => one(suite.log, put(`c${index}`, index))));
      const offsets = seen.map((change) => change.offset);
      assert.deepEqual(
        offsets,
        [...offsets].sort((a, b) => a - b),
      );
      assert.equal(new Set(offsets).size, 52);
    });

    suite.each('one refusal does not stop the others', async () => {
      const future = put('late', 1, { updated: moment(suite.probe.clock.micros + 2 * 3600 * SECOND) });
      const { outcomes } = await submit(suite.log, [put('a', 1), future, put('b', 2)]);
      assert.deepEqual(
        outcomes.map((outcome) => outcome.outcome),
        ['applied', 'refused', 'applied'],
      );
    });

    suite.each('counts what senders were told, and nothing of a batch that fails as a whole', async () => {
      const deciding = suite.probe.deciding?.() ?? suite.log;
      const counted = () => ({ ...deciding.outcomes });
      const none = { applied: 0, duplicate: 0, late: 0, conflict: 0, refused: 0, value: 0 };
      assert.deepEqual(counted(), none);
      const updated = moment(suite.probe.clock.micros);
      const older = moment(updated.micros - 1);
      await submit(suite.log, [put('a', 1, { updated }), put('b', 1), { op: 'read', key: 'a' }]);
      assert.deepEqual(counted(), { ...none, applied: 2, value: 1 });
      const late = put('a', 0, { updated: older });
      await submit(suite.log, [put('a', 1, { updated }), late, late, put('b', 2, { ifAbsent: true })]);
      const more = { ...none, applied: 2, duplicate: 1, late: 2, conflict: 1, value: 1 };
      assert.deepEqual(counted(), more);
      await submit(suite.log, [put('c', 1), late], { atomic: true });
      assert.deepEqual(counted(), { ...more, late: 3, refused: 1 });
      const progress = { source: 'import', sourcePartition: '0', expected: '7', next: '8' };
      assert.equal(await code(submit(suite.log, [put('d', 1)], { progress })), 'progress-mismatch');
      assert.deepEqual(counted(), { ...more, late: 3, refused: 1 });
      // A repeat is told the same once more.
      await one(suite.log, put('e', 1, { idempotencyKey: 'once' }));
      await one(suite.log, put('e', 1, { idempotencyKey: 'once' }));
      await submit(suite.log, [put('f.1', 1), put('f.2', 1), { op: 'removeMatching', pattern: 'f.*' }]);
      assert.deepEqual(counted(), { ...more, applied: 7, late: 3, refused: 1 });
    });

    suite.each('a refusal made by a format keeps its place among the outcomes', async () => {
      const refusal = { outcome: 'refused', code: 'unknown-op', message: 'no such op' } as const;
      const { outcomes } = await submit(suite.log, [put('a', 1), refusal, put('b', 2)]);
      assert.deepEqual(outcomes[1], refusal);
      assert.equal(jsonOf(suite.log, 'b'), 2);
    });

    suite.each('a batch bigger than one durable step is several steps, in order', async () => {
      const commands = Array.from({ length: 3500 }, (_, index) => put(`k${index % 700}`, index));
      const { outcomes } = await submit(suite.log, commands);
      assert.equal(outcomes.length, 3500);
      assert.ok(outcomes.every((outcome) => outcome.outcome === 'applied'));
      assert.equal(jsonOf(suite.log, 'k699'), 3499);
    });
  });

  describe('batches on keys that were read before', () => {
    const found = (suite: LogSuite, key: string) => {
      const { view } = suite.log;
      const last = view.get(key);
      const version = last === undefined ? undefined : view.epochs.version(last);
      return { key, version, isLive: last !== undefined && isLive(last, view.nowMicros()) };
    };

    suite.each('are decided as long as nothing of them has changed, and refused with `conflict` then', async () => {
      await submit(suite.log, [put('a', 1), put('gone', 1), { op: 'remove', key: 'gone' }]);
      const ifUnchanged = ['a', 'gone', 'never'].map((key) => found(suite, key));
      const add = (value: number) => submit(suite.log, [put('b', value)], { ifUnchanged });
      await add(1);
      // What the batch itself changes does not count.
      await submit(suite.log, [put('a', 2), put('a', 3)], { ifUnchanged });
      assert.equal(await code(add(2)), 'conflict');
      assert.equal(jsonOf(suite.log, 'b'), 1);
    });

    suite.each('are refused for a key that was written, removed, written again or has expired', async () => {
      const changes: readonly (readonly Command[])[] = [
        [put('k', 1)],
        [put('k', 2, { ttlMicros: SECOND })],
        [{ op: 'remove', key: 'k' }],
        [put('k', 1), { op: 'remove', key: 'k' }],
      ];
      for (const commands of changes) {
        const before = found(suite, 'k');
        await submit(suite.log, commands);
        assert.equal(await code(submit(suite.log, [put('x', 1)], { ifUnchanged: [before] })), 'conflict');
        await submit(suite.log, [put('x', 1)], { ifUnchanged: [found(suite, 'k')] });
      }
      await submit(suite.log, [put('k', 2, { ttlMicros: SECOND })]);
      const before = found(suite, 'k');
      suite.probe.clock.advance(2000);
      assert.equal(await code(submit(suite.log, [put('x', 1)], { ifUnchanged: [before] })), 'conflict');
      await submit(suite.log, [put('k', 2, { ttlMicros: SECOND })]);
      suite.probe.clock.advance(2000);
      const expired = found(suite, 'k');
      assert.equal(expired.isLive, false);
      // Deciding on it makes a change of its end.
      await one(suite.log, { op: 'read', key: 'k' });
      assert.equal(suite.log.view.get('k')?.op, 'remove');
      await submit(suite.log, [put('x', 1)], { ifUnchanged: [expired] });
    });

    suite.each('of many that read the same, one is decided', async () => {
      await one(suite.log, put('count', 0));
      const add = async (): Promise<number> => {
        const before = found(suite, 'count');
        const next = (jsonOf(suite.log, 'count') as number) + 1;
        const batch = { ifUnchanged: [before], oneStep: true };
        return (await code(submit(suite.log, [put('count', next)], batch))) === 'conflict' ? (await add()) + 1 : 0;
      };
      const repeats = await Promise.all(Array.from({ length: 12 }, add));
      assert.equal(jsonOf(suite.log, 'count'), 12);
      assert.ok(Math.max(...repeats) > 0);
    });

    suite.each('that take several steps look at them once, before the first', async () => {
      const commands = Array.from({ length: 2500 }, (_, index) => put(`k${index % 700}`, index));
      const { outcomes } = await submit(suite.log, commands, { ifUnchanged: [found(suite, 'k1')] });
      assert.ok(outcomes.every(({ outcome }) => outcome === 'applied'));
    });
  });

  describe('atomic batches', () => {
    suite.each('all is applied, or nothing', async () => {
      await one(suite.log, put('a', 1));
      const head = formatPosition(suite.log.view.position());
      const { outcomes } = await submit(suite.log, [put('b', 1), put('a', 2, { ifAbsent: true }), put('c', 1)], {
        atomic: true,
      });
      assert.deepEqual(
        outcomes.map((outcome) => outcome.outcome),
        ['refused', 'conflict', 'refused'],
      );
      assert.equal(suite.log.view.get('b'), undefined);
      assert.equal(formatPosition(suite.log.view.position()), head);
      const whole = await submit(suite.log, [put('b', 1), put('c', 1)], { atomic: true });
      assert.ok(whole.outcomes.every((outcome) => outcome.outcome === 'applied'));
    });

    suite.each('one that does not fit a step is refused whole', async () => {
      const commands = Array.from({ length: 1001 }, (_, index) => put(`k${index}`, index));
      assert.equal(await code(submit(suite.log, commands, { atomic: true })), 'batch-too-big');
      assert.equal(suite.log.view.counts().keys, 0);
    });

    suite.each('removeMatching is refused in one', async () => {
      const { outcomes } = await submit(suite.log, [put('a', 1), { op: 'removeMatching', pattern: '*' }], {
        atomic: true,
      });
      assert.deepEqual(
        outcomes.map((outcome) => (outcome.outcome === 'refused' ? outcome.code : outcome.outcome)),
        ['atomic-aborted', 'not-atomic'],
      );
    });
  });

  describe('removing by pattern', () => {
    suite.each('removes the keys present at decision time and lists them', async () => {
      await submit(suite.log, [put('a.1', 1), put('a.2', 2), put('b.1', 3)]);
      const { outcomes } = await submit(suite.log, [
        put('a.3', 3),
        { op: 'removeMatching', pattern: 'a.*' },
        put('a.4', 4),
      ]);
      const outcome = outcomes[1] as { removed: number; keys: readonly string[] };
      assert.equal(outcome.removed, 3);
      assert.deepEqual([...outcome.keys].sort(), ['a.1', 'a.2', 'a.3']);
      assert.equal(jsonOf(suite.log, 'a.4'), 4);
      assert.equal(suite.log.view.counts().keys, 2);
    });

    suite.each('a dry run lists and removes nothing', async () => {
      await submit(suite.log, [put('a.1', 1), put('b.1', 3)]);
      const outcome = await one(suite.log, { op: 'removeMatching', pattern: 'a.*', dryRun: true });
      assert.deepEqual(outcome, { outcome: 'value', keys: ['a.1'], truncated: false });
      assert.equal(suite.log.view.counts().keys, 2);
    });

    suite.each('more keys than a step holds go in several steps, and the list says it is cut', async () => {
      await submit(
        suite.log,
        Array.from({ length: 2500 }, (_, index) => put(`k${index}`, index)),
      );
      const outcome = (await one(suite.log, { op: 'removeMatching', pattern: '*' })) as {
        removed: number;
        keys: readonly string[];
        truncated: boolean;
      };
      assert.deepEqual([outcome.removed, outcome.keys.length, outcome.truncated], [2500, 1000, true]);
      assert.equal(suite.log.view.counts().keys, 0);
    });
  });

  describe('time', () => {
    suite.each('an entry past its expiry goes as an ordered change with its reason', async () => {
      await one(suite.log, put('a', 1, { ttlMicros: 5 * SECOND }));
      suite.probe.clock.advance(5001);
      await suite.probe.settleDue(suite.log);
      const entry = suite.log.view.get('a');
      assert.deepEqual([entry?.op, entry?.reason], ['remove', 'expired']);
    });

    suite.each('passing `valid` makes a stale change that carries the entry, once', async () => {
      await one(suite.log, put('a', 7, { valid: moment(suite.probe.clock.micros + SECOND), ttlMicros: 10 * SECOND }));
      suite.probe.clock.advance(1001);
      await suite.probe.settleDue(suite.log);
      const stale = suite.log.view.get('a');
      assert.deepEqual([stale?.op, jsonOf(suite.log, 'a')], ['stale', 7]);
      suite.probe.clock.advance(1000);
      await suite.probe.settleDue(suite.log);
      assert.equal(suite.log.view.get('a')?.offset, stale?.offset);
      suite.probe.clock.advance(10_000);
      await suite.probe.settleDue(suite.log);
      assert.equal(suite.log.view.get('a')?.reason, 'expired');
    });

    suite.each('a condition on a version survives the entry becoming stale', async () => {
      const applied = await one(suite.log, put('a', 1, { valid: moment(suite.probe.clock.micros + SECOND) }));
      suite.probe.clock.advance(1001);
      await suite.probe.settleDue(suite.log);
      assert.ok(applied.outcome === 'applied' && applied.version);
      assert.equal((await one(suite.log, put('a', 2, { ifVersion: applied.version }))).outcome, 'applied');
      assert.equal((await one(suite.log, put('a', 3, { ifVersion: applied.version }))).outcome, 'conflict');
    });

    suite.each('a wall clock that jumps back makes nothing late and lets time go on', async () => {
      await one(suite.log, put('a', 1, { ttlMicros: 5 * SECOND }));
      const before = suite.log.view.nowMicros();
      suite.probe.clock.jump(-3600_000);
      assert.equal((await one(suite.log, put('b', 2))).outcome, 'applied');
      assert.equal((await one(suite.log, put('b', 3))).outcome, 'applied');
      assert.ok(suite.log.view.nowMicros() >= before);
      suite.probe.clock.advance(11_000);
      await suite.probe.settleDue(suite.log);
      assert.equal(suite.log.view.get('a')?.reason, 'expired');
    });

    suite.each('what fell due while nothing ran is decided before the log is ready', async () => {
      await one(suite.log, put('a', 1, { ttlMicros: 5 * SECOND }));
      suite.probe.clock.advance(60_000);
      suite.log = await suite.probe.reopen();
      assert.equal(suite.log.view.get('a')?.reason, 'expired');
    });

    suite.each('a tombstone protects its key from late puts until it is collected', async () => {
      const updated = moment(suite.probe.clock.micros);
      await one(suite.log, { op: 'remove', key: 'a', updated });
      assert.equal((await one(suite.log, put('a', 1, { updated: moment(updated.micros - 1) }))).outcome, 'late');
      const floor = suite.log.view.get('a')?.offset as number;
      suite.probe.clock.advance(8 * 24 * 3600 * 1000);
      await suite.probe.settleDue(suite.log);
      await one(suite.log, put('other', 1));
      assert.equal(suite.log.view.get('a'), undefined);
      assert.ok(suite.log.view.tombstoneFloor(0) >= floor);
    });
  });
}
