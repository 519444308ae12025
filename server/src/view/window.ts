import type { Settings } from '../config/settings.ts';
import type { Change } from '../shared/change.ts';
import { afterMoment, momentOf } from './keys.ts';
import { whole } from './place.ts';
import type { RecentChanges } from './recent-changes.ts';
import { peekRecord } from './record.ts';
import type { DraftState, ViewState } from './state.ts';
import type { Store } from './store.ts';
import type { Placed } from './view.ts';

export interface WindowLimits {
  readonly changesMax: number;
  readonly bytesMax: number;
  readonly ageMaxMicros: number;
  readonly tombstoneAgeMaxMicros: number;
}

export function windowLimits(settings: Pick<Settings, 'history' | 'tombstones'>, partitions: number): WindowLimits {
  return {
    changesMax: Math.ceil(settings.history.changesMax / partitions),
    bytesMax: Math.ceil(settings.history.bytesMax / partitions),
    ageMaxMicros: settings.history.ageMaxMs * 1000,
    tombstoneAgeMaxMicros: settings.tombstones.ageMaxMs * 1000,
  };
}

/** Nothing is kept but the last change of each key. */
export const NO_WINDOW: WindowLimits = {
  changesMax: 0,
  bytesMax: 0,
  ageMaxMicros: 0,
  tombstoneAgeMaxMicros: Number.POSITIVE_INFINITY,
};
/** A log collects no more than this in one of its steps. */
const COLLECTED_MAX = 10_000;

/** Where a step moves the floors, found before it is written so that readers are told first and records go after. */
export interface Trim {
  readonly partition: number;
  readonly floor: number;
  readonly dropped: readonly { readonly offset: number; readonly bytes: number }[];
  readonly windowBytesLeft: number;
}

export interface Collected {
  readonly key: Buffer;
  readonly tombstoneKey: Buffer;
  /** Undefined for a record whose tombstone is no longer there. */
  readonly place: { readonly partition: number; readonly offset: number } | undefined;
}

/** By partition, the durable changes that a step replaces and whose records may go with it: each is the last of its key. */
export type Replaced = readonly ReadonlyMap<number, Change>[];

/**
 * What is durable now, will not be the last of its key, and may be taken by this step: what lies no further beyond the floor than
 * it can move, and tombstones. Their records are read here, while they are there.
 */
export function replacedBy(placed: readonly Placed[], state: ViewState, examineMax: readonly number[]): Replaced {
  const { heads, historyFloors } = state;
  const replaced = heads.map(() => new Map<number, Change>());
  const reach = historyFloors.map((floor, partition) =>
    Math.min(heads[partition] as number, floor + (examineMax[partition] as number)),
  );
  for (const { before } of placed) {
    if (before === undefined) continue;
    const isInReach =
      before.offset <= (reach[before.partition] as number) ||
      (before.op === 'remove' && before.offset <= (heads[before.partition] as number));
    if (isInReach) replaced[before.partition]?.set(before.offset, whole(before));
  }
  return replaced;
}

/**
 * How far the complete window can be shortened: never past the durable head, at most `examineMax` changes at a time. Beyond the
 * window a change goes once a newer one for its key exists, be it in the step itself.
 */
export function planTrim(
  store: Store,
  state: ViewState,
  recent: RecentChanges,
  partition: number,
  nowMicros: number,
  limits: WindowLimits,
  replaced: Replaced,
  examineMax: number,
  incoming: number,
): Trim | undefined {
  const head = state.heads[partition] as number;
  const start = state.historyFloors[partition] as number;
  let floor = start;
  let bytes = state.windowBytes[partition] as number;
  const dropped: { offset: number; bytes: number }[] = [];
  while (floor < head && floor - start < examineMax) {
    const isOverCount = head + incoming - floor > limits.changesMax;
    const offset = floor + 1;
    const examined = recent.knows(offset) ? remembered(recent, offset) : recorded(store, partition, offset);
    if (examined === undefined) {
      floor = offset;
      continue;
    }
    if (!isOverCount && bytes <= limits.bytesMax && examined.decided >= nowMicros - limits.ageMaxMicros) break;
    floor = offset;
    bytes -= examined.bytes;
    if (examined.isSuperseded || replaced[partition]?.has(offset)) dropped.push({ offset, bytes: examined.bytes });
  }
  return floor === start ? undefined : { partition, floor, dropped, windowBytesLeft: bytes };
}

interface Examined {
  readonly bytes: number;
  readonly decided: number;
  readonly isSuperseded: boolean;
}

function remembered(recent: RecentChanges, offset: number): Examined | undefined {
  const bytes = recent.bytes(offset);
  if (bytes === 0) return undefined;
  return { bytes, decided: recent.decided(offset), isSuperseded: recent.isSuperseded(offset) };
}

function recorded(store: Store, partition: number, offset: number): Examined | undefined {
  const record = store.peekChange(partition, offset);
  if (record === undefined) return undefined;
  // The look-up of the place reads into the same memory.
  const bytes = record.length;
  const { decided, key } = peekRecord(record);
  return { bytes, decided, isSuperseded: store.place(key)?.offset !== offset };
}

/** Tombstones past their age, oldest first; one that the step itself replaces is left to it. */
export function planCollection(
  store: Store,
  nowMicros: number,
  limits: WindowLimits,
  replaced: Replaced,
  max: number,
): readonly Collected[] {
  if (max === 0) return [];
  const collected: Collected[] = [];
  const end = afterMoment(nowMicros - limits.tombstoneAgeMaxMicros);
  for (const tombstoneKey of store.tombstones.getKeys({ end, limit: max })) {
    const key = Buffer.from(tombstoneKey.subarray(9));
    const place = store.place(key);
    if (place !== undefined && replaced[place.partition]?.has(place.offset)) continue;
    const isTombstone = place?.isRemove === true;
    collected.push({ key, tombstoneKey: Buffer.from(tombstoneKey), place: isTombstone ? place : undefined });
  }
  return collected;
}

/** Tombstones at or below an offset, which in a log of one partition are the oldest. */
export function planCollectionTo(store: Store, floor: number, replaced: Replaced): readonly Collected[] {
  const collected: Collected[] = [];
  for (const found of store.tombstones.getKeys({ limit: COLLECTED_MAX })) {
    const tombstoneKey = Buffer.from(found);
    const key = tombstoneKey.subarray(9);
    const place = store.place(key);
    if (place?.isRemove !== true) {
      collected.push({ key, tombstoneKey, place: undefined });
      continue;
    }
    if (place.offset > floor) break;
    if (replaced[place.partition]?.has(place.offset)) continue;
    collected.push({ key, tombstoneKey, place });
  }
  return collected;
}

/**
 * Tombstones past their age, oldest first; about `max`, for those of one moment go together: a floor can't tell them apart.
 */
export function collectable(
  store: Store,
  nowMicros: number,
  limits: WindowLimits,
  max: number,
): readonly { readonly key: string; readonly offset: number }[] {
  const found: { key: string; offset: number }[] = [];
  let moment = -1;
  for (const tombstoneKey of store.tombstones.getKeys({ end: afterMoment(nowMicros - limits.tombstoneAgeMaxMicros) })) {
    const decided = momentOf(tombstoneKey);
    if (found.length >= max && decided !== moment) break;
    moment = decided;
    const key = Buffer.from(tombstoneKey.subarray(9));
    const place = store.place(key);
    if (place?.isRemove === true) found.push({ key: key.toString(), offset: place.offset });
  }
  return found;
}

export function applyTrim(store: Store, draft: DraftState, trim: Trim): void {
  draft.historyFloors[trim.partition] = trim.floor;
  draft.windowBytes[trim.partition] = trim.windowBytesLeft;
  for (const { offset, bytes } of trim.dropped) {
    store.removeChange(trim.partition, offset);
    draft.bytes -= bytes;
  }
}

export function applyCollection(store: Store, draft: DraftState, collected: readonly Collected[]): void {
  for (const { key, place, tombstoneKey } of collected) {
    store.keep(store.tombstones.remove(tombstoneKey));
    if (place === undefined) continue;
    const { offset, partition } = place;
    const bytes = store.peekChange(partition, offset)?.length ?? 0;
    store.keep(store.entries.remove(key));
    store.removeChange(partition, offset);
    draft.bytes -= bytes;
    if (offset > (draft.historyFloors[partition] as number))
      draft.windowBytes[partition] = (draft.windowBytes[partition] as number) - bytes;
    draft.tombstoneFloors[partition] = Math.max(draft.tombstoneFloors[partition] as number, offset);
  }
}
