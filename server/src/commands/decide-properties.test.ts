import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isLive } from '../shared/change.ts';
import type { KeyCommand, WriteOptions } from './command.ts';
import { at, EPOCH, expire, merge, put, ReferenceLog, remove, SECOND } from './reference-log.fixture.ts';

// fast-check prints the seed and the shrunk history of a failure; `{ seed, path }` beside numRuns plays it again.
const RUNS = { numRuns: 300 };

const key = fc.constantFrom('a', 'b');
const json = fc.constantFrom('1', '1.0', '"x"', '{"x":1}', '{"x":1,"y":{"z":2}}', '[]');
const patch = fc.constantFrom('{}', '{"x":1}', '{"x":2}', '{"x":null}', '{"y":{"z":null,"n":3}}', '{"y":"s"}');
const ttlMicros = fc.option(fc.constantFrom(SECOND / 2, 2 * SECOND, 60 * SECOND), { nil: undefined });

/** A fact about a key, before its sender gives it a time. */
type Fact = (options: WriteOptions) => KeyCommand;
const putFact = fc.tuple(key, json).map(
  ([k, value]): Fact =>
    (options) =>
      put(k, value, options),
);
const mergeFact = fc.tuple(key, patch).map(
  ([k, text]): Fact =>
    (options) =>
      merge(k, text, options),
);
const removeFact = key.map(
  (k): Fact =>
    ({ updated }) =>
      remove(k, updated === undefined ? {} : { updated }),
);

/** Facts with times that are all different, in any order of arrival. */
function distinct(fact: fc.Arbitrary<Fact>): fc.Arbitrary<readonly KeyCommand[]> {
  const timed = fc
    .array(fc.tuple(fact, ttlMicros), { minLength: 1, maxLength: 12 })
    .map((facts) =>
      facts.map(([make, ttl], index) =>
        make({ updated: at(index / 10), ...(ttl === undefined ? {} : { ttlMicros: ttl }) }),
      ),
    );
  return timed.chain((commands) => fc.shuffledSubarray(commands, { minLength: commands.length }));
}

const anyCommand: fc.Arbitrary<KeyCommand> = fc.oneof(
  fc
    .record({
      fact: fc.oneof(putFact, mergeFact, removeFact),
      seconds: fc.option(fc.integer({ min: -3, max: 5 }), { nil: undefined }),
      ttl: ttlMicros,
      valid: fc.option(fc.integer({ min: -1, max: 5 }), { nil: undefined }),
      flags: fc.subarray([
        'ifAbsent',
        'ifPresent',
        'keepExpiry',
        'returnPrevious',
        'acceptLate',
        'recordEqual',
      ] as const),
      offset: fc.option(fc.nat(12), { nil: undefined }),
    })
    .map(({ fact, flags, offset, seconds, ttl, valid }) =>
      fact({
        ...(seconds === undefined ? {} : { updated: at(seconds) }),
        ...(valid === undefined ? {} : { valid: at(valid) }),
        ...(ttl === undefined ? {} : { ttlMicros: ttl }),
        ...(offset === undefined ? {} : { ifVersion: { epoch: EPOCH, partition: 0, offset } }),
        ...Object.fromEntries(flags.map((flag) => [flag, true])),
      }),
    ),
  fc.tuple(key, fc.constantFrom(null, 1, 30)).map(([k, seconds]) => expire(k, seconds)),
  key.map((k): KeyCommand => ({ op: 'read', key: k })),
  fc.tuple(key, fc.option(json, { nil: undefined })).map(
    ([k, data]): KeyCommand => ({
      op: 'observe',
      key: k,
      found: data === undefined ? undefined : { kind: 'json', data },
    }),
  ),
);

/** Commands with the seconds by which the log's clock moves before each. */
function history(command: fc.Arbitrary<KeyCommand>, step: fc.Arbitrary<number>) {
  return fc.array(fc.tuple(step, command), { minLength: 1, maxLength: 25 });
}

test('puts and removes with distinct times converge in any order, on the latest of each key', () => {
  const timeless = distinct(fc.oneof(putFact, removeFact)).map((commands) =>
    commands.map((command) => (command.op === 'put' ? { ...command, ttlMicros: undefined } : command) as KeyCommand),
  );
  const orders = timeless.chain((one) =>
    fc.tuple(fc.constant(one), fc.shuffledSubarray([...one], { minLength: one.length })),
  );
  fc.assert(
    fc.property(orders, ([one, other]) => {
      const logs = [new ReferenceLog(), new ReferenceLog()] as const;
      logs[0].submit(...one);
      for (const command of other) {
        logs[1].now += SECOND / 3;
        logs[1].submit(command);
      }
      assert.deepEqual(logs[0].facts(), logs[1].facts());
      for (const entry of logs[0].entries.values()) {
        const times = one.map((command) =>
          command.key === entry.key && 'updated' in command ? (command.updated?.micros ?? 0) : 0,
        );
        assert.equal(entry.updated.micros, Math.max(...times));
      }
    }),
    RUNS,
  );
});

test('replaying any suffix changes nothing, whatever has expired or become stale meanwhile', () => {
  const commands = distinct(fc.oneof(putFact, mergeFact, removeFact));
  fc.assert(
    fc.property(commands, fc.nat(), fc.constantFrom(0, 1, 3, 100), (sent, from, pause) => {
      const log = new ReferenceLog();
      for (const command of sent) {
        log.now += SECOND / 4;
        log.submit(command);
      }
      log.now += pause * SECOND;
      log.tick();
      const { length } = log.changes;
      log.submit(...sent.slice(from % sent.length));
      assert.deepEqual(log.changes.slice(length), []);
    }),
    RUNS,
  );
});

test('replaying a suffix with equal timestamps ends where it ended before', () => {
  const moment = fc.integer({ min: 0, max: 2 });
  const command = fc
    .tuple(fc.oneof(putFact, removeFact), moment)
    .map(([fact, second]) => fact({ updated: at(second) }));
  fc.assert(
    fc.property(fc.array(command, { minLength: 1, maxLength: 12 }), fc.nat(), (sent, from) => {
      const log = new ReferenceLog();
      log.submit(...sent);
      const before = log.facts();
      log.submit(...sent.slice(from % sent.length));
      assert.deepEqual(log.facts(), before);
    }),
    RUNS,
  );
});

test('however the clock jumps, a command without a time takes effect', () => {
  const jumps = fc.integer({ min: -100_000, max: 100_000 });
  fc.assert(
    fc.property(
      history(
        fc.oneof(putFact, removeFact).map((fact) => fact({})),
        jumps,
      ),
      (steps) => {
        const log = new ReferenceLog();
        for (const [jump, command] of steps) {
          log.now += jump * SECOND;
          const { outcome } = log.submit(command);
          assert.notEqual(outcome, 'late');
          if (command.op === 'put') assert.equal(outcome, 'applied');
          assert.equal(log.value(command.key), command.op === 'put' ? command.value.data : undefined);
        }
      },
    ),
    RUNS,
  );
});

test('any history keeps the promises of changes and outcomes', () => {
  const forward = fc.constantFrom(0, 0, 0.3, 1, 40);
  fc.assert(
    fc.property(history(anyCommand, forward), (steps) => {
      const log = new ReferenceLog();
      for (const [step, command] of steps) {
        log.now += step * SECOND;
        const before = log.entries.get(command.key);
        const { length } = log.changes;
        const told = log.submit(command);
        const made = log.changes.slice(length);
        const own = made.filter(({ reason }) => reason !== 'expired');
        assert.equal(own.length, told.outcome === 'applied' ? 1 : 0, told.outcome);
        assert.ok(made.length - own.length <= 1 && (made.length < 2 || made[0]?.reason === 'expired'));
        if (made.length > own.length) assert.ok(before !== undefined && !isLive(before, log.now));
        if (told.outcome === 'value' || told.outcome === 'conflict') {
          assert.ok('entry' in told && (told.entry === undefined || isLive(told.entry, log.now)));
        }
        if ('version' in told && told.version !== undefined) {
          assert.equal(told.version.offset, log.entries.get(command.key)?.offset);
        }
        if (!('acceptLate' in command) && before !== undefined) {
          assert.ok(log.entry(command.key).updated.micros >= before.updated.micros, 'time goes forward');
        }
      }
      for (const change of log.changes) {
        assert.equal(change.value === undefined, change.op === 'remove');
        assert.equal(change.reason !== undefined, change.op === 'remove');
        assert.ok(change.op === 'stale' ? change.valueOffset < change.offset : change.valueOffset === change.offset);
        assert.equal(
          log.changes.findLast(({ key: k, offset }) => k === change.key && offset < change.offset)?.offset ?? 0,
          change.previous,
        );
      }
    }),
    { numRuns: 1000 },
  );
});

test('what is due is done once: a second tick at the same moment finds nothing', () => {
  fc.assert(
    fc.property(history(anyCommand, fc.constantFrom(0, 0.3, 1)), fc.nat(60), (steps, pause) => {
      const log = new ReferenceLog();
      for (const [, command] of steps) log.submit(command);
      log.now += pause * SECOND;
      log.tick();
      assert.deepEqual(log.tick(), []);
      for (const entry of log.entries.values()) assert.ok(entry.op === 'remove' || isLive(entry, log.now));
    }),
    RUNS,
  );
});

test('of those who write on one version only the first wins', () => {
  fc.assert(
    fc.property(history(anyCommand, fc.constant(0)), fc.integer({ min: 2, max: 5 }), (steps, writers) => {
      const log = new ReferenceLog();
      for (const [, command] of steps) log.submit(command);
      log.submit(put('a', '"mine"'));
      const ifVersion = log.versionOf(log.entry('a'));
      const outcomes = Array.from(
        { length: writers },
        (_, index) => log.submit(put('a', `${index}`, { ifVersion })).outcome,
      );
      assert.deepEqual(outcomes, ['applied', ...Array.from({ length: writers - 1 }, () => 'conflict')]);
    }),
    RUNS,
  );
});

test('observing what the log itself wrote cuts the loop', () => {
  fc.assert(
    fc.property(history(anyCommand, fc.constantFrom(0, 0.3, 1)), (steps) => {
      const log = new ReferenceLog();
      for (const [step, command] of steps) {
        log.now += step * SECOND;
        log.submit(command);
      }
      log.tick();
      const { length } = log.changes;
      for (const { expires, key: k, value } of [...log.entries.values()]) {
        const found = { op: 'observe', key: k, found: value, ...(expires === undefined ? {} : { expires }) } as const;
        assert.equal(log.submit(found).outcome, 'duplicate');
      }
      assert.equal(log.changes.length, length);
    }),
    RUNS,
  );
});

test('nothing that was handed in is changed', () => {
  fc.assert(
    fc.property(history(anyCommand, fc.constantFrom(0, 1)), (steps) => {
      const log = new ReferenceLog();
      for (const [step, command] of steps) {
        log.now += step * SECOND;
        log.submit(Object.freeze(command));
        for (const change of log.changes) Object.freeze(change);
      }
    }),
    RUNS,
  );
});
