import type { Settings } from '../config/settings.ts';
import type { Change } from '../shared/change.ts';
import { afterMoment } from './keys.ts';
import { peekRecord } from './record.ts';
import type { DraftState, ViewState } from './state.ts';
import type { Store } from './store.ts';

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

/** By partition, the offsets of the durable changes that a step replaces: each is the last of its key. */
export type Replaced = readonly ReadonlyMap<number, Change>[];

/**
 * How far the complete window can be shortened: never past the durable head, at most `examineMax` changes at a time. Beyond the
 * window a change goes once a newer one for its key exists, be it in the step itself.
 */
export function planTrim(
  store: Store,
  state: ViewState,
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
    const record = store.peekChange(partition, floor + 1);
    if (record === undefined) {
      floor += 1;
      continue;
    }
    const { length } = record;
    const { decided, key } = peekRecord(record);
    if (!isOverCount && bytes <= limits.bytesMax && decided >= nowMicros - limits.ageMaxMicros) break;
    floor += 1;
    bytes -= length;
    if (replaced[partition]?.has(floor) || store.place(key)?.offset !== floor)
      dropped.push({ offset: floor, bytes: length });
  }
  return floor === start ? undefined : { partition, floor, dropped, windowBytesLeft: bytes };
}

/** Tombstones past their age, oldest first; one that the step itself replaces is left to it. */
export function planCollection(
  store: Store,
  nowMicros: number,
  limits: WindowLimits,
  replaced: Replaced,
  max: number,
): readonly Collected[] {
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
