import { LatchkeyError, type Position } from '@latchkey/client';
import type { Settings } from '../config/settings.ts';
import type { Change } from '../shared/change.ts';
import type { Clock } from '../shared/clock.ts';
import { EpochTable } from '../shared/epochs.ts';
import type { ReportFault } from '../shared/logger.ts';
import { type DirectoryLock, lockDirectory } from './directory-lock.ts';
import { prepareDirectory, readEpochs } from './environment.ts';
import { dueKey } from './keys.ts';
import { LogClock } from './log-clock.ts';
import { ViewReads } from './reads.ts';
import { encodeRecord } from './record.ts';
import { startEpoch } from './start-epoch.ts';
import { type DraftState, draftOf } from './state.ts';
import { type Failpoints, Store } from './store.ts';
import { DUE_EXPIRY, DUE_VALID, lmdbTable, nextDue, readDues } from './tables.ts';
import type {
  Due,
  ListOptions,
  ListPage,
  Placed,
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
  type Collected,
  planCollection,
  planTrim,
  type Replaced,
  type Trim,
  type WindowLimits,
  windowLimits,
} from './window.ts';

const WAITERS_MAX = 10_000;
/** Beyond what a step brings in, so that a window that was made smaller is reached in time. */
const TRIM_EXTRA = 1000;
const PAGE_BYTES = 4096;
/** Its place, its record, and that of the change before. */
const PAGES_PER_CHANGE = 3;
const PAGES_PER_COLLECTED = 3;

/** The failpoints are for tests; they are called for the start of the epoch too. */
export interface LmdbViewOptions extends Failpoints {
  readonly directory: string;
  readonly partitions?: number;
  readonly settings: Pick<Settings, 'history' | 'tombstones'>;
  readonly clock: Clock;
  readonly reportFault: ReportFault;
  /** Called when a step is durable and announced, before whoever handed it in knows: how other processes are woken. */
  readonly onStep?: ((steps: number) => void) | undefined;
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
  readonly #onStep: ((steps: number) => void) | undefined;
  #isApplying = false;

  /** @throws LatchkeyError `data-unwritable`, `data-in-use`, `data-newer`, `data-corrupt`, `storage-full` */
  static async open(options: LmdbViewOptions): Promise<LmdbView> {
    prepareDirectory(options.directory);
    const lock = await lockDirectory(options.directory);
    let store: Store | undefined;
    try {
      const partitions = options.partitions ?? 1;
      store = new Store(options.directory, { beforeCommit: options.beforeCommit, afterCommit: options.afterCommit });
      const state = store.readState(partitions);
      const first = state.heads.map((head) => head + 1);
      const epochs = startEpoch(store, readEpochs(store.meta, options.directory), first);
      await store.commit(() => store?.writeDeferred());
      return new LmdbView(options, store, lock, new EpochTable(epochs));
    } catch (error) {
      await store?.close();
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
    this.#onStep = options.onStep;
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
    return this.#reads.at(partition, offset);
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
      draft.steps += 1;
      draft.nowMicros = Math.max(draft.nowMicros, step.nowMicros);
      const { bytes, write } = this.#prepare(step, draft);
      await this.#store.commit(write, bytes);
      this.#reads.adopt(draft);
    } finally {
      this.#reads.endStep();
      this.#isApplying = false;
    }
    this.#publish(step);
    this.#onStep?.(this.#reads.state.steps);
  }

  get steps(): number {
    return this.#reads.state.steps;
  }

  forgetDeadReaders(): void {
    this.#store.environment.root.readerCheck();
  }

  async backup(path: string): Promise<{ readonly bytes: number }> {
    return { bytes: await this.#store.backup(path) };
  }

  async close(): Promise<void> {
    this.#waiters.abort(new LatchkeyError('closing', 'The server is stopping; come back, to this or another node.'));
    await this.#store.close();
    await this.#lock.release();
  }

  /**
   * Does all of a step that can fail, and raises the floors that readers see. `write` then only writes; `bytes` is the most that it
   * may take of the file.
   */
  #prepare(step: Step, draft: DraftState): { readonly write: () => void; readonly bytes: number } {
    const store = this.#store;
    store.forgetDeferred();
    step.also?.();
    const records = step.placed.map(({ change }) => encodeRecord(change));
    const state = this.#reads.state;
    const replaced = this.#replacedBy(step.placed);
    const trims: Trim[] = [];
    for (let partition = 0; partition < this.partitions; partition += 1) {
      const incoming = step.placed.filter(({ change }) => change.partition === partition).length;
      const examineMax = incoming * 2 + TRIM_EXTRA;
      const trim = planTrim(store, state, partition, step.nowMicros, this.#limits, replaced, examineMax, incoming);
      if (trim !== undefined) trims.push(trim);
    }
    const collected = planCollection(store, step.nowMicros, this.#limits, replaced, step.collectMax ?? 0);
    this.#reads.beginStep(step.placed, replaced, trims, collected);
    const write = () => {
      for (const trim of trims) applyTrim(store, draft, trim);
      applyCollection(store, draft, collected);
      step.placed.forEach((placed, index) => {
        this.#write(placed, records[index] as Buffer, draft, state.historyFloors);
      });
      store.writeDeferred();
      store.writeState(draft);
    };
    const recordsBytes = records.reduce((sum, { length }) => sum + length, 0);
    return { write, bytes: bytesOf(step.placed, recordsBytes, trims, collected, store.deferred()) };
  }

  /** What is durable now and will not be the last of its key: the first change of a key in a step replaces it. */
  #replacedBy(placed: readonly Placed[]): Replaced {
    const replaced = Array.from({ length: this.partitions }, () => new Map<number, Change>());
    for (const { before } of placed) {
      if (before !== undefined && before.offset <= this.head(before.partition))
        replaced[before.partition]?.set(before.offset, before);
    }
    return replaced;
  }

  #write({ before, change }: Placed, record: Buffer, draft: DraftState, floors: readonly number[]): void {
    const store = this.#store;
    const { dues, tombstones } = store;
    const { partition } = change;
    const key = Buffer.from(change.key);
    store.putChange(partition, change.offset, record);
    store.writePlace(key, change);
    draft.heads[partition] = change.offset;
    draft.bytes += record.length;
    draft.windowBytes[partition] = (draft.windowBytes[partition] as number) + record.length;
    if (before !== undefined) {
      if (before.offset <= (floors[partition] as number)) {
        draft.bytes -= store.peekChange(partition, before.offset)?.length ?? 0;
        store.removeChange(partition, before.offset);
      }
      if (before.expires !== undefined && before.op !== 'remove')
        store.keep(dues.remove(dueKey(before.expires, DUE_EXPIRY, key)));
      if (before.op === 'put' && before.valid !== undefined)
        store.keep(dues.remove(dueKey(before.valid.micros, DUE_VALID, key)));
      if (before.op === 'remove') store.keep(tombstones.remove(dueKey(before.decided, 0, key)));
      else draft.keys -= 1;
    }
    if (change.op === 'remove') {
      store.keep(tombstones.put(dueKey(change.decided, 0, key), EMPTY));
      return;
    }
    draft.keys += 1;
    if (change.expires !== undefined) store.keep(dues.put(dueKey(change.expires, DUE_EXPIRY, key), EMPTY));
    if (change.op === 'put' && change.valid !== undefined)
      store.keep(dues.put(dueKey(change.valid.micros, DUE_VALID, key), EMPTY));
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

/**
 * The most that a step may take: its records, and a page of a tree for each thing that it touches. Trimmed records lie side by side,
 * two to a page at least.
 */
function bytesOf(
  placed: readonly Placed[],
  recordsBytes: number,
  trims: readonly Trim[],
  collected: readonly Collected[],
  deferred: { readonly writes: number; readonly bytes: number },
): number {
  const dropped = trims.reduce((sum, trim) => sum + trim.dropped.length, 0);
  const touched = placed.reduce(
    (sum, { before, change }) => sum + PAGES_PER_CHANGE + besides(before) + besides(change),
    0,
  );
  const pages = touched + Math.ceil(dropped / 2) + collected.length * PAGES_PER_COLLECTED + deferred.writes;
  return pages * PAGE_BYTES + recordsBytes + deferred.bytes;
}

/** What an entry has in other trees: when it is due, or when its tombstone can go. */
function besides(entry: Change | undefined): number {
  if (entry === undefined || entry.op === 'remove') return entry === undefined ? 0 : 1;
  return (entry.expires === undefined ? 0 : 1) + (entry.valid === undefined ? 0 : 1);
}

const EMPTY = Buffer.alloc(0);
