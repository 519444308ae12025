import type { Position } from '@latchkey/client';
import type { Change, Payload } from '../shared/change.ts';
import type { Epoch, EpochTable } from '../shared/epochs.ts';

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
  /** The last change of every key: tombstones above the tombstone floor and entries past their expiry too. Default false. */
  readonly withRemoves?: boolean;
}

/** Live entries (but for `withRemoves`) in the byte order of their keys; `next` is given while there may be more. */
export interface ListPage {
  readonly entries: readonly Change[];
  readonly next?: string;
}

/** A value as it lies in the store, for a reader that passes its bytes on. Texts and moments as in `Change`. */
export interface StoredEntry {
  readonly partition: number;
  readonly offset: number;
  readonly isStale: boolean;
  readonly updatedMicros: number;
  readonly updatedText: string | undefined;
  readonly validMicros: number | undefined;
  readonly validText: string | undefined;
  readonly expires: number | undefined;
  readonly kind: Payload['kind'];
  readonly as: Change['as'];
  readonly contentType: string | undefined;
  /** Holds the value's bytes from `start` to `end`. MUST NOT be kept: the next read writes over it. */
  readonly record: Buffer;
  readonly start: number;
  readonly end: number;
}

/**
 * The materialised state of the log on this node. Every answer is bounded by the durable head: nothing is shown that a crash
 * could take back, of this process or, where it is the log elsewhere that is durable, of that. Calls are synchronous and bounded
 * by their limits; no read transaction outlives a call.
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
  /**
   * The same entry as `get` where it is a value that can be read in place, expired ones included; undefined says nothing. A view that
   * has no such store leaves it out.
   */
  stored?(key: string): StoredEntry | undefined;
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
   * Called where the durable head moved past changes that nobody will be told of one by one: whoever follows has to read the view.
   * Returns the way to stop.
   */
  onSkipped?(listener: () => void): () => void;
  /** Highest offset that is durable in the log, where that can be beyond `head`: a position up to it is not ahead of the log. */
  knownHead?(partition: number): number;
  /**
   * Resolves when the durable head has reached the position.
   * @throws LatchkeyError `position-ahead` when it did not within `timeoutMs`, `closing` when aborted.
   */
  reach(position: Position, timeoutMs: number, signal?: AbortSignal): Promise<void>;
}

/** A small ordered store of bytes in the same transaction as the view, for what a log keeps beside its changes. */
export interface Table {
  get(key: Buffer): Buffer | undefined;
  /** Pairs with `start ≤ key < end`, in the byte order of the keys. */
  range(start: Buffer, end: Buffer, limit: number): readonly { readonly key: Buffer; readonly value: Buffer }[];
  /** MUST be called within `Step.also`. */
  put(key: Buffer, value: Buffer): void;
  /** MUST be called within `Step.also`. */
  remove(key: Buffer): void;
}

/** A table as a process sees it that only reads. */
export type ReadableTable = Pick<Table, 'get' | 'range'>;

/** A view of a store that another process writes, as the log of this process sees it. */
export interface FollowingView extends View {
  table(name: TableName): ReadableTable;
  /** Resolves when that step of the writer is shown here, or after `timeoutMs`. */
  shown(step: number, timeoutMs: number): Promise<void>;
  close(): Promise<void>;
}

/** A change that has its place, and the change of the same key that it replaces (undefined where there was none). */
export interface Placed {
  readonly change: Change;
  readonly before: Change | undefined;
}

/** What becomes durable together, or not at all. */
export interface Step {
  /** In offset order, beyond the head. */
  readonly placed: readonly Placed[];
  readonly nowMicros: number;
  /** Collects at most this many tombstones that are older than the setting. */
  readonly collectMax?: number;
  /** Instead of by age: tombstones at or below this offset go. */
  readonly collectTo?: number;
  /** Where the head is afterwards, if that lies beyond the last change: offsets may hold none. Of a log with one partition only. */
  readonly head?: number;
  /** The log's epochs from now on. */
  readonly epochs?: readonly Epoch[];
  /**
   * The changes were read where only the last one of each key is kept, with holes between them. Until the `last` such step readers are
   * shown the head where it was; then they are told that changes were skipped.
   */
  readonly fill?: 'more' | 'last';
  /** Writes to tables in the same transaction. */
  readonly also?: () => void;
  /** Called once all is handed over and only the flush is waited for; never where it comes to nothing before. MUST NOT throw. */
  readonly onFlushing?: () => void;
}

/** The log's `now`. A log that is told the time by another machine has one of its own. */
export interface LogTime {
  /** Integer microseconds since 1970; never less than before. */
  nowMicros(): number;
  /** Takes over what was given out elsewhere: no reading from now on is below it. */
  raise(nowMicros: number): void;
}

/** An entry whose expiry or freshness is due. */
export interface Due {
  readonly kind: 'expiry' | 'valid';
  readonly key: string;
  /** Microseconds since 1970. */
  readonly at: number;
}

/** The view as the log sees it. Nobody but the log holds this type. */
export interface WritableView extends View {
  /**
   * Resolves when the step is flushed, or at least written where the log is durable elsewhere, and shown. One step at a time.
   * @throws LatchkeyError `storage-full`: nothing of the step was kept, and the view goes on as it was.
   */
  apply(step: Step): Promise<void>;
  /**
   * Empties the view, its tables too, in one transaction with what `also` writes to them: it is of a log that went on in another way.
   * @throws LatchkeyError `storage-full`: everything is as it was.
   */
  reset(epochs: readonly Epoch[], also: () => void): Promise<void>;
  /** Tombstones that are past their age, oldest first, about `max`; a `collectTo` of the greatest of their offsets takes exactly them. */
  collectable(nowMicros: number, max: number): readonly { readonly key: string; readonly offset: number }[];
  /** Steps applied to this store so far. */
  readonly steps: number;
  /**
   * As `get`, for what is decided next and handed back as `Placed.before`: parts of it may be read only when they are asked for,
   * which MUST be before the step that replaces it is durable.
   */
  before(key: string): Change | undefined;
  table(name: TableName): Table;
  /** What is due at or before a moment, earliest first. */
  due(nowMicros: number, max: number): readonly Due[];
  /** When the next entry is due, or the next tombstone can be collected; undefined where nothing waits. */
  nextDueMicros(): number | undefined;
  backup(path: string): Promise<{ readonly bytes: number }>;
  /** Frees what processes that died while they read along still hold of the store. */
  forgetDeadReaders(): void;
  close(): Promise<void>;
}

export const TABLE_NAMES = ['progress', 'idempotency', 'idempotencyOrder', 'deadLetters', 'leases', 'ledger'] as const;
export type TableName = (typeof TABLE_NAMES)[number];

/** What backup and restore need of a data directory that this process does not have open. */
export interface DirectoryCopies {
  /** Name of the store's file within the directory. */
  readonly storeFile: string;
  exists(directory: string): boolean;
  isEmpty(directory: string): boolean;
  /** @throws LatchkeyError `data-corrupt`, `data-newer` */
  copy(directory: string, destination: string): Promise<{ readonly bytes: number; readonly position: Position }>;
  /** Opens the store read-only and says where it ends. @throws LatchkeyError `data-corrupt`, `data-newer` */
  inspect(directory: string): Position;
}
