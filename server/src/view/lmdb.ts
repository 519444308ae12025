import { LatchkeyError, type Position } from '@latchkey/client';
import type { Settings } from '../config/settings.ts';
import { type Change, payloadBytes } from '../shared/change.ts';
import type { Clock } from '../shared/clock.ts';
import { EpochTable } from '../shared/epochs.ts';
import type { ReportFault } from '../shared/logger.ts';
import { type DirectoryLock, lockDirectory } from './directory-lock.ts';
import { prepareDirectory, readEpochs } from './environment.ts';
import { dueKey, placeKey } from './keys.ts';
import { LogClock } from './log-clock.ts';
import { ViewReads } from './reads.ts';
import { encodeRecord } from './record.ts';
import { startEpoch } from './start-epoch.ts';
import { type DraftState, draftOf } from './state.ts';
import { Store } from './store.ts';
import { DUE_EXPIRY, DUE_VALID, lmdbTable, nextDue, readDues } from './tables.ts';
import type {
  Due,
  ListOptions,
  ListPage,
  ScanOptions,
  ScanPage,
  Step,
  Table,
  TableName,
  WritableView,
} from './view.ts';
import { Waiters } from './waiters.ts';
import {
  applyCollection,
  applyTrim,
  planCollection,
  planTrim,
  type Trim,
  type WindowLimits,
  windowLimits,
} from './window.ts';

const WAITERS_MAX = 10_000;
/** Beyond what a step brings in, so that a window that was made smaller is reached in time. */
const TRIM_EXTRA = 1000;
const PAGE_BYTES = 4096;
const PAGES_PER_CHANGE = 4;

export interface LmdbViewOptions {
  readonly directory: string;
  readonly partitions?: number;
  readonly settings: Pick<Settings, 'history' | 'tombstones'>;
  readonly clock: Clock;
  readonly reportFault: ReportFault;
  /** A failpoint for tests, as in `StoreOptions`; not called for the start of the epoch. */
  readonly beforeCommit?: () => void;
}

/**
 * Stands between a log, which hands it one step after another, and everybody who reads. It decides nothing, and starts no work of
 * its own.
 *
 * Invariant: what any read returns is at or below `head`, and `head` is flushed. Floors are raised before records go.
 */
export class LmdbView implements WritableView {
  readonly partitions: number;
  readonly epochs: EpochTable;
  readonly #store: Store;
  readonly #lock: DirectoryLock;
  readonly #limits: WindowLimits;
  readonly #clock: LogClock;
  readonly #reads: ViewReads;
  readonly #listeners = new Set<(changes: readonly Change[]) => void>();
  readonly #waiters = new Waiters(WAITERS_MAX);
  readonly #reportFault: ReportFault;
  #isApplying = false;

  /** @throws LatchkeyError `data-unwritable`, `data-in-use`, `data-newer`, `data-corrupt`, `storage-full` */
  static async open(options: LmdbViewOptions): Promise<LmdbView> {
    prepareDirectory(options.directory);
    const lock = await lockDirectory(options.directory);
    try {
      const partitions = options.partitions ?? 1;
      const store = new Store(options.directory, { beforeCommit: options.beforeCommit });
      const state = store.readState(partitions);
      const before = readEpochs(store.meta, options.directory);
      let epochs = before;
      await store.commit(() => {
        epochs = startEpoch(
          store,
          before,
          state.heads.map((head) => head + 1),
        );
      });
      return new LmdbView(options, store, lock, new EpochTable(epochs));
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  private constructor(options: LmdbViewOptions, store: Store, lock: DirectoryLock, epochs: EpochTable) {
    this.epochs = epochs;
    this.partitions = epochs.partitions;
    this.#store = store;
    this.#lock = lock;
    this.#reportFault = options.reportFault;
    this.#limits = windowLimits(options.settings, this.partitions);
    const state = store.readState(this.partitions);
    this.#clock = new LogClock(options.clock, state.nowMicros);
    this.#reads = new ViewReads(store, state, () => this.#clock.nowMicros());
  }

  head(partition: number): number {
    return this.#reads.state.heads[partition] ?? 0;
  }

  position(): Position {
    return { epoch: this.epochs.current, components: this.#reads.state.heads.map((offset) => ({ offset })) };
  }

  nowMicros(): number {
    return this.#clock.nowMicros();
  }

  historyFloor(partition: number): number {
    return this.#reads.historyFloors[partition] ?? 0;
  }

  tombstoneFloor(partition: number): number {
    return this.#reads.tombstoneFloors[partition] ?? 0;
  }

  get(key: string): Change | undefined {
    return this.#reads.get(key);
  }

  at(partition: number, offset: number): Change | undefined {
    return offset > this.head(partition) ? undefined : this.#store.change(partition, offset);
  }

  scan(partition: number, after: number, options: ScanOptions): ScanPage {
    return this.#reads.scan(partition, after, options);
  }

  chain(key: string, after: number, max: number): readonly number[] {
    return this.#reads.chain(key, after, max);
  }

  list(options: ListOptions): ListPage {
    return this.#reads.list(options);
  }

  counts(): { readonly keys: number; readonly bytes: number } {
    return { keys: this.#reads.state.keys, bytes: this.#reads.state.bytes };
  }

  onDurable(listener: (changes: readonly Change[]) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  reach(position: Position, timeoutMs: number, signal?: AbortSignal): Promise<void> {
    const isReached = () => position.components.every(({ offset }, partition) => offset <= this.head(partition));
    return this.#waiters.until(isReached, timeoutMs, signal);
  }

  table(name: TableName): Table {
    return lmdbTable(this.#store, this.#store.environment.database(name));
  }

  due(nowMicros: number, max: number): readonly Due[] {
    return readDues(this.#store, nowMicros, max);
  }

  nextDueMicros(): number | undefined {
    return nextDue(this.#store, this.#limits.tombstoneAgeMaxMicros);
  }

  async apply(step: Step): Promise<void> {
    if (this.#isApplying) throw new Error('a step was applied while another was');
    this.#isApplying = true;
    try {
      const draft = draftOf(this.#reads.state);
      draft.nowMicros = Math.max(draft.nowMicros, step.nowMicros);
      const write = this.#prepare(step, draft);
      await this.#store.commit(write, bytesOf(step));
      this.#reads.adopt(draft);
    } finally {
      this.#reads.endStep();
      this.#isApplying = false;
    }
    this.#publish(step);
  }

  async backup(path: string): Promise<{ readonly bytes: number }> {
    return { bytes: await this.#store.backup(path) };
  }

  async close(): Promise<void> {
    this.#waiters.abort(new LatchkeyError('closing', 'The server is stopping; come back, to this or another node.'));
    await this.#store.close();
    await this.#lock.release();
  }

  /** Plans what goes and raises the floors that readers see; returns the writes of the step. */
  #prepare(step: Step, draft: DraftState): () => void {
    const keys = step.placed.map(({ change }) => Buffer.from(change.key));
    const replaced = new Set(keys.map((key) => key.toString('latin1')));
    const state = this.#reads.state;
    const trims: Trim[] = [];
    for (let partition = 0; partition < this.partitions; partition += 1) {
      const incoming = step.placed.filter(({ change }) => change.partition === partition).length;
      const examineMax = incoming * 2 + TRIM_EXTRA;
      const trim = planTrim(
        this.#store,
        state,
        partition,
        step.nowMicros,
        this.#limits,
        replaced,
        examineMax,
        incoming,
      );
      if (trim !== undefined) trims.push(trim);
    }
    const collected = planCollection(this.#store, step.nowMicros, this.#limits, replaced, step.collectMax ?? 0);
    this.#reads.beginStep(step.placed, trims, collected);
    return () => {
      const floorsBefore = state.historyFloors;
      for (const trim of trims) applyTrim(this.#store, draft, trim);
      applyCollection(this.#store, draft, collected);
      step.placed.forEach(({ change, before }, index) => {
        this.#write(change, before, keys[index] as Buffer, draft, floorsBefore);
      });
      step.also?.();
      this.#store.writeState(draft);
    };
  }

  #write(change: Change, before: Change | undefined, key: Buffer, draft: DraftState, floors: readonly number[]): void {
    const { changes, dues, tombstones } = this.#store;
    const { partition } = change;
    const record = encodeRecord(change);
    this.#store.keep(changes.put(placeKey(partition, change.offset), record));
    this.#store.writePlace(key, change);
    draft.heads[partition] = change.offset;
    draft.bytes += record.length;
    draft.windowBytes[partition] = (draft.windowBytes[partition] as number) + record.length;
    if (before !== undefined) {
      if (before.offset <= (floors[partition] as number)) {
        const at = placeKey(partition, before.offset);
        draft.bytes -= changes.get(at)?.length ?? 0;
        this.#store.keep(changes.remove(at));
      }
      if (before.expires !== undefined && before.op !== 'remove')
        this.#store.keep(dues.remove(dueKey(before.expires, DUE_EXPIRY, key)));
      if (before.op === 'put' && before.valid !== undefined)
        this.#store.keep(dues.remove(dueKey(before.valid.micros, DUE_VALID, key)));
      if (before.op === 'remove') this.#store.keep(tombstones.remove(dueKey(before.decided, 0, key)));
      else draft.keys -= 1;
    }
    if (change.op === 'remove') {
      this.#store.keep(tombstones.put(dueKey(change.decided, 0, key), EMPTY));
      return;
    }
    draft.keys += 1;
    if (change.expires !== undefined) this.#store.keep(dues.put(dueKey(change.expires, DUE_EXPIRY, key), EMPTY));
    if (change.op === 'put' && change.valid !== undefined)
      this.#store.keep(dues.put(dueKey(change.valid.micros, DUE_VALID, key), EMPTY));
  }

  #publish(step: Step): void {
    if (step.placed.length > 0) {
      const changes = step.placed.map(({ change }) => change);
      for (const listener of this.#listeners) {
        try {
          listener(changes);
        } catch (error) {
          // The step is durable whatever a reader makes of it.
          this.#reportFault('view', error);
        }
      }
    }
    this.#waiters.check();
  }
}

/** The most that the changes of a step may take: their records, and the pages of each tree on the way to them. */
function bytesOf({ placed }: Step): number {
  const pages = placed.length * PAGES_PER_CHANGE * PAGE_BYTES;
  return placed.reduce((sum, { change: { key, value } }) => {
    return sum + key.length * 3 + (value === undefined ? 0 : payloadBytes(value));
  }, pages);
}

const EMPTY = Buffer.alloc(0);
