import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { formatPosition, LatchkeyError } from '@latchkey/client';
import type { Command, Outcome } from '../../server/src/commands/command.ts';
import type { Settings } from '../../server/src/config/settings.ts';
import type { Batch, Log } from '../../server/src/log/log.ts';
import { ANONYMOUS } from '../../server/src/shared/access.ts';
import type { Change } from '../../server/src/shared/change.ts';
import type { ManualClock } from '../support/manual-clock.ts';

/** What an adapter's test gives the suite. `reopen` stops the log and opens it again on the same data. */
export interface LogProbe {
  readonly clock: ManualClock;
  open(settings?: (defaults: Settings) => Settings): Promise<Log>;
  reopen(): Promise<Log>;
  /** Decides what is due by the clock. */
  settleDue(log: Log): Promise<void>;
  /** Makes the next durable step fail as a full disk does; undefined where this log can't. */
  failNextStep?: () => void;
  close(): Promise<void>;
}

const SECOND = 1_000_000;

export function put(key: string, value: unknown, options: Partial<Extract<Command, { op: 'put' }>> = {}): Command {
  return { op: 'put', key, value: { kind: 'json', data: JSON.stringify(value) }, ...options };
}

const at = (micros: number) => ({ micros });

async function one(log: Log, command: Command): Promise<Outcome> {
  const { outcomes } = await submit(log, [command]);
  return outcomes[0] as Outcome;
}

function submit(log: Log, commands: Batch['commands'], rest: Partial<Batch> = {}) {
  return log.submit({ commands, principal: ANONYMOUS, ...rest });
}

function valueOf(log: Log, key: string): unknown {
  const entry = log.view.get(key);
  return entry?.value === undefined ? undefined : JSON.parse(String(entry.value.data));
}

async function code(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return 'none';
  } catch (error) {
    assert.ok(error instanceof LatchkeyError, String(error));
    return error.code;
  }
}

/** The promises that every log keeps. `name` is the adapter's. */
export function logSuite(name: string, makeProbe: () => Promise<LogProbe>): void {
  describe(`log ${name}`, () => {
    let probe: LogProbe;
    let log: Log;

    beforeEach(async () => {
      probe = await makeProbe();
      log = await probe.open();
    });

    const each = (promise: string, body: () => Promise<void>) =>
      test(promise, async () => {
        try {
          await body();
        } finally {
          await probe.close();
        }
      });

    describe('changes', () => {
      each('gives every change its own offset, growing, and the entry its version', async () => {
        const { outcomes } = await submit(log, [put('a', 1), put('b', 2), put('a', 3)]);
        const offsets = outcomes.map((outcome) =>
          outcome.outcome === 'applied' && outcome.version ? outcome.version.offset : -1,
        );
        assert.ok((offsets[0] as number) < (offsets[1] as number) && (offsets[1] as number) < (offsets[2] as number));
        assert.equal(log.view.get('a')?.offset, offsets[2]);
        assert.equal(log.view.get('a')?.previous, offsets[0]);
      });

      each('decides the commands of a batch in order, each seeing the earlier ones', async () => {
        const { outcomes } = await submit(log, [
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
        assert.equal(valueOf(log, 'k'), 2);
        await submit(log, [put('j', 1), { op: 'remove', key: 'j' }]);
        assert.equal(log.view.get('j')?.op, 'remove');
      });

      each('tells listeners of changes in offset order before their senders are answered', async () => {
        const seen: Change[] = [];
        log.view.onDurable((changes) => seen.push(...changes));
        await submit(log, [put('a', 1), put('b', 2)]);
        assert.deepEqual(
          seen.map((change) => change.key),
          ['a', 'b'],
        );
        await Promise.all(Array.from({ length: 50 }, (_, index) => one(log, put(`c${index}`, index))));
        const offsets = seen.map((change) => change.offset);
        assert.deepEqual(
          offsets,
          [...offsets].sort((a, b) => a - b),
        );
        assert.equal(new Set(offsets).size, 52);
      });

      each('one refusal does not stop the others', async () => {
        const future = put('late', 1, { updated: at(probe.clock.micros + 2 * 3600 * SECOND) });
        const { outcomes } = await submit(log, [put('a', 1), future, put('b', 2)]);
        assert.deepEqual(
          outcomes.map((outcome) => outcome.outcome),
          ['applied', 'refused', 'applied'],
        );
      });

      each('a refusal made by a format keeps its place among the outcomes', async () => {
        const refusal = { outcome: 'refused', code: 'unknown-op', message: 'no such op' } as const;
        const { outcomes } = await submit(log, [put('a', 1), refusal, put('b', 2)]);
        assert.equal(outcomes[1], refusal);
        assert.equal(valueOf(log, 'b'), 2);
      });

      each('a batch bigger than one durable step is several steps, in order', async () => {
        const commands = Array.from({ length: 3500 }, (_, index) => put(`k${index % 700}`, index));
        const { outcomes } = await submit(log, commands);
        assert.equal(outcomes.length, 3500);
        assert.ok(outcomes.every((outcome) => outcome.outcome === 'applied'));
        assert.equal(valueOf(log, 'k699'), 3499);
      });
    });

    describe('atomic batches', () => {
      each('all is applied, or nothing', async () => {
        await one(log, put('a', 1));
        const head = formatPosition(log.view.position());
        const { outcomes } = await submit(log, [put('b', 1), put('a', 2, { ifAbsent: true }), put('c', 1)], {
          atomic: true,
        });
        assert.deepEqual(
          outcomes.map((outcome) => outcome.outcome),
          ['refused', 'conflict', 'refused'],
        );
        assert.equal(log.view.get('b'), undefined);
        assert.equal(formatPosition(log.view.position()), head);
        const whole = await submit(log, [put('b', 1), put('c', 1)], { atomic: true });
        assert.ok(whole.outcomes.every((outcome) => outcome.outcome === 'applied'));
      });

      each('one that does not fit a step is refused whole', async () => {
        const commands = Array.from({ length: 1001 }, (_, index) => put(`k${index}`, index));
        assert.equal(await code(submit(log, commands, { atomic: true })), 'batch-too-big');
        assert.equal(log.view.counts().keys, 0);
      });

      each('removeMatching is refused in one', async () => {
        const { outcomes } = await submit(log, [put('a', 1), { op: 'removeMatching', pattern: '*' }], { atomic: true });
        assert.deepEqual(
          outcomes.map((outcome) => (outcome.outcome === 'refused' ? outcome.code : outcome.outcome)),
          ['atomic-aborted', 'not-atomic'],
        );
      });
    });

    describe('removing by pattern', () => {
      each('removes the keys present at decision time and lists them', async () => {
        await submit(log, [put('a.1', 1), put('a.2', 2), put('b.1', 3)]);
        const { outcomes } = await submit(log, [
          put('a.3', 3),
          { op: 'removeMatching', pattern: 'a.*' },
          put('a.4', 4),
        ]);
        const outcome = outcomes[1] as { removed: number; keys: readonly string[] };
        assert.equal(outcome.removed, 3);
        assert.deepEqual([...outcome.keys].sort(), ['a.1', 'a.2', 'a.3']);
        assert.equal(valueOf(log, 'a.4'), 4);
        assert.equal(log.view.counts().keys, 2);
      });

      each('a dry run lists and removes nothing', async () => {
        await submit(log, [put('a.1', 1), put('b.1', 3)]);
        const outcome = await one(log, { op: 'removeMatching', pattern: 'a.*', dryRun: true });
        assert.deepEqual(outcome, { outcome: 'value', keys: ['a.1'], truncated: false });
        assert.equal(log.view.counts().keys, 2);
      });

      each('more keys than a step holds go in several steps, and the list says it is cut', async () => {
        await submit(
          log,
          Array.from({ length: 2500 }, (_, index) => put(`k${index}`, index)),
        );
        const outcome = (await one(log, { op: 'removeMatching', pattern: '*' })) as {
          removed: number;
          keys: readonly string[];
          truncated: boolean;
        };
        assert.deepEqual([outcome.removed, outcome.keys.length, outcome.truncated], [2500, 1000, true]);
        assert.equal(log.view.counts().keys, 0);
      });
    });

    describe('time', () => {
      each('an entry past its expiry goes as an ordered change with its reason', async () => {
        await one(log, put('a', 1, { ttlMicros: 5 * SECOND }));
        probe.clock.advance(5001);
        await probe.settleDue(log);
        const entry = log.view.get('a');
        assert.deepEqual([entry?.op, entry?.reason], ['remove', 'expired']);
      });

      each('passing `valid` makes a stale change that carries the entry, once', async () => {
        await one(log, put('a', 7, { valid: at(probe.clock.micros + SECOND), ttlMicros: 10 * SECOND }));
        probe.clock.advance(1001);
        await probe.settleDue(log);
        const stale = log.view.get('a');
        assert.deepEqual([stale?.op, valueOf(log, 'a')], ['stale', 7]);
        probe.clock.advance(1000);
        await probe.settleDue(log);
        assert.equal(log.view.get('a')?.offset, stale?.offset);
        probe.clock.advance(10_000);
        await probe.settleDue(log);
        assert.equal(log.view.get('a')?.reason, 'expired');
      });

      each('a condition on a version survives the entry becoming stale', async () => {
        const applied = await one(log, put('a', 1, { valid: at(probe.clock.micros + SECOND) }));
        probe.clock.advance(1001);
        await probe.settleDue(log);
        assert.ok(applied.outcome === 'applied' && applied.version);
        assert.equal((await one(log, put('a', 2, { ifVersion: applied.version }))).outcome, 'applied');
        assert.equal((await one(log, put('a', 3, { ifVersion: applied.version }))).outcome, 'conflict');
      });

      each('a wall clock that jumps back makes nothing late and lets time go on', async () => {
        await one(log, put('a', 1, { ttlMicros: 5 * SECOND }));
        const before = log.view.nowMicros();
        probe.clock.jump(-3600_000);
        assert.equal((await one(log, put('b', 2))).outcome, 'applied');
        assert.equal((await one(log, put('b', 3))).outcome, 'applied');
        assert.ok(log.view.nowMicros() >= before);
        probe.clock.advance(11_000);
        await probe.settleDue(log);
        assert.equal(log.view.get('a')?.reason, 'expired');
      });

      each('what fell due while nothing ran is decided before the log is ready', async () => {
        await one(log, put('a', 1, { ttlMicros: 5 * SECOND }));
        probe.clock.advance(60_000);
        log = await probe.reopen();
        assert.equal(log.view.get('a')?.reason, 'expired');
      });

      each('a tombstone protects its key from late puts until it is collected', async () => {
        const updated = at(probe.clock.micros);
        await one(log, { op: 'remove', key: 'a', updated });
        assert.equal((await one(log, put('a', 1, { updated: at(updated.micros - 1) }))).outcome, 'late');
        const floor = log.view.get('a')?.offset as number;
        probe.clock.advance(8 * 24 * 3600 * 1000);
        await probe.settleDue(log);
        await one(log, put('other', 1));
        assert.equal(log.view.get('a'), undefined);
        assert.ok(log.view.tombstoneFloor(0) >= floor);
      });
    });

    describe('source progress', () => {
      const progress = (expected: string | null, next: string) => ({
        source: 's',
        sourcePartition: '0',
        expected,
        next,
      });

      each('moves with the changes, by compare-and-set', async () => {
        await submit(log, [put('a', 1)], { progress: progress(null, '10') });
        assert.deepEqual(await log.progress('s'), { 0: '10' });
        const error = await submit(log, [put('a', 2)], { progress: progress('9', '20') }).catch(
          (reason: unknown) => reason,
        );
        assert.ok(error instanceof LatchkeyError && error.code === 'progress-mismatch');
        assert.equal(error.details.extra?.progress, '10');
        assert.equal(valueOf(log, 'a'), 1);
      });

      each('of two batches from the same place one is refused, also within a tick', async () => {
        const results = await Promise.all([
          code(submit(log, [put('a', 1)], { progress: progress(null, '5') })),
          code(submit(log, [put('a', 2)], { progress: progress(null, '5') })),
          code(submit(log, [put('a', 3)], { progress: progress('5', '6') })),
        ]);
        assert.deepEqual(results, ['none', 'progress-mismatch', 'none']);
        assert.deepEqual(await log.progress('s'), { 0: '6' });
      });

      each('is there after a restart, and moves without any command', async () => {
        await submit(log, [], { progress: progress(null, '10') });
        log = await probe.reopen();
        assert.deepEqual(await log.progress('s'), { 0: '10' });
      });

      each('a batch that does not fit a step moves nothing', async () => {
        const commands = Array.from({ length: 1001 }, (_, index) => put(`k${index}`, index));
        assert.equal(await code(submit(log, commands, { progress: progress(null, '1') })), 'batch-too-big');
        assert.deepEqual(await log.progress('s'), {});
      });
    });

    describe('repeats', () => {
      each('the same idempotency key is answered with the first outcome, also after a restart', async () => {
        const first = await one(log, put('a', 1, { idempotencyKey: 'x' }));
        await one(log, put('a', 2));
        assert.deepEqual(await one(log, put('a', 1, { idempotencyKey: 'x' })), first);
        log = await probe.reopen();
        assert.deepEqual(await one(log, put('a', 1, { idempotencyKey: 'x' })), first);
        assert.equal(valueOf(log, 'a'), 2);
      });

      each('the same idempotency key with another body is refused', async () => {
        await one(log, put('a', 1, { idempotencyKey: 'x' }));
        const outcome = await one(log, put('a', 2, { idempotencyKey: 'x' }));
        assert.equal(outcome.outcome === 'refused' && outcome.code, 'idempotency-mismatch');
      });

      each('a conflict is remembered with the entry it showed', async () => {
        await one(log, put('a', 1));
        const command = put('a', 2, { ifAbsent: true, idempotencyKey: 'x' });
        const first = await one(log, command);
        await one(log, put('a', 9));
        const second = await one(log, command);
        assert.equal(
          first.outcome === 'conflict' && first.entry?.offset,
          second.outcome === 'conflict' && second.entry?.offset,
        );
      });

      each('a repeated batch of the same sender is answered once decided', async () => {
        const sender = { incarnation: 'i1', sequence: 1 };
        const first = await submit(log, [put('a', 1), put('b', 1)], { sender });
        const head = formatPosition(log.view.position());
        const second = await submit(log, [put('a', 1), put('b', 1)], { sender });
        assert.deepEqual(second.outcomes, first.outcomes);
        assert.equal(formatPosition(log.view.position()), head);
      });

      each('only as many answers are remembered as the setting says', async () => {
        await log.close();
        log = await probe.open((defaults) => ({ ...defaults, idempotency: { countMax: 10, ageMaxMs: 1000 } }));
        for (let index = 0; index < 15; index += 1) await one(log, put('a', index, { idempotencyKey: `k${index}` }));
        assert.equal((await one(log, put('a', 'new', { idempotencyKey: 'k0' }))).outcome, 'applied');
        const remembered = await one(log, put('a', 'new', { idempotencyKey: 'k14' }));
        assert.equal(remembered.outcome === 'refused' && remembered.code, 'idempotency-mismatch');
      });
    });

    describe('leases', () => {
      each('one holder at a time, a greater fence with every change of hands', async () => {
        const first = await log.leases.acquire('sink', 'n1', 1000);
        assert.equal(await log.leases.acquire('sink', 'n2', 1000), undefined);
        assert.equal((await log.leases.acquire('sink', 'n1', 1000))?.fence, first?.fence);
        probe.clock.advance(1001);
        const second = await log.leases.acquire('sink', 'n2', 1000);
        assert.ok(first && second && second.fence > first.fence);
        assert.equal(await first.renew(), false);
        assert.equal(await second.renew(), true);
      });

      each('a batch under an old fence is refused and changes nothing', async () => {
        const first = await log.leases.acquire('sink', 'n1', 1000);
        await submit(log, [put('a', 1)], { fence: { lease: 'sink', number: first?.fence as number } });
        await first?.release();
        await log.leases.acquire('sink', 'n2', 1000);
        assert.equal(
          await code(submit(log, [put('a', 2)], { fence: { lease: 'sink', number: first?.fence as number } })),
          'conflict',
        );
        assert.equal(valueOf(log, 'a'), 1);
      });

      each('fences go on growing after a restart', async () => {
        const before = await log.leases.acquire('sink', 'n1', 1000);
        log = await probe.reopen();
        const after = await log.leases.acquire('sink', 'n1', 1000);
        assert.ok(before && after && after.fence > before.fence);
      });
    });

    describe('dead letters', () => {
      const letter = (text: string, source = 'ems') => ({
        source,
        coordinates: { offset: text },
        reason: { code: 'invalid-json' as const, message: 'no JSON' },
        message: Buffer.from(text),
        headers: { h: '1' },
      });

      each('are made in the same step as the changes, listed oldest first, by source, in pages', async () => {
        await submit(log, [put('a', 1)], { deadLetters: { add: [letter('1'), letter('2', 'other'), letter('3')] } });
        log = await probe.reopen();
        const page = log.deadLetters.list({ limit: 2 });
        assert.deepEqual(
          page.deadLetters.map(({ message }) => message.toString()),
          ['1', '2'],
        );
        const rest = log.deadLetters.list({ limit: 2, after: page.next as string });
        assert.deepEqual(
          rest.deadLetters.map(({ message }) => message.toString()),
          ['3'],
        );
        assert.equal(log.deadLetters.list({ limit: 10, source: 'other' }).deadLetters.length, 1);
        const [first] = page.deadLetters;
        assert.deepEqual(log.deadLetters.get(first?.id as string), first);
      });

      each('count their replays and are dropped by a batch', async () => {
        await submit(log, [], { deadLetters: { add: [letter('1'), letter('2')] } });
        const [first, second] = log.deadLetters.list({ limit: 2 }).deadLetters;
        await submit(log, [put('a', 1)], {
          deadLetters: { countReplay: [first?.id as string], drop: [second?.id as string] },
        });
        assert.equal(log.deadLetters.get(first?.id as string)?.replays, 1);
        assert.equal(log.deadLetters.get(second?.id as string), undefined);
        assert.equal(log.deadLetters.counts().held, 1);
      });

      each('are bounded: the oldest go and are counted', async () => {
        await log.close();
        log = await probe.open((defaults) => ({ ...defaults, deadLetters: { ...defaults.deadLetters, countMax: 3 } }));
        for (let index = 0; index < 6; index += 1)
          await submit(log, [], { deadLetters: { add: [letter(String(index))] } });
        const { held, dropped } = log.deadLetters.counts();
        assert.deepEqual([held, dropped], [3, 3]);
        assert.equal(log.deadLetters.list({ limit: 1 }).deadLetters[0]?.message.toString(), '3');
      });
    });

    describe('restarts and failures', () => {
      each('everything is there after a restart, in a new epoch in which old versions still hold', async () => {
        const applied = await one(log, put('a', 1));
        const before = log.view.position();
        log = await probe.reopen();
        assert.equal(valueOf(log, 'a'), 1);
        assert.notEqual(log.view.epochs.current, before.epoch);
        assert.ok(log.view.epochs.holdsPosition(before));
        assert.ok(applied.outcome === 'applied' && applied.version);
        assert.equal((await one(log, put('a', 2, { ifVersion: applied.version }))).outcome, 'applied');
      });

      each('a step that cannot be written is refused whole, and the log goes on', async () => {
        if (probe.failNextStep === undefined) return;
        await one(log, put('a', 1));
        const seen: Change[] = [];
        log.view.onDurable((changes) => seen.push(...changes));
        probe.failNextStep();
        const progress = { source: 's', sourcePartition: '0', expected: null, next: '1' };
        assert.equal(await code(submit(log, [put('a', 2), put('b', 1)], { progress })), 'storage-full');
        assert.deepEqual([valueOf(log, 'a'), log.view.get('b'), seen.length], [1, undefined, 0]);
        assert.equal(log.state().isReady, false);
        await submit(log, [put('a', 3)], { progress });
        assert.equal(valueOf(log, 'a'), 3);
        assert.equal(log.state().isReady, true);
      });

      each(
        'new keys are refused beyond storeBytesMax; known ones still change, and room is made by removing',
        async () => {
          await log.close();
          log = await probe.open((defaults) => ({
            ...defaults,
            limits: { ...defaults.limits, storeBytesMax: 3000 },
            history: { ...defaults.history, changesMax: 1 },
          }));
          const outcomes: Outcome[] = [];
          for (let index = 0; index < 20; index += 1) outcomes.push(await one(log, put(`k${index}`, 'x'.repeat(200))));
          const refused = outcomes.find((outcome) => outcome.outcome === 'refused');
          assert.equal(refused?.outcome === 'refused' && refused.code, 'store-full');
          assert.equal((await one(log, put('k0', 'y'))).outcome, 'applied');
        },
      );

      each('what comes after close is refused, what came before is finished', async () => {
        const writes = Array.from({ length: 20 }, (_, index) => one(log, put(`k${index}`, index)));
        const closed = log.close();
        assert.equal(await code(submit(log, [put('late', 1)])), 'closing');
        assert.ok((await Promise.all(writes)).every((outcome) => outcome.outcome === 'applied'));
        await closed;
      });

      each('too much waiting is refused as overload, and nothing of it is kept', async () => {
        await log.close();
        log = await probe.open((defaults) => ({ ...defaults, limits: { ...defaults.limits, pendingCommandsMax: 10 } }));
        const results = await Promise.all(
          Array.from({ length: 30 }, (_, index) => code(submit(log, [put(`k${index}`, index)]))),
        );
        assert.equal(results.filter((result) => result === 'none').length, 10);
        assert.equal(results.filter((result) => result === 'overloaded').length, 20);
        assert.equal(log.view.counts().keys, 10);
      });
    });

    describe('the view', () => {
      each('reaches a position as soon as it is durable, or says that it did not', async () => {
        const head = log.view.head(0);
        const ahead = { epoch: log.view.epochs.current, components: [{ offset: head + 1 }] };
        const reached = log.view.reach(ahead, 5000);
        await one(log, put('a', 1));
        await reached;
        const never = { epoch: log.view.epochs.current, components: [{ offset: head + 100 }] };
        assert.equal(await code(log.view.reach(never, 1)), 'position-ahead');
      });

      each('holds every change of the window, and the last one of each key behind it', async () => {
        await log.close();
        log = await probe.open((defaults) => ({ ...defaults, history: { ...defaults.history, changesMax: 20 } }));
        for (let index = 0; index < 60; index += 1) await one(log, put(`k${index % 7}`, index));
        await one(log, put('only', 'x'));
        for (let index = 0; index < 60; index += 1) await one(log, put(`k${index % 7}`, index));
        const head = log.view.head(0);
        const floor = log.view.historyFloor(0);
        assert.ok(head - floor <= 21 && head - floor >= 19, `floor ${floor}, head ${head}`);
        const options = { until: head, changesMax: 1000, bytesMax: 1e9, skipSuperseded: false, skipRemoves: false };
        const window = log.view.scan(0, floor, options);
        assert.equal(window.changes.length, head - floor);
        assert.equal(window.reached, head);
        const whole = log.view.scan(0, 0, { ...options, skipSuperseded: true });
        assert.deepEqual(whole.changes.map(({ key }) => key).sort(), [
          'k0',
          'k1',
          'k2',
          'k3',
          'k4',
          'k5',
          'k6',
          'only',
        ]);
        assert.ok(log.view.chain('k0', 0, 100).length <= 5);
      });

      each('lists live entries in key order, by prefix and pattern, page by page', async () => {
        await submit(
          log,
          Array.from({ length: 30 }, (_, index) =>
            put(`${index % 2 ? 'odd' : 'even'}.${String(index).padStart(2, '0')}`, index),
          ),
        );
        await one(log, { op: 'remove', key: 'odd.01' });
        await one(log, put('odd.gone', 1, { ttlMicros: SECOND }));
        probe.clock.advance(1001);
        const keys: string[] = [];
        let after: string | undefined;
        do {
          const page = log.view.list({ prefix: 'odd.', limit: 4, ...(after === undefined ? {} : { after }) });
          keys.push(...page.entries.map(({ key }) => key));
          after = page.next;
        } while (after !== undefined);
        assert.deepEqual(
          keys,
          Array.from({ length: 14 }, (_, index) => `odd.${String(index * 2 + 3).padStart(2, '0')}`),
        );
        assert.deepEqual(
          log.view.list({ pattern: 'even.?4', limit: 10 }).entries.map(({ key }) => key),
          ['even.04', 'even.14', 'even.24'],
        );
      });
    });
  });
}
