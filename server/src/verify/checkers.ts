/**
 * The guarantees as functions over a recorded history. Each answers with its violations; none at all is the promise kept.
 */
import type { Position } from '@latchkey/client';
import { gapsOf } from './gap-free.ts';
import type { History, Sight, Violation, WatchHistory } from './history.ts';
import { lastOffset, segmentsOf, show } from './segment.ts';

export type Checker = (history: History) => readonly Violation[];

const placeOf = (sight: Sight) => `${sight.partition}-${sight.offset}`;
const isSame = (one: Sight, other: Sight) =>
  one.key === other.key && one.op === other.op && one.content === other.content && one.epoch === other.epoch;

function perWatch(guarantee: string, check: (watch: WatchHistory, history: History) => readonly string[]): Checker {
  return (history) =>
    history.watches.flatMap((watch) =>
      check(watch, history).map((message) => ({ guarantee, to: watch.name, message })),
    );
}

const placesOf = ({ log }: History): ReadonlyMap<string, Sight> => new Map(log.map((sight) => [placeOf(sight), sight]));

function missingFromLog(log: ReadonlyMap<string, Sight>, sights: readonly Sight[]): readonly string[] {
  return sights.flatMap((sight) => {
    const kept = log.get(placeOf(sight));
    if (kept === undefined) return [`${show(sight)} is not in the log`];
    return isSame(kept, sight) ? [] : [`${show(sight)} became ${show(kept)} in the log`];
  });
}

/** Every acknowledged write is in the log, in its place, unchanged; and no entry is older than an acknowledged write of its key. */
export const NoLostAck: Checker = (history) => {
  const log = placesOf(history);
  const violations = history.acks.flatMap((ack) =>
    missingFromLog(log, [ack]).map((message) => ({ guarantee: 'NoLostAck', to: ack.writer, message })),
  );
  const last = new Map(history.log.map((sight) => [sight.key, sight]));
  for (const key of new Set(history.acks.map((ack) => ack.key))) {
    const expected = last.get(key)?.content;
    const found = history.entries.get(key);
    if (expected !== found) {
      const message = `entry ${key} is ${found ?? 'absent'}, but its last change in the log says ${expected ?? 'absent'}`;
      violations.push({ guarantee: 'NoLostAck', to: key, message });
    }
  }
  return violations;
};

/** A write that was sent after another one was acknowledged has the greater offset of the two (in the same partition). */
export const RealTime: Checker = ({ acks }) => {
  const bySent = [...acks].sort((one, other) => one.sentAt - other.sentAt);
  const byAcked = [...acks].sort((one, other) => one.ackedAt - other.ackedAt);
  const highest = new Map<number, Sight>();
  const violations: Violation[] = [];
  let next = 0;
  for (const ack of bySent) {
    for (; next < byAcked.length && (byAcked[next]?.ackedAt ?? 0) < ack.sentAt; next += 1) {
      const earlier = byAcked[next] as Sight;
      if (earlier.offset > (highest.get(earlier.partition)?.offset ?? 0)) highest.set(earlier.partition, earlier);
    }
    const before = highest.get(ack.partition);
    if (before !== undefined && before.offset >= ack.offset) {
      const message = `${show(ack)} was sent after ${show(before)} had been acknowledged`;
      violations.push({ guarantee: 'RealTime', to: ack.writer, message });
    }
  }
  return violations;
};

/** What a watcher or reader saw stays: it is in the log, in its place, unchanged. */
export const SeenStays: Checker = (history) => {
  const log = placesOf(history);
  const watched = perWatch('SeenStays', ({ observations }) =>
    missingFromLog(
      log,
      observations.flatMap((each) => (each.kind === 'change' ? [each.sight] : [])),
    ),
  );
  const read = missingFromLog(log, history.reads);
  return [...watched(history), ...read.map((message) => ({ guarantee: 'SeenStays', to: 'reader', message }))];
};

/** Offsets strictly increase per partition over a watch and its resumes, until `reset`. */
export const Ordered: Checker = perWatch('Ordered', (watch) =>
  segmentsOf(watch).flatMap(({ deliveries }) => {
    const last = new Map<number, Sight>();
    return deliveries.flatMap(({ sight }) => {
      const before = last.get(sight.partition);
      last.set(sight.partition, sight);
      return before !== undefined && before.offset > sight.offset ? [`${show(sight)} came after ${show(before)}`] : [];
    });
  }),
);

/** No (partition, offset) comes twice, until `reset`. */
export const Unique: Checker = perWatch('Unique', (watch) =>
  segmentsOf(watch).flatMap(({ deliveries }) => {
    const seen = new Set<string>();
    return deliveries.flatMap(({ sight }) => {
      const isRepeat = seen.has(placeOf(sight));
      seen.add(placeOf(sight));
      return isRepeat ? [`${show(sight)} came twice`] : [];
    });
  }),
);

/** Only what the filter matches comes. */
export const Filtered: Checker = perWatch('Filtered', (watch) =>
  watch.observations.flatMap((each) =>
    each.kind === 'change' && !watch.matches(each.sight.key) ? [`${show(each.sight)} does not match the filter`] : [],
  ),
);

/** After position P nothing at or before P comes, until `reset`. */
export const Bookmarked: Checker = perWatch('Bookmarked', (watch) => {
  const faults: string[] = [];
  let reached: Position | undefined;
  for (const each of watch.observations) {
    if (each.kind === 'reset') reached = each.position;
    else if (each.kind === 'change') {
      const mark = reached?.components[each.sight.partition]?.offset ?? 0;
      if (each.sight.offset <= mark) faults.push(`${show(each.sight)} came after position ${mark}`);
      reached = each.position ?? reached;
    } else if ('position' in each) reached = each.position;
  }
  return faults;
});

/**
 * Every matching change between two positions was delivered, or lies in a range announced as snapshot or `conflated`, and then
 * the last change per key of that range, or a later one of that key, was delivered.
 */
export const GapFree: Checker = perWatch('GapFree', (watch, { log }) => {
  const matching = log.filter(({ key }) => watch.matches(key));
  return segmentsOf(watch).flatMap((segment) => gapsOf(segment, matching));
});

/**
 * A watch that comes back with its position goes on from there: no `reset`, and `opened` names what was asked for. With
 * `mayConflate`, where others write too, it may have been away for longer than the log keeps every change.
 */
export const makeResumable = ({ mayConflate }: { readonly mayConflate: boolean }): Checker =>
  perWatch('Resumable', (watch) => {
    const faults: string[] = [];
    let from: Position | undefined;
    for (const each of watch.observations) {
      if (each.kind === 'connected') from = each.from;
      else if (from === undefined) continue;
      else if (each.kind === 'reset') faults.push(`resuming from ${show(from)} was answered with reset`);
      else if (each.kind === 'conflated' && !mayConflate) faults.push(`resuming from ${show(from)} was conflated`);
      else if (each.kind === 'opened') {
        const [asked, opened] = [lastOffset(from), lastOffset(each.position)];
        if (asked !== opened) faults.push(`resuming from ${show(from)} opened at ${show(each.position)}`);
      }
    }
    return faults;
  });

export const Resumable: Checker = makeResumable({ mayConflate: false });

/** When writes have stopped, folding the stream gives the entries. */
export const Converged: Checker = perWatch('Converged', (watch, { entries }) => {
  const folded = new Map<string, string>();
  for (const each of watch.observations) {
    if (each.kind === 'reset') folded.clear();
    if (each.kind !== 'change') continue;
    if (each.sight.content === undefined) folded.delete(each.sight.key);
    else folded.set(each.sight.key, each.sight.content);
  }
  const keys = new Set([...folded.keys(), ...[...entries.keys()].filter(watch.matches)]);
  return [...keys]
    .filter((key) => folded.get(key) !== entries.get(key))
    .map((key) => `${key} folds to ${folded.get(key) ?? 'absent'}, but the entry is ${entries.get(key) ?? 'absent'}`);
});

export const CHECKERS = {
  NoLostAck,
  RealTime,
  SeenStays,
  Ordered,
  Unique,
  Filtered,
  Bookmarked,
  GapFree,
  Resumable,
  Converged,
} as const satisfies Record<string, Checker>;

export type CheckerName = keyof typeof CHECKERS;

/** All violations of all guarantees. */
export function check(history: History): readonly Violation[] {
  return Object.values(CHECKERS).flatMap((checker) => checker(history));
}
