import type { Change } from '../shared/change.ts';
import { dueKey } from './keys.ts';
import type { Store } from './store.ts';
import { DUE_EXPIRY, DUE_VALID } from './tables.ts';
import type { Placed } from './view.ts';
import type { Collected, Trim } from './window.ts';

const PAGE_BYTES = 4096;
/** Its place, its record, and that of the change before. */
const PAGES_PER_CHANGE = 3;
const PAGES_PER_COLLECTED = 3;
const EMPTY = Buffer.alloc(0);

/** When an entry is due, or its tombstone can go. */
export function writeBeside(store: Store, before: Change | undefined, change: Change): void {
  const { dues, tombstones } = store;
  const key = Buffer.from(change.key);
  if (before !== undefined) {
    if (before.expires !== undefined && before.op !== 'remove')
      store.keep(dues.remove(dueKey(before.expires, DUE_EXPIRY, key)));
    if (before.op === 'put' && before.valid !== undefined)
      store.keep(dues.remove(dueKey(before.valid.micros, DUE_VALID, key)));
    if (before.op === 'remove') store.keep(tombstones.remove(dueKey(before.decided, 0, key)));
  }
  if (change.op === 'remove') {
    store.keep(tombstones.put(dueKey(change.decided, 0, key), EMPTY));
    return;
  }
  if (change.expires !== undefined) store.keep(dues.put(dueKey(change.expires, DUE_EXPIRY, key), EMPTY));
  if (change.op === 'put' && change.valid !== undefined)
    store.keep(dues.put(dueKey(change.valid.micros, DUE_VALID, key), EMPTY));
}

/**
 * The most that a step may take: its records, and a page of a tree for each thing that it touches. Trimmed records lie side by side,
 * two to a page at least.
 */
export function bytesOf(
  placed: readonly Placed[],
  recordsBytes: number,
  trims: readonly Trim[],
  collected: readonly Collected[],
  deferred: { readonly writes: number; readonly bytes: number },
): number {
  const dropped = trims.reduce((sum, trim) => sum + trim.dropped.length, 0);
  let touched = placed.length * PAGES_PER_CHANGE;
  for (const { before, change } of placed) touched += besides(before) + besides(change);
  const pages = touched + Math.ceil(dropped / 2) + collected.length * PAGES_PER_COLLECTED + deferred.writes;
  return pages * PAGE_BYTES + recordsBytes + deferred.bytes;
}

/** What an entry has in other trees: when it is due, or when its tombstone can go. */
function besides(entry: Change | undefined): number {
  if (entry === undefined || entry.op === 'remove') return entry === undefined ? 0 : 1;
  return (entry.expires === undefined ? 0 : 1) + (entry.valid === undefined ? 0 : 1);
}

export function isElsewhere(entry: Change | undefined): boolean {
  return entry !== undefined && (entry.op === 'remove' || entry.expires !== undefined || entry.valid !== undefined);
}
