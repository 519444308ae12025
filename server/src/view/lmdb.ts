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
import { PlacedEntry, whole } from './place.ts';
import { ViewReads } from './reads.ts';
import { RecentChanges } from './recent-changes.ts';
import { startEpoch } from './start-epoch.ts';
import { type DraftState, draftOf } from './state.ts';
import { StepBytes } from './step-bytes.ts';
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
  readonly #bytes = new StepBytes();
  readonly #recent: readonly RecentChanges[];
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
      const { afterCommit, beforeCommit, duringCommit } = options;
      store = new Store(options.directory, { beforeCommit, duringCommit, afterCommit });
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
    this.#recent = Array.from({ length: this.partitions }, () => new RecentChanges(this.#limits.changesMax));
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

  before(key: string): Change | undefined {
    const before = this.#store.before(key);
    // What a failed flush left behind was never durable.
    return before !== undefined && before.offset > this.head(before.partition) ? this.get(key) : before;
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
      const { bytes, collected, write } = this.#prepare(step, draft);
      await this.#store.commit(write, bytes, step.onFlushing);
      this.#reads.adopt(draft);
      this.#remember(step.placed, collected);
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
  #prepare(
    step: Step,
    draft: DraftState,
  ): { readonly write: () => void; readonly bytes: number; readonly collected: readonly Collected[] } {
    const store = this.#store;
    store.forgetDeferred();
    step.also?.();
    this.#bytes.encode(step.placed);
    const state = this.#reads.state;
    const incoming = new Array<number>(this.partitions).fill(0);
    for (const { change } of step.placed) incoming[change.partition] = (incoming[change.partition] as number) + 1;
    const examineMax = incoming.map((count) => count * 2 + TRIM_EXTRA);
    const replaced = this.#replacedBy(step.placed, examineMax);
    const trims: Trim[] = [];
    for (let partition = 0; partition < this.partitions; partition += 1) {
      const recent = this.#recent[partition] as RecentChanges;
      const examined = examineMax[partition] as number;
      const more = incoming[partition] as number;
      const limits = this.#limits;
      const trim = planTrim(store, state, recent, partition, step.nowMicros, limits, replaced, examined, more);
      if (trim !== undefined) trims.push(trim);
    }
    const collected = planCollection(store, step.nowMicros, this.#limits, replaced, step.collectMax ?? 0);
    this.#reads.beginStep(step.placed, replaced, trims, collected);
    const write = () => {
      for (const trim of trims) applyTrim(store, draft, trim);
      applyCollection(store, draft, collected);
      const { placed } = step;
      for (let index = 0; index < placed.length; index += 1)
        this.#write(placed[index] as Placed, index, draft, state.historyFloors);
      store.writeDeferred();
      store.writeState(draft);
    };
    return {
      write,
      bytes: bytesOf(step.placed, this.#bytes.recordsBytes, trims, collected, store.deferred()),
      collected,
    };
  }

  /**
   * What is durable now, will not be the last of its key, and may be taken by this step: what lies no further beyond the floor than
   * it can move, and tombstones. Their records are read here, while they are there.
   */
  #replacedBy(placed: readonly Placed[], examineMax: readonly number[]): Replaced {
    const replaced = Array.from({ length: this.partitions }, () => new Map<number, Change>());
    const { heads, historyFloors } = this.#reads.state;
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

  #write({ before, change }: Placed, index: number, draft: DraftState, floors: readonly number[]): void {
    const store = this.#store;
    const { partition } = change;
    const recordBytes = this.#bytes.recordBytes(index);
    store.putChange(change, this.#bytes, index);
    draft.heads[partition] = change.offset;
    draft.bytes += recordBytes;
    draft.windowBytes[partition] = (draft.windowBytes[partition] as number) + recordBytes;
    if (before !== undefined && before.offset <= (floors[partition] as number)) {
      draft.bytes -=
        before instanceof PlacedEntry ? before.recordBytes : (store.peekChange(partition, before.offset)?.length ?? 0);
      store.removeChange(partition, before.offset);
    }
    if (before === undefined || before.op === 'remove') draft.keys += 1;
    if (change.op === 'remove') draft.keys -= 1;
    if (isElsewhere(before) || isElsewhere(change)) this.#writeBeside(before, change);
  }

  /** When an entry is due, or its tombstone can go. */
  #writeBeside(before: Change | undefined, change: Change): void {
    const store = this.#store;
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

  #remember(placed: readonly Placed[], collected: readonly Collected[]): void {
    for (let index = 0; index < placed.length; index += 1) {
      const { before, change } = placed[index] as Placed;
      const recent = this.#recent[change.partition] as RecentChanges;
      recent.add(change, this.#bytes.recordBytes(index));
      if (before !== undefined) recent.supersede(before.offset);
    }
    for (const { place } of collected) if (place !== undefined) this.#recent[place.partition]?.forget(place.offset);
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

function isElsewhere(entry: Change | undefined): boolean {
  return entry !== undefined && (entry.op === 'remove' || entry.expires !== undefined || entry.valid !== undefined);
}

const EMPTY = Buffer.alloc(0);
