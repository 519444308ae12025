import type { Settings } from '../config/settings.ts';
import { afterMoment, placeKey } from './keys.ts';
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

/**
 * How far the complete window can be shortened: never past the durable head, at most `examineMax` changes at a time. Beyond the
 * window a change goes once a newer one for its key exists; `replaced` has the keys (latin1 of their bytes) the step replaces.
 */
export function planTrim(
  store: Store,
  state: ViewState,
  partition: number,
  nowMicros: number,
  limits: WindowLimits,
  replaced: ReadonlySet<string>,
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
    const record = store.changes.get(placeKey(partition, floor + 1));
    if (record === undefined) {
      floor += 1;
      continue;
    }
    const { decided, key } = peekRecord(record);
    if (!isOverCount && bytes <= limits.bytesMax && decided >= nowMicros - limits.ageMaxMicros) break;
    floor += 1;
    bytes -= record.length;
    if (replaced.has(key.toString('latin1')) || store.place(key)?.offset !== floor)
      dropped.push({ offset: floor, bytes: record.length });
  }
  return floor === start ? undefined : { partition, floor, dropped, windowBytesLeft: bytes };
}

/** Tombstones past their age, oldest first; one that the step itself replaces is left to it. */
export function planCollection(
  store: Store,
  nowMicros: number,
  limits: WindowLimits,
  replaced: ReadonlySet<string>,
  max: number,
): readonly Collected[] {
  const collected: Collected[] = [];
  const end = afterMoment(nowMicros - limits.tombstoneAgeMaxMicros);
  for (const tombstoneKey of store.tombstones.getKeys({ end, limit: max })) {
    const key = Buffer.from(tombstoneKey.subarray(9));
    if (replaced.has(key.toString('latin1'))) continue;
    const place = store.place(key);
    const isTombstone = place?.isRemove === true;
    collected.push({ key, tombstoneKey: Buffer.from(tombstoneKey), place: isTombstone ? place : undefined });
  }
  return collected;
}

export function applyTrim(store: Store, draft: DraftState, trim: Trim): void {
  draft.historyFloors[trim.partition] = trim.floor;
  draft.windowBytes[trim.partition] = trim.windowBytesLeft;
  for (const { offset, bytes } of trim.dropped) {
    store.keep(store.changes.remove(placeKey(trim.partition, offset)));
    draft.bytes -= bytes;
  }
}

export function applyCollection(store: Store, draft: DraftState, collected: readonly Collected[]): void {
  for (const { key, place, tombstoneKey } of collected) {
    store.keep(store.tombstones.remove(tombstoneKey));
    if (place === undefined) continue;
    const { offset, partition } = place;
    const at = placeKey(partition, offset);
    const bytes = store.changes.get(at)?.length ?? 0;
    store.keep(store.entries.remove(key));
    store.keep(store.changes.remove(at));
    draft.bytes -= bytes;
    if (offset > (draft.historyFloors[partition] as number))
      draft.windowBytes[partition] = (draft.windowBytes[partition] as number) - bytes;
    draft.tombstoneFloors[partition] = Math.max(draft.tombstoneFloors[partition] as number, offset);
  }
}
