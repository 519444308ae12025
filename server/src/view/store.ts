import { mkdirSync, statfsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { LatchkeyError } from '@latchkey/client';
import type { Change } from '../shared/change.ts';
import {
  type Bytes,
  checkFormat,
  type Environment,
  type EnvironmentOptions,
  holdNewest,
  KEY_BYTES_MAX,
  type Moment,
  openEnvironment,
  readJson,
  STORE_FILE,
  textKey,
} from './environment.ts';
import { writePlaceKey } from './keys.ts';
import { entryOfPlace } from './place.ts';
import { decodeRecord, storedEntryOf } from './record.ts';
import { Room } from './room.ts';
import { emptyState, type ViewState } from './state.ts';
import type { StepBytes } from './step-bytes.ts';
import { corrupt } from './store-file.ts';
import { type StoredEntry, TABLE_NAMES } from './view.ts';

const STATE_KEY = Buffer.from('state');
const FREE_BYTES_LOW = 1024 * 1024;
/** About a hundred changes. With no flush to wait for, so few are committed sooner than LMDB's thread is woken, and no worse held up by a disk. */
const HERE_BYTES_MAX = 1.5 * 1024 * 1024;

/** Where tests make the disk fail, wait or lose power. */
export interface Failpoints {
  /** Before each transaction; what it throws is treated as a failing disk. */
  readonly beforeCommit?: (() => void | Promise<void>) | undefined;
  /** A promise: nothing is put into the transaction, and it fails with what that rejects with, as one whose flush fails. */
  readonly duringCommit?: (() => Promise<never> | undefined) | undefined;
  /** The transaction is flushed, and nobody knows of it yet. */
  readonly afterCommit?: (() => void | Promise<void>) | undefined;
}

export interface StoreOptions extends Failpoints, EnvironmentOptions {}

interface Deferred {
  readonly database: Bytes;
  readonly key: Buffer;
  /** Undefined: the key goes. */
  readonly value: Buffer | undefined;
}

/** Where the last change of a key lies. */
export interface Place {
  readonly partition: number;
  readonly offset: number;
  readonly isRemove: boolean;
}

/**
 * The named databases of a data directory and their plain reads and writes. It knows nothing of what is durable: the view does.
 */
export class Store {
  readonly directory: string;
  readonly environment: Environment;
  readonly entries: Bytes;
  readonly changes: Bytes;
  readonly dues: Bytes;
  readonly tombstones: Bytes;
  readonly meta: Bytes;
  readonly isNew: boolean;
  /** All is read as of this moment; undefined: as of now. MUST be handed to every read of a database. */
  moment: Moment | undefined;
  #kept: Promise<boolean> | undefined;
  #deferred: Deferred[] = [];
  readonly #placeKey = Buffer.allocUnsafe(9);
  readonly #failpoints: Failpoints;
  readonly #room: Room;
  readonly #isUnflushed: boolean;

  /** @throws LatchkeyError `data-corrupt`, `data-newer` */
  constructor(directory: string, options: StoreOptions = {}) {
    this.directory = directory;
    this.#failpoints = options;
    this.#isUnflushed = options.isUnflushed ?? false;
    this.environment = openEnvironment(directory, options);
    const { root } = this.environment;
    try {
      // LMDB would take a file of another program for its own.
      const [first] = root.getKeys({ limit: 1 });
      const [meta] = root.getKeys({ start: Buffer.from('meta'), limit: 1 });
      if (first !== undefined && meta?.toString('latin1').startsWith('meta') !== true)
        throw corrupt(join(directory, STORE_FILE), 'it was written by another program');
      this.meta = this.environment.database('meta');
      this.isNew = checkFormat(this.meta, directory) === 'new';
      this.entries = this.environment.database('entries');
      this.changes = this.environment.database('changes');
      this.dues = this.environment.database('dues');
      this.tombstones = this.environment.database('tombstones');
    } catch (error) {
      void root.close();
      if (error instanceof LatchkeyError) throw error;
      throw corrupt(join(directory, STORE_FILE), error instanceof Error ? error.message : 'it cannot be read', error);
    }
    this.#room = new Room(join(directory, STORE_FILE), () => {
      const { lastPageNumber, pageSize } = root.getStats() as { lastPageNumber: number; pageSize: number };
      return (lastPageNumber + 1) * pageSize;
    });
  }

  /** The newest moment that LMDB shows; whoever took it MUST `done` its transaction. */
  newest(): Moment {
    return holdNewest(this.environment.root);
  }

  readState(partitions: number): ViewState {
    const stored = this.meta.get(STATE_KEY, this.moment);
    // A store of before has counted no steps.
    const state = emptyState(partitions);
    return stored === undefined ? state : { ...state, ...readJson<ViewState>(stored, this.directory) };
  }

  writeState(state: ViewState): void {
    this.keep(this.meta.put(STATE_KEY, Buffer.from(JSON.stringify(state))));
  }

  place(key: Buffer): Place | undefined {
    // Read in place, without a copy: LMDB's buffer is good until the next read.
    const stored = this.entries.getBinaryFast(key, this.moment);
    return stored === undefined
      ? undefined
      : { partition: stored[0] as number, isRemove: stored[1] === 1, offset: stored.readDoubleLE(2) };
  }

  /**
   * The last change of a key for the one that will replace it: most of them need no more of it than its place tells, so its record
   * is read when something else is asked for. MUST be asked before the step is applied that replaces it.
   */
  before(key: string): Change | undefined {
    const stored = this.entries.getBinaryFast(textKey(key));
    if (stored === undefined) return undefined;
    const partition = stored[0] as number;
    const offset = stored.readDoubleLE(2);
    return entryOfPlace(stored, key, partition, offset, this) ?? this.change(partition, offset);
  }

  change(partition: number, offset: number): Change | undefined {
    const record = this.peekChange(partition, offset);
    if (record === undefined) return undefined;
    // LMDB's own copy has memory of its own each; many small ones are cheaper out of Node's pool.
    const copy = Buffer.allocUnsafe(record.length);
    record.copy(copy, 0, 0, record.length);
    return decodeRecord(copy, partition, offset);
  }

  /** The record as it lies there; good until the next read. */
  peekChange(partition: number, offset: number): Buffer | undefined {
    return this.changes.getBinaryFast(writePlaceKey(this.#placeKey, partition, offset), this.moment);
  }

  stored(partition: number, offset: number): StoredEntry | undefined {
    const record = this.peekChange(partition, offset);
    return record === undefined ? undefined : storedEntryOf(record, record.length, partition, offset);
  }

  /** `bytes` are read while the transaction runs: they MUST stay as they are until it ended. */
  putChange(change: Change, bytes: StepBytes, index: number): void {
    const key = writePlaceKey(this.#placeKey, change.partition, change.offset);
    this.keep(this.changes.put(key, bytes.record(index)));
    this.keep(this.entries.put(textKey(change.key), bytes.place(index)));
  }

  removeChange(partition: number, offset: number): void {
    this.keep(this.changes.remove(writePlaceKey(this.#placeKey, partition, offset)));
  }

  /** Notes a write for the next transaction; what LMDB would not take is told here, before anything is written. */
  defer(database: Bytes, key: Buffer, value: Buffer | undefined): void {
    if (key.length === 0 || key.length > KEY_BYTES_MAX)
      throw new RangeError(`A key of the store takes 1 to ${KEY_BYTES_MAX} bytes, but got ${key.length}.`);
    this.#deferred.push({ database, key, value });
  }

  forgetDeferred(): void {
    this.#deferred = [];
  }

  /** How many writes wait, and the bytes of their values. */
  deferred(): { readonly writes: number; readonly bytes: number } {
    return {
      writes: this.#deferred.length,
      bytes: this.#deferred.reduce((sum, { value }) => sum + (value?.length ?? 0), 0),
    };
  }

  /** Within the transaction. */
  writeDeferred(): void {
    for (const { database, key, value } of this.#deferred)
      this.keep(value === undefined ? database.remove(key) : database.put(key, value));
    this.#deferred = [];
  }

  /**
   * Everything that `write` puts becomes durable together, or, in a store that is unflushed, visible. `bytes` is the most that it may take of the file. `write` MUST NOT
   * throw: LMDB keeps what was put before an exception, so whatever can fail is done before.
   *
   * @throws LatchkeyError `storage-full` when it could not; then nothing of it was kept.
   */
  async commit(write: () => void, bytes = 0, onFlushing?: () => void): Promise<void> {
    let thrown: unknown;
    let failing: Promise<never> | undefined;
    try {
      if (this.#failpoints.beforeCommit !== undefined) await this.#failpoints.beforeCommit();
      await this.#room.make(bytes);
      const { root } = this.environment;
      const commit = () => {
        try {
          failing = this.#failpoints.duringCommit?.();
          if (failing === undefined) write();
        } catch (error) {
          // LMDB keeps what was put before an exception: the caller must not go on as if nothing had been.
          thrown = error;
        }
      };
      const written = this.#isUnflushed && bytes <= HERE_BYTES_MAX ? root.transactionSync(commit) : root.batch(commit);
      onFlushing?.();
      await written;
      await failing;
    } catch (error) {
      throw await this.#translate(error);
    } finally {
      this.environment.root.resetReadTxn();
    }
    if (thrown !== undefined) throw thrown;
    if (this.#failpoints.afterCommit !== undefined) await this.#failpoints.afterCommit();
  }

  async backup(path: string): Promise<number> {
    mkdirSync(dirname(path), { recursive: true });
    await this.environment.root.backup(path, true);
    return statSync(path).size;
  }

  async close(): Promise<void> {
    await this.environment.root.close();
  }

  /** Every write's promise goes through here: it fails with its commit, whose own promise tells all there is to tell. */
  keep(written: Promise<boolean>): void {
    // The writes of a commit share a promise or two.
    if (written === this.#kept) return;
    this.#kept = written;
    written.catch(() => undefined);
  }

  async #translate(error: unknown): Promise<LatchkeyError> {
    const commitError: unknown = await Promise.resolve((error as { commitError?: unknown }).commitError).catch(
      (reason) => reason,
    );
    const cause = commitError ?? error;
    const reason = this.#isDiskFull() ? 'the disk is full' : cause instanceof Error ? cause.message : 'unknown';
    return new LatchkeyError(
      'storage-full',
      `${join(this.directory, STORE_FILE)} could not be written (${reason}); nothing of this write was kept. Free space or mend the disk, then repeat it.`,
      { retryAfter: 5, cause },
    );
  }

  /** LMDB reports a short write as an input/output error; what an operator needs to know is why it was short. */
  #isDiskFull(): boolean {
    try {
      const { bavail, bsize } = statfsSync(this.directory);
      return bavail * bsize < FREE_BYTES_LOW;
    } catch {
      // A disk that can't even be asked is not known to be full.
      return false;
    }
  }
}

/** Within a transaction: everything goes but what the store knows of itself. */
export function clearStore(store: Store): void {
  const { changes, dues, entries, environment, tombstones } = store;
  const tables = TABLE_NAMES.map((name) => environment.database(name));
  // lmdb's declaration says less than it resolves with; as for every write, the commit tells all there is to tell.
  for (const database of [entries, changes, dues, tombstones, ...tables])
    store.keep(database.clearAsync().then(() => true));
}
