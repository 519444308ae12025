// Every checker is shown a history that keeps its promise and one with a planted violation: a checker that finds nothing proves nothing.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CHECKERS, check } from './checkers.ts';
import { at, connected, opened, sight, synced } from './history.fixture.ts';
import type { Ack, History, Observation, Sight } from './history.ts';

const LOG = [
  sight(1, 'a', '1'),
  sight(2, 'b', '2'),
  sight(3, 'a', '3'),
  sight(4, 'c', '4'),
  sight(5, 'b'),
  sight(6, 'a', '6'),
  sight(7, 'c', '7', 'bbbb'),
  sight(8, 'd', '8', 'bbbb'),
];
const logged = (offset: number) => LOG[offset - 1] as Sight;
const change = (offset: number, what: Sight = logged(offset)): Observation => ({
  kind: 'change',
  sight: what,
  position: at(`aaaa.${offset}`),
});
/** A snapshot up to 5 (offsets 1, 2 superseded, 5 a tombstone), live up to 6, a cut, and the rest. */
const WATCHED: readonly Observation[] = [
  connected(),
  opened('aaaa.0~5', 'aaaa.5'),
  { kind: 'change', sight: logged(3), position: at('aaaa.3~5') },
  { kind: 'change', sight: logged(4), position: at('aaaa.4~5') },
  synced('aaaa.5'),
  change(6),
  connected('aaaa.6'),
  opened('aaaa.6'),
  change(7),
  synced('aaaa.7'),
  change(8),
];

const acks: readonly Ack[] = LOG.map((each, index) => ({
  ...each,
  writer: 'w',
  sentAt: index * 2,
  ackedAt: index * 2 + 1,
}));

const KEPT: History = {
  acks,
  watches: [{ name: 'all', matches: () => true, observations: WATCHED }],
  reads: [logged(6)],
  log: LOG,
  entries: new Map([
    ['a', '6'],
    ['c', '7'],
    ['d', '8'],
  ]),
};

const watched = (observations: readonly Observation[], matches = (_: string) => true): History => ({
  ...KEPT,
  watches: [{ name: 'all', matches, observations }],
});
const without = (offset: number) => WATCHED.filter((each) => !(each.kind === 'change' && each.sight.offset === offset));

function assertFinds(guarantee: keyof typeof CHECKERS, history: History, expected: RegExp): void {
  const found = CHECKERS[guarantee](history);
  assert.equal(found.length, 1, JSON.stringify(found));
  assert.equal(found[0]?.guarantee, guarantee);
  assert.match(found[0]?.message ?? '', expected);
}

describe('the checkers', () => {
  test('find nothing in a history that keeps every promise', () => assert.deepEqual(check(KEPT), []));

  test('NoLostAck finds a write that is gone, one that changed, and an entry that is behind', () => {
    const gone = { ...KEPT, log: LOG.filter(({ offset }) => offset !== 3) };
    assertFinds('NoLostAck', gone, /put a@aaaa\.0-3=3 is not in the log/);
    const changed = { ...KEPT, log: LOG.map((each) => (each.offset === 3 ? { ...each, content: 'x' } : each)) };
    assertFinds('NoLostAck', changed, /became/);
    const behind = { ...KEPT, entries: new Map(KEPT.entries).set('a', '3') };
    assertFinds('NoLostAck', behind, /entry a is 3/);
    const risen = { ...KEPT, entries: new Map(KEPT.entries).set('b', '2') };
    assertFinds('NoLostAck', risen, /entry b is 2, .* absent/);
  });

  test('RealTime finds a later write with the smaller offset', () => {
    const swapped = acks.map((ack) => (ack.offset === 8 ? { ...ack, sentAt: 11.5 } : ack));
    assert.deepEqual(CHECKERS.RealTime({ ...KEPT, acks: swapped }), []);
    const late = acks.map((ack) => (ack.offset === 1 ? { ...ack, sentAt: 100, ackedAt: 101 } : ack));
    assertFinds('RealTime', { ...KEPT, acks: late }, /a@aaaa\.0-1=1 was sent after put d/);
  });

  test('SeenStays finds what was shown and lost, and an offset that was given twice', () => {
    const lost = { ...KEPT, log: LOG.slice(0, 7), acks: acks.slice(0, 7) };
    assertFinds('SeenStays', lost, /d@bbbb\.0-8=8 is not in the log/);
    const reused = { ...KEPT, reads: [sight(7, 'c', 'other', 'aaaa')] };
    assertFinds('SeenStays', reused, /c@aaaa\.0-7=other became put c@bbbb\.0-7=7/);
  });

  test('Ordered finds a step back, also across a resume', () => {
    assertFinds('Ordered', watched([opened('aaaa.0'), change(2), change(1)]), /a@.*0-1=1 came after put b/);
    const across = [opened('aaaa.0'), change(2), connected('aaaa.2'), opened('aaaa.2'), change(1)];
    assertFinds('Ordered', watched(across), /came after/);
    const reset: Observation = { kind: 'reset', position: at('aaaa.0'), snapshotTo: undefined };
    assert.deepEqual(CHECKERS.Ordered(watched([opened('aaaa.0'), change(2), reset, change(1)])), []);
  });

  test('Unique finds a repeat, also across a resume', () => {
    assertFinds('Unique', watched([...WATCHED, change(8)]), /came twice/);
    assertFinds('Unique', watched([...WATCHED, connected('aaaa.8'), opened('aaaa.8'), change(6)]), /came twice/);
  });

  test('Filtered finds a key that was not asked for', () => {
    const history = watched(WATCHED, (key) => key !== 'd');
    assertFinds('Filtered', history, /d@.* does not match/);
  });

  test('Bookmarked finds a change at or before a position that was announced', () => {
    const progress: Observation = { kind: 'progress', position: at('aaaa.4') };
    assertFinds('Bookmarked', watched([opened('aaaa.0'), progress, change(4)]), /came after position 4/);
  });

  test('GapFree finds a change that was left out live, between two connections, and at the end', () => {
    assertFinds('GapFree', watched(without(7)), /c@bbbb\.0-7=7 was not delivered/);
    assertFinds('GapFree', watched(without(6)), /a@aaaa\.0-6=6 was not delivered/);
    const progress: Observation = { kind: 'progress', position: at('bbbb.8') };
    assertFinds('GapFree', watched([...without(8), progress]), /d@bbbb\.0-8=8 was not delivered/);
  });

  test('GapFree finds the last change of a key that a snapshot left out', () => {
    const four = WATCHED.filter((each) => !(each.kind === 'change' && each.sight.key === 'c'));
    const upToFive = four.slice(0, four.findIndex(({ kind }) => kind === 'synced') + 1);
    assertFinds(
      'GapFree',
      { ...watched(upToFive), log: LOG.slice(0, 6) },
      /c@aaaa\.0-4=4 is the last of its key up to 5/,
    );
    assert.deepEqual(CHECKERS.GapFree(watched(without(4))), [], 'a later change of the key was delivered');
  });

  test('GapFree takes a conflated range with its last changes, and finds a tombstone missing from it', () => {
    const conflated: Observation = { kind: 'conflated', from: at('aaaa.2'), to: at('aaaa.6') };
    const start = [opened('aaaa.0'), change(1), change(2), connected('aaaa.2'), opened('aaaa.2'), conflated];
    assert.deepEqual(CHECKERS.GapFree(watched([...start, change(4), change(5), change(6)])), []);
    assertFinds('GapFree', watched([...start, change(4), change(6)]), /remove b@aaaa\.0-5 is the last/);
  });

  test('Resumable finds a reset, a conflation and an opening elsewhere', () => {
    const reset: Observation = { kind: 'reset', position: at('bbbb.0'), snapshotTo: at('bbbb.8') };
    assertFinds('Resumable', watched([connected('aaaa.6'), opened('aaaa.6'), reset]), /answered with reset/);
    assertFinds('Resumable', watched([connected('aaaa.6'), opened('aaaa.7')]), /aaaa\.6 opened at aaaa\.7/);
    const conflated: Observation = { kind: 'conflated', from: at('aaaa.6'), to: at('aaaa.8') };
    assertFinds('Resumable', watched([connected('aaaa.6'), opened('aaaa.6'), conflated]), /was conflated/);
    assert.deepEqual(CHECKERS.Resumable(watched([connected(), opened('aaaa.0'), reset])), []);
  });

  test('Converged finds a value, a key too many and a key too few', () => {
    assertFinds('Converged', watched(without(7)), /c folds to 4, but the entry is 7/);
    assertFinds('Converged', watched([...WATCHED, change(9, sight(9, 'e', '9'))]), /e folds to 9, .* absent/);
    assertFinds('Converged', watched(without(8)), /d folds to absent/);
  });
});
