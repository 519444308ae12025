// The checkers that need to know what was asked for or done: each is shown what breaks it, and what comes near and does not.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { Outcome } from '@latchkey/client';
import { fakeServer, json } from '../../server/src/cli/fake-server.fixture.ts';
import { sight } from '../../server/src/verify/history.fixture.ts';
import type { Sight, Violation } from '../../server/src/verify/history.ts';
import { type Scope, temporaryFolder } from '../support/server-process.ts';
import { compareWithServer, readJournal } from './journal.ts';
import { appliedOnce, progressExact, writtenOnce } from './once-checkers.ts';
import { checkOutcomes } from './outcome-checkers.ts';
import { Random } from './random.ts';
import { type Keyed, Recorder, type Write } from './recorder.ts';
import { Pace, ServerTarget } from './target.ts';
import { WatchRecord } from './watch-record.ts';

const namesOf = (violations: readonly Violation[]) => [...new Set(violations.map(({ guarantee }) => guarantee))];

/** What the outcome checkers say of one write that was applied with that offset. */
function judged(write: Write, offset: number, log: readonly Sight[], more: object = {}): readonly string[] {
  const recorder = new Recorder();
  const outcome = { outcome: 'applied', version: `aaaa.${offset}`, ...more } as Outcome;
  recorder.outcome('writer', write, recorder.tick(), 0, outcome);
  return namesOf(checkOutcomes(recorder, log));
}

describe('the checkers of outcomes', () => {
  test('MergeExact finds a merge that lost a field, and an expire that changed a value', () => {
    const merge: Write = { op: 'merge', key: 'a', value: { y: 2, z: null } };
    const before = sight(1, 'a', '{"x":1,"z":3}');
    assert.deepEqual(judged(merge, 2, [before, sight(2, 'a', '{"y":2}')]), ['MergeExact']);
    assert.deepEqual(judged(merge, 2, [before, sight(2, 'a', '{"x":1,"y":2,"z":null}')]), ['MergeExact']);
    assert.deepEqual(judged(merge, 2, [before, sight(2, 'a', '{"y":2,"x":1}')]), []);
    assert.deepEqual(judged(merge, 2, [sight(1, 'a', '7'), sight(2, 'a', '{"y":2}')]), [], 'on what is no object');
    const expire: Write = { op: 'expire', key: 'a', ttl: 1 };
    assert.deepEqual(judged(expire, 2, [sight(1, 'a', '1'), sight(2, 'a', '2')]), ['MergeExact']);
    assert.deepEqual(judged(expire, 2, [sight(1, 'a', '1'), sight(2, 'a', '1')]), []);
  });

  test('ConditionHeld finds a put over what its condition excludes', () => {
    const absent: Write = { op: 'put', key: 'a', value: 2, ifAbsent: true };
    const [one, two] = [sight(1, 'a', '1'), sight(3, 'a', '2')];
    assert.deepEqual(judged(absent, 3, [one, two]), ['ConditionHeld']);
    assert.deepEqual(judged(absent, 3, [one, sight(2, 'a'), two]), []);
    const version: Write = { op: 'put', key: 'a', value: 2, ifVersion: 'aaaa.1' };
    assert.deepEqual(judged(version, 3, [one, sight(2, 'a', '9'), two]), ['ConditionHeld']);
    assert.deepEqual(
      judged(version, 3, [one, { ...sight(2, 'a', '1'), op: 'stale' }, two]),
      [],
      'stale is no new value',
    );
    assert.deepEqual(judged(version, 3, [one, sight(2, 'b', '9'), two]), []);
  });

  test('RemovalKept finds a key that is said to have gone and did not', () => {
    const all: Write = { op: 'removeMatching', pattern: 'a*' };
    const log = [sight(1, 'a1', '1'), sight(2, 'a2', '2'), sight(3, 'a1')];
    assert.deepEqual(judged(all, 4, log, { keys: ['a1', 'a2'] }), ['RemovalKept']);
    assert.deepEqual(judged(all, 4, [...log, sight(4, 'a2')], { keys: ['a1', 'a2'] }), []);
    assert.deepEqual(
      judged(all, 3, [...log, sight(4, 'a2')], { keys: ['a1', 'a2'] }),
      ['RemovalKept'],
      'later, by another',
    );
  });

  test('ReadReaches finds what is older than was asked for, and what is gone though nobody removed it', () => {
    const log = [sight(1, 'a', '1'), sight(2, 'a', '2'), sight(3, 'b', '1'), sight(4, 'b')];
    const found = (
      key: string,
      offset: number,
      at: number,
      isAbsent: boolean,
      expiring: ReadonlySet<number> = new Set(),
    ) => {
      const recorder = new Recorder();
      const written = { ...sight(offset, key, '1'), writer: 'writer', sentAt: 1, ackedAt: 2 };
      recorder.shown({ reader: 'reader', written, at, isAbsent });
      return namesOf(checkOutcomes(recorder, log, expiring));
    };
    assert.deepEqual(found('a', 2, 1, false), ['ReadReaches']);
    assert.deepEqual(found('a', 1, 2, false), []);
    assert.deepEqual(found('a', 2, 3, true), ['ReadReaches']);
    assert.deepEqual(found('a', 2, 3, true, new Set([2])), [], 'its expiry passed there');
    assert.deepEqual(found('b', 3, 4, true), []);
  });

  test('RefusedIsNothing finds what was refused and written all the same', () => {
    const recorder = new Recorder();
    recorder.refusal('writer', { op: 'put', key: 'a', value: 'no' }, 'storage-full');
    assert.deepEqual(namesOf(checkOutcomes(recorder, [sight(1, 'a', '"no"')])), ['RefusedIsNothing']);
    assert.deepEqual(checkOutcomes(recorder, [sight(1, 'a', '"yes"')]), []);
  });
});

describe('the checkers of what happens once', () => {
  const keyed = (more: Partial<Keyed>): Keyed => ({
    ...{ writer: 'writer', idempotencyKey: 'k', content: '1', answers: ['applied aaaa.1'], others: [] },
    ...more,
  });
  const ONCE = [sight(1, 'a', '1')];

  test('AppliedOnce finds a second change, another answer, and another value under the same key', () => {
    const found = (what: Keyed, log: readonly Sight[]) => appliedOnce([what], log).map(({ message }) => message);
    assert.deepEqual(found(keyed({}), ONCE), []);
    assert.match(String(found(keyed({}), [...ONCE, sight(2, 'a', '1')])), /applied 2 times, as aaaa\.1 and aaaa\.2/);
    assert.deepEqual(found(keyed({}), [...ONCE, { ...sight(2, 'a', '1'), op: 'stale' }]), []);
    const twice = keyed({ answers: ['applied aaaa.1', 'duplicate aaaa.1'] });
    assert.match(String(found(twice, ONCE)), /answered applied aaaa\.1, and then duplicate aaaa\.1/);
    assert.match(String(found(keyed({}), [])), /is not there/);
    assert.match(String(found(keyed({ answers: ['conflict'] }), ONCE)), /answered conflict, but is in the log/);
    assert.deepEqual(found(keyed({ answers: [] }), ONCE), [], 'never answered: it may be there once');
    const other = { content: '2', answer: 'idempotency-mismatch' };
    assert.deepEqual(found(keyed({ others: [other] }), ONCE), []);
    assert.match(String(found(keyed({ others: [{ ...other, answer: 'applied aaaa.2' }] }), ONCE)), /another value/);
    assert.match(String(found(keyed({ others: [other] }), [...ONCE, sight(2, 'a', '2')])), /which is in the log/);
  });

  test('AppliedOnce finds a text that was put and came again after another value of its key', () => {
    const [put, other] = [sight(1, 'a', '"w-1"'), sight(2, 'a', '"w-2"')];
    assert.deepEqual(namesOf(writtenOnce([put, other, sight(3, 'a', '"w-1"')])), ['AppliedOnce']);
    assert.deepEqual(namesOf(writtenOnce([put, sight(2, 'a'), sight(3, 'a', '"w-1"')])), ['AppliedOnce']);
    assert.deepEqual(writtenOnce([put, sight(2, 'a', '"w-1"'), other]), [], 'an expiry was set');
    assert.deepEqual(writtenOnce([put, other, { ...sight(3, 'a', '"w-2"'), op: 'stale' }, sight(4, 'b', '"w-1"')]), []);
  });

  test('ProgressExact finds a row twice, a row missing, and rows beyond the progress', () => {
    const row = (offset: number, n: number) => sight(offset, 'a.src0', JSON.stringify(`row ${n}...`));
    const found = (log: readonly Sight[], progress: string | null) =>
      progressExact(log, progress).map(({ message }) => message);
    assert.deepEqual(found([row(1, 0), sight(2, 'b', '"row"'), row(3, 1)], '2'), []);
    assert.deepEqual(found([], null), []);
    assert.deepEqual(found([row(1, 0), row(2, 1), row(3, 1)], '2'), ['row 1 came again, as aaaa.3']);
    assert.deepEqual(found([row(1, 0), row(2, 2)], '3'), ['rows 1 to 1 are missing before aaaa.2']);
    assert.deepEqual(found([row(1, 0), row(2, 1)], '1'), ['the log has rows up to 2, its progress says 1']);
    assert.deepEqual(found([row(1, 0)], '2'), ['the log has rows up to 1, its progress says 2']);
  });
});

describe('the journal', () => {
  const line = (offset: number, value: unknown, previous = offset - 1) =>
    `${JSON.stringify({ previous, change: { op: 'put', key: 'a', value, version: `aaaa.${offset}` } })}\n`;
  const gone = `${JSON.stringify({ previous: 1, change: { op: 'remove', key: 'a', version: 'aaaa.2' } })}\n`;
  const judge = (scope: Scope, ...lines: readonly string[]) => {
    const path = join(temporaryFolder(scope), 'journal.ndjson');
    writeFileSync(path, lines.join(''));
    return namesOf(readJournal(path).violations);
  };

  test('shows DurableStays broken where an offset comes again', (t) => {
    assert.deepEqual(judge(t, line(1, 1), line(2, 2), line(2, 3, 2)), ['DurableStays']);
    assert.deepEqual(judge(t, line(1, 1), line(2, 2), line(3, 3)), []);
  });

  test('shows ChainExact broken where there is a hole, or a change names another than the one before it', (t) => {
    assert.deepEqual(judge(t, line(1, 1), line(3, 3, 1)), ['ChainExact']);
    assert.deepEqual(judge(t, line(1, 1), line(2, 2, 0)), ['ChainExact']);
    assert.deepEqual(judge(t, line(1, 1), gone, line(3, 3, 0)), [], 'its tombstone was collected');
  });

  test('is held against the log: what became another change, or is gone as the last of its key', async (t) => {
    const judge = async (changes: readonly object[]) => {
      const { url } = await fakeServer(t, (_, response) => json(response, { changes }));
      return namesOf(await compareWithServer(url, [sight(1, 'a', '1'), sight(2, 'a', '2')], ['a'], 'aaaa.2'));
    };
    const change = (offset: number, value: unknown) => ({ op: 'put', key: 'a', value, version: `aaaa.${offset}` });
    assert.deepEqual(await judge([change(1, 1), change(2, 'other')]), ['DurableStays']);
    assert.deepEqual(await judge([change(1, 1)]), ['DurableStays']);
    assert.deepEqual(await judge([change(2, 2)]), [], 'what was superseded may go');
  });
});

describe('what only the actors can see', () => {
  test('NothingBeforeFlush finds an offset beyond the one that a held flush left', () => {
    const recorder = new Recorder();
    recorder.heldAt = 5;
    recorder.saw('watcher', 5);
    assert.deepEqual(recorder.violations, []);
    recorder.saw('watcher', 6);
    assert.deepEqual(namesOf(recorder.violations), ['NothingBeforeFlush']);
    recorder.heldAt = undefined;
    recorder.saw('watcher', 7);
    assert.equal(recorder.violations.length, 1);
  });

  const change = { op: 'put', key: 'a', value: 1, version: 'aaaa.2' } as const;

  /** A watcher that has just come back with the position of another filter. */
  function switched(): { readonly recorder: Recorder; readonly record: WatchRecord } {
    const recorder = new Recorder();
    const [one, other] = [
      { filter: {}, matches: () => true },
      { filter: { keys: ['a'] }, matches: () => true },
    ];
    const record = new WatchRecord({
      ...one,
      name: 'watcher',
      target: new ServerTarget(new Random(1), new Pace()),
      recorder,
      others: [other],
    });
    record.connected();
    record.control('opened', { position: 'aaaa.1' });
    while (record.filter !== other.filter) record.connected();
    return { recorder, record };
  }

  test('FilterResets finds a position of another filter that is taken for its own', () => {
    const planted = switched();
    planted.record.change(change, 'aaaa.2');
    assert.deepEqual(namesOf(planted.recorder.violations), ['FilterResets']);
    const near = switched();
    near.record.control('reset', { reason: 'filter', position: 'aaaa.0' });
    near.record.change(change, 'aaaa.2');
    assert.deepEqual(near.recorder.violations, []);
  });

  test('ResetHasCause finds a reset that nothing called for, and one for the wrong reason', () => {
    const narrow = switched();
    narrow.record.control('reset', { reason: 'collected', position: 'aaaa.0' });
    assert.deepEqual(namesOf(narrow.recorder.violations), ['ResetHasCause'], 'a filter resets as such');
    const plain = switched();
    plain.record.control('reset', { reason: 'filter', position: 'aaaa.0' });
    plain.record.control('reset', { reason: 'epoch', position: 'bbbb.0' });
    assert.deepEqual(namesOf(plain.recorder.violations), ['ResetHasCause']);
  });
});
