import { LatchkeyError, type Position } from '@latchkey/client';
import type { Settings } from '../config/settings.ts';
import type { Change } from '../shared/change.ts';
import type { Clock } from '../shared/clock.ts';
import { type Epoch, EpochTable } from '../shared/epochs.ts';
import { Announcements } from './announcements.ts';
import { bytesOf, isElsewhere, writeBeside } from './beside.ts';
import { type DirectoryLock, lockDirectory } from './directory-lock.ts';
import { prepareDirectory, readEpochs } from './environment.ts';
import { LogClock } from './log-clock.ts';
import { PlacedEntry } from './place.ts';
import { ViewReads } from './reads.ts';
import { RecentChanges } from './recent-changes.ts';
import { claimDirectory, deferEpochs, knownEpochs, LOCAL_OWNER, startEpoch } from './start-epoch.ts';
import { type DraftState, draftOf, emptyState, finishDraft } from './state.ts';
import { StepBytes } from './step-bytes.ts';
import { clearStore, type Failpoints, Store } from './store.ts';
import { lmdbTable, nextDue, readDues } from './tables.ts';
import { type FlushOptions, UnflushedMark } from './unflushed.ts';
import type {
  Due,
  ListOptions,
  ListPage,
  LogTime,
  Placed,
  ScanOptions,
  ScanPage,
  Step,
  StoredEntry,
  Table,
  TableName,
  WritableView,
} from './view.ts';
import { Waiters } from './waiters.ts';
import {
  applyCollection,
  applyTrim,
  type Collected,
  collectable,
  NO_WINDOW,
  planCollection,
  planCollectionTo,
  planTrim,
  replacedBy,
  type Trim,
  type WindowLimits,
  windowLimits,
} from './window.ts';

const WAITERS_MAX = 10_000;
/** Beyond what a step brings in, so that a window that was made smaller is reached in time. */
const TRIM_EXTRA = 1000;
/** What an empty store takes, and LMDB's list of the pages that were freed. */
const RESET_BYTES = 16 * 1024 * 1024;

/** The failpoints are for tests; they are called for the start of the epoch too. */
export interface LmdbViewOptions extends Failpoints, FlushOptions {
  readonly partitions?: number;
  readonly settings: Pick<Settings, 'history' | 'tombstones'>;
  readonly clock: Clock;
  /** The log's `now`; absent: the wall clock of this machine, made never to go back. */
  readonly time?: LogTime | undefined;
  /** `opening`: each opening of the directory begins one; `log`: they come with its steps, and before the first there is a nameless one. */
  readonly epochs?: 'opening' | 'log' | undefined;
  /** Called when a step is durable and announced, before whoever handed it in knows: how other processes are woken. */
  readonly onStep?: ((steps: number) => void) | undefined;
}

/**
 * Stands between a log, which hands it one step after another, and everybody who reads. It decides nothing, and starts no work of
 * its own.
 *
 * Invariant: what any read returns is at or below `head`, and `head` is flushed, or durable in the log elsewhere. Floors are raised before records go.
 */
export class LmdbView implements WritableView {
  readonly partitions: number;
  #epochs: EpochTable;
  readonly #store: Store;
  readonly #lock: DirectoryLock;
  readonly #unflushed: UnflushedMark | undefined;
  readonly #limits: WindowLimits;
  readonly #time: LogTime;
  readonly #reads: ViewReads;
  readonly #announcements: Announcements;
  readonly #tables = new Map<TableName, Table>();
  readonly #waiters = new Waiters(WAITERS_MAX);
  readonly #bytes = new StepBytes();
  readonly #recent: readonly RecentChanges[];
  /** While the view is filled: what readers are shown of the heads. */
  #shownHeads: readonly number[] | undefined;
  readonly #onStep: ((steps: number) => void) | undefined;
  #isApplying = false;

  /** @throws LatchkeyError `data-unwritable`, `data-in-use`, `data-newer`, `data-corrupt`, `storage-full` */
  static async open(options: LmdbViewOptions): Promise<LmdbView> {
    prepareDirectory(options.directory);
    const lock = await lockDirectory(options.directory);
    let store: Store | undefined;
    let unflushed: UnflushedMark | undefined;
    try {
      const partitions = options.partitions ?? 1;
      const { afterCommit, beforeCommit, directory, duringCommit, owner = LOCAL_OWNER } = options;
      unflushed = await UnflushedMark.settle(options);
      const isUnflushed = unflushed !== undefined;
      store = new Store(directory, { beforeCommit, duringCommit, afterCommit, isUnflushed });
      const state = store.readState(partitions);
      const first = state.heads.map((head) => head + 1);
      claimDirectory(store, owner);
      const before = readEpochs(store.meta, directory);
      const epochs = options.epochs === 'log' ? knownEpochs(store, before, first) : startEpoch(store, before, first);
      await store.commit(() => store?.writeDeferred());
      return new LmdbView(options, store, lock, unflushed, new EpochTable(epochs));
    } catch (error) {
      await store?.close();
      await unflushed?.end();
      await lock.release();
      throw error;
    }
  }

  private constructor(
    options: LmdbViewOptions,
    store: Store,
    lock: DirectoryLock,
    unflushed: UnflushedMark | undefined,
    epochs: EpochTable,
  ) {
    this.#epochs = epochs;
    this.partitions = epochs.partitions;
    this.#store = store;
    this.#lock = lock;
    this.#unflushed = unflushed;
    this.#announcements = new Announcements(options.reportFault);
    this.#onStep = options.onStep;
    this.#limits = windowLimits(options.settings, this.partitions);
    this.#recent = Array.from({ length: this.partitions }, () => new RecentChanges(this.#limits.changesMax));
    const state = store.readState(this.partitions);
    this.#time = options.time ?? new LogClock(options.clock, 0);
    this.#time.raise(state.nowMicros);
    this.#reads = new ViewReads(store, state, () => this.#time.nowMicros());
  }

  get epochs(): EpochTable {
    return this.#epochs;
  }

  get #heads(): readonly number[] {
    return this.#shownHeads ?? this.#reads.state.heads;
  }

  head(partition: number): number {
    return this.#heads[partition] ?? 0;
  }

  position(): Position {
    return { epoch: this.epochs.current, components: this.#heads.map((offset) => ({ offset })) };
  }

  nowMicros(): number {
    return this.#time.nowMicros();
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
    const head = before === undefined ? 0 : (this.#reads.state.heads[before.partition] as number);
    return before !== undefined && before.offset > head ? this.get(key) : before;
  }

  stored(key: string): StoredEntry | undefined {
    return this.#reads.stored(key);
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
    return this.#announcements.onDurable(listener);
  }

  onSkipped(listener: () => void): () => void {
    return this.#announcements.onSkipped(listener);
  }

  reach(position: Position, timeoutMs: number, signal?: AbortSignal): Promise<void> {
    const isReached = () => position.components.every(({ offset }, partition) => offset <= this.head(partition));
    return this.#waiters.until(isReached, timeoutMs, signal);
  }

  table(name: TableName): Table {
    const known = this.#tables.get(name);
    if (known !== undefined) return known;
    // Opening one again costs as much as several writes.
    const table = lmdbTable(this.#store, this.#store.environment.database(name));
    this.#tables.set(name, table);
    return table;
  }

  due(nowMicros: number, max: number): readonly Due[] {
    return readDues(this.#store, nowMicros, max);
  }

  nextDueMicros(): number | undefined {
    return nextDue(this.#store, this.#limits.tombstoneAgeMaxMicros);
  }

  collectable(nowMicros: number, max: number): readonly { readonly key: string; readonly offset: number }[] {
    return collectable(this.#store, nowMicros, this.#limits, max);
  }

  async apply(step: Step): Promise<void> {
    await this.#alone(async () => {
      const draft = draftOf(this.#reads.state);
      draft.steps += 1;
      draft.nowMicros = Math.max(draft.nowMicros, step.nowMicros);
      const { bytes, collected, write } = this.#prepare(step, draft);
      await this.#store.commit(write, bytes, step.onFlushing);
      if (step.fill === 'more') this.#shownHeads ??= this.#reads.state.heads;
      else this.#shownHeads = undefined;
      this.#reads.adopt(draft);
      if (step.epochs !== undefined) this.#epochs = new EpochTable(step.epochs);
      this.#remember(step, collected);
    });
    this.#time.raise(step.nowMicros);
    this.#publish(step);
    this.#onStep?.(this.#reads.state.steps);
  }

  async reset(epochs: readonly Epoch[], also: () => void): Promise<void> {
    await this.#alone(async () => {
      const store = this.#store;
      const state = { ...emptyState(this.partitions), steps: this.steps + 1, nowMicros: this.#reads.state.nowMicros };
      store.forgetDeferred();
      also();
      deferEpochs(store, epochs);
      await store.commit(() => {
        clearStore(store);
        store.writeDeferred();
        store.writeState(state);
      }, RESET_BYTES);
      this.#shownHeads = undefined;
      this.#reads.adopt(state);
      this.#epochs = new EpochTable(epochs);
      for (const recent of this.#recent) recent.restart();
    });
    this.#announcements.tellSkipped();
    this.#waiters.check();
    this.#onStep?.(this.steps);
  }

  async #alone(write: () => Promise<void>): Promise<void> {
    if (this.#isApplying) throw new Error('a step was applied while another was');
    this.#isApplying = true;
    try {
      await write();
    } finally {
      this.#reads.endStep();
      this.#isApplying = false;
    }
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
    await this.#unflushed?.end();
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
    if (step.epochs !== undefined) deferEpochs(store, step.epochs);
    this.#bytes.encode(step.placed);
    const state = this.#reads.state;
    const incoming = new Array<number>(this.partitions).fill(0);
    for (const { change } of step.placed) incoming[change.partition] = (incoming[change.partition] as number) + 1;
    const limits = step.fill === undefined ? this.#limits : NO_WINDOW;
    const examineMax = incoming.map((count) =>
      step.fill === undefined ? count * 2 + TRIM_EXTRA : Number.POSITIVE_INFINITY,
    );
    const replaced = replacedBy(step.placed, state, examineMax);
    const trims: Trim[] = [];
    for (let partition = 0; partition < this.partitions; partition += 1) {
      const recent = this.#recent[partition] as RecentChanges;
      const examined = examineMax[partition] as number;
      const more = incoming[partition] as number;
      const trim = planTrim(store, state, recent, partition, step.nowMicros, limits, replaced, examined, more);
      if (trim !== undefined) trims.push(trim);
    }
    const collected =
      step.collectTo === undefined
        ? planCollection(store, step.nowMicros, this.#limits, replaced, step.collectMax ?? 0)
        : planCollectionTo(store, step.collectTo, replaced);
    this.#reads.beginStep(step.placed, replaced, trims, collected, step.collectTo);
    const write = () => {
      for (const trim of trims) applyTrim(store, draft, trim);
      applyCollection(store, draft, collected);
      const { placed } = step;
      for (let index = 0; index < placed.length; index += 1)
        this.#write(placed[index] as Placed, index, draft, state.historyFloors);
      finishDraft(draft, step);
      store.writeDeferred();
      store.writeState(draft);
    };
    return {
      write,
      bytes: bytesOf(step.placed, this.#bytes.recordsBytes, trims, collected, store.deferred()),
      collected,
    };
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
    if (isElsewhere(before) || isElsewhere(change)) writeBeside(store, before, change);
  }

  #remember({ fill, head, placed }: Step, collected: readonly Collected[]): void {
    if (fill !== undefined) {
      for (const recent of this.#recent) recent.restart();
      return;
    }
    for (let index = 0; index < placed.length; index += 1) {
      const { before, change } = placed[index] as Placed;
      const recent = this.#recent[change.partition] as RecentChanges;
      recent.add(change, this.#bytes.recordBytes(index));
      if (before !== undefined) recent.supersede(before.offset);
    }
    if (head !== undefined) this.#recent[0]?.skipTo(head);
    for (const { place } of collected) if (place !== undefined) this.#recent[place.partition]?.forget(place.offset);
  }

  #publish({ fill, placed }: Step): void {
    if (fill === 'more') return;
    if (fill === 'last') this.#announcements.tellSkipped();
    else if (placed.length > 0) this.#announcements.tell(placed.map(({ change }) => change));
    this.#waiters.check();
  }
}
