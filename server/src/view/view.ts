import type { Position } from '@latchkey/client';
import type { Change } from '../shared/change.ts';
import type { EpochTable } from '../shared/epochs.ts';

export interface ScanOptions {
  /** Inclusive; never past the durable head. */
  readonly until: number;
  readonly changesMax: number;
  readonly bytesMax: number;
  /** Leaves out changes whose key has a newer durable one. */
  readonly skipSuperseded: boolean;
  /** Leaves out removes (a snapshot from zero needs none). */
  readonly skipRemoves: boolean;
}

/** `reached`: everything the log still holds up to this offset has been looked at; equal to `until` at the end. */
export interface ScanPage {
  readonly changes: readonly Change[];
  readonly reached: number;
}

export interface ListOptions {
  readonly prefix?: string;
  readonly pattern?: string;
  /** The last key of the page before. */
  readonly after?: string;
  readonly limit: number;
  readonly bytesMax?: number;
}

/** Live entries in the byte order of their keys; `next` is given while there may be more. */
export interface ListPage {
  readonly entries: readonly Change[];
  readonly next?: string;
}

/**
 * The materialised state of the log on this node. Every answer is bounded by the durable head: nothing is shown that a crash
 * could take back. Calls are synchronous and bounded by their limits; no read transaction outlives a call.
 */
export interface View {
  readonly partitions: number;
  readonly epochs: EpochTable;
  /** Highest offset of the partition that is durable here. */
  head(partition: number): number;
  /** The durable head as a position of the current epoch. */
  position(): Position;
  /** The log's `now`, microseconds; never goes back. Expiry and freshness are judged by it. */
  nowMicros(): number;
  /** From this offset on (exclusive) every change is held. */
  historyFloor(partition: number): number;
  /** The highest tombstone that was collected: a position below it can't be resumed. */
  tombstoneFloor(partition: number): number;
  /** The last change of a key, tombstones and expired entries included: callers use `isLive`. */
  get(key: string): Change | undefined;
  /** Changes with `after < offset ≤ until`, in offset order. */
  scan(partition: number, after: number, options: ScanOptions): ScanPage;
  /** The change at an offset if it is still held. */
  at(partition: number, offset: number): Change | undefined;
  /** Offsets of a key's changes after `after`, newest first, as far as they are held; at most `max`. */
  chain(key: string, after: number, max: number): readonly number[];
  list(options: ListOptions): ListPage;
  /** Entries that are not tombstones (expired ones count until decided), and bytes used on disk. */
  counts(): { readonly keys: number; readonly bytes: number };
  /** Called in the turn in which changes became durable, in offset order, before their senders are answered. Returns the way to stop. */
  onDurable(listener: (changes: readonly Change[]) => void): () => void;
  /**
   * Resolves when the durable head has reached the position.
   * @throws LatchkeyError `position-ahead` when it did not within `timeoutMs`, `closing` when aborted.
   */
  reach(position: Position, timeoutMs: number, signal?: AbortSignal): Promise<void>;
}
