// For every checker a history that breaks its promise and no other, and one that comes as near as may be and breaks none.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type CheckerName, check } from './checkers.ts';
import { conflated, connected, opened, progress, reset, seen, sight, synced } from './history.fixture.ts';
import type { Ack, History, Observation, Sight } from './history.ts';

interface Pair {
  readonly planted: History;
  readonly near: History;
}

const [A1, B2, A3, C4] = [sight(1, 'a', '1'), sight(2, 'b', '2'), sight(3, 'a', '3'), sight(4, 'c', '4')];
const LOG = [A1, B2, A3, C4];

function entriesOf(log: readonly Sight[]): ReadonlyMap<string, string> {
  const entries = new Map<string, string>();
  for (const { content, key } of log) {
    if (content === undefined) entries.delete(key);
    else entries.set(key, content);
  }
  return entries;
}

const acked = (what: Sight, sentAt: number, ackedAt: number): Ack => ({ ...what, writer: 'w', sentAt, ackedAt });
const written = (...acks: readonly Ack[]): History => ({
  acks,
  watches: [],
  reads: [],
  log: LOG,
  entries: entriesOf(LOG),
});

function watched(observations: readonly Observation[], more: Partial<History> & { except?: string } = {}): History {
  const { except, ...rest } = more;
  const matches = (key: string) => key !== except;
  const history = { ...written(), ...rest, watches: [{ name: 'watch', matches, observations }] };
  return { ...history, entries: rest.entries ?? entriesOf(history.log) };
}

const REMOVED_LOG = [A1, B2, sight(3, 'a')];
const START = [connected(), opened('aaaa.0')];

const PAIRS: Readonly<Record<CheckerName, Pair>> = {
  NoLostAck: {
    planted: written(acked(sight(5, 'd', '5'), 1, 2)),
    // The same write without an answer: it may be in the log or not.
    near: written(acked(C4, 1, 2)),
  },
  RealTime: {
    planted: written(acked(B2, 1, 2), acked(A1, 3, 4)),
    // Sent before the other one was acknowledged: either may come first.
    near: written(acked(B2, 2, 4), acked(A1, 3, 5)),
  },
  SeenStays: {
    planted: { ...written(), reads: [sight(3, 'a', 'never')] },
    near: { ...written(), reads: [A1, A3] },
  },
  Ordered: {
    planted: watched([...START, seen(B2), seen(A1), seen(A3), seen(C4)]),
    near: watched([...START, seen(A1), seen(B2), reset('aaaa.0'), seen(A1), seen(B2), seen(A3), seen(C4)]),
  },
  Unique: {
    planted: watched([...START, seen(A1), seen(B2), seen(B2), seen(A3), seen(C4)]),
    near: watched([...START, seen(A1), seen(B2), seen(sight(3, 'a', '1')), seen(C4)], {
      log: [A1, B2, sight(3, 'a', '1'), C4],
    }),
  },
  Filtered: {
    planted: watched([...START, seen(A1), seen(B2), seen(A3), seen(C4)], { except: 'b' }),
    near: watched([...START, seen(A1), seen(A3), seen(C4)], { except: 'b' }),
  },
  Bookmarked: {
    planted: watched([...START, seen(A1), seen(B2), progress('aaaa.3'), seen(A3), seen(C4)]),
    near: watched([...START, seen(A1), seen(B2), progress('aaaa.2'), seen(A3), seen(C4)]),
  },
  GapFree: {
    // Its key was written again, so that the entries come out right all the same.
    planted: watched([...START, seen(B2), seen(A3), seen(C4)]),
    near: watched([connected(), opened('aaaa.0~3', 'aaaa.3'), seen(B2), seen(A3), synced('aaaa.3'), seen(C4)]),
  },
  Resumable: {
    planted: watched([
      ...[...START, seen(A1), progress('aaaa.1'), connected('aaaa.1'), reset('aaaa.0')],
      ...[seen(A1), seen(B2), seen(A3), seen(C4)],
    ]),
    near: watched([
      ...[...START, seen(A1), progress('aaaa.1'), connected('aaaa.1'), opened('aaaa.1')],
      ...[seen(B2), seen(A3), seen(C4)],
    ]),
  },
  Converged: {
    // Up to where it was told, nothing is missing: but writes have stopped.
    planted: watched([...START, seen(A1), seen(B2), seen(A3)]),
    near: watched([...START, seen(A1), seen(B2), seen(A3)], { except: 'c' }),
  },
};

const namesOf = (history: History) => [...new Set(check(history).map(({ guarantee }) => guarantee))];

describe('a planted violation', () => {
  for (const [name, { near, planted }] of Object.entries(PAIRS)) {
    test(`of ${name} is found by it alone, and nothing where it is only nearly one`, () => {
      assert.deepEqual(namesOf(planted), [name]);
      assert.deepEqual(check(near), []);
    });
  }

  test('of Resumable is also a conflation that is told on resuming, and a place that is not the one asked for', () => {
    const cut = [...START, seen(B2), progress('aaaa.2'), connected('aaaa.2')];
    const told = [...cut, opened('aaaa.2'), conflated('aaaa.2', 'aaaa.4'), seen(C4)];
    assert.deepEqual(namesOf(watched(told, { except: 'a' })), ['Resumable']);
    assert.deepEqual(namesOf(watched([...cut, opened('aaaa.3'), seen(C4)], { except: 'a' })), ['Resumable']);
  });

  test('of GapFree is a remove that a conflated range keeps to itself, where its key had been shown', () => {
    const shown = [...START, seen(A1), conflated('aaaa.1', 'aaaa.3'), seen(B2), progress('aaaa.3')];
    const found = namesOf(watched(shown, { log: REMOVED_LOG }));
    assert.deepEqual(found, ['GapFree', 'Converged']);
    const neverShown = [connected(), opened('aaaa.0~3', 'aaaa.3'), seen(B2), synced('aaaa.3')];
    assert.deepEqual(namesOf(watched(neverShown, { log: REMOVED_LOG })), []);
  });

  test('is found in the partition in which it lies, and not by the offsets of another', () => {
    const inOne = (what: Sight): Sight => ({ ...what, partition: 1 });
    const log = [A1, B2, inOne(sight(1, 'x', '1')), inOne(sight(2, 'x', '2'))];
    const begin = [connected(), opened('aaaa.0-0,1-0')];
    const ends = progress('aaaa.0-2,1-2');
    const all = [...begin, seen(A1), ...log.slice(2).map(seen), seen(B2), ends];
    assert.deepEqual(namesOf(watched(all, { log })), []);
    assert.deepEqual(namesOf(watched([...begin, seen(A1), seen(B2), seen(log[3] as Sight), ends], { log })), [
      'GapFree',
    ]);
  });
});
