import { LatchkeyError, type Position } from '@latchkey/client';
import type { Change } from '../shared/change.ts';
import type { Clock } from '../shared/clock.ts';
import { EpochTable } from '../shared/epochs.ts';
import type { ReportFault } from '../shared/logger.ts';
import { type Moment, readEpochs } from './environment.ts';
import { LogClock } from './log-clock.ts';
import { ViewReads } from './reads.ts';
import type { ViewState } from './state.ts';
import { Store } from './store.ts';
import { lmdbTable } from './tables.ts';
import {
  type FollowingView,
  type ListOptions,
  type ListPage,
  type ReadableTable,
  type ScanOptions,
  type ScanPage,
  TABLE_NAMES,
  type TableName,
  type View,
} from './view.ts';
import { Waiters } from './waiters.ts';

const WAITERS_MAX = 10_000;
/** A page of what is announced; the feed hands out what it has at such sizes. */
const PAGE = { changesMax: 5000, bytesMax: 4 * 1024 * 1024, skipSuperseded: false, skipRemoves: false };

/** Who lags by more pages is not told each change: whoever follows then reads the view. */
const PAGES_MAX = 10;

export interface FollowerOptions {
  readonly directory: string;
  readonly clock: Clock;
  readonly reportFault: ReportFault;
  /** The writer's newest step that is durable. */
  readonly step: number;
  /** For tests, which have fewer changes. */
  readonly page?: { readonly changesMax: number };
}

interface Seen {
  readonly moment: Moment;
  readonly state: ViewState;
}

/**
 * The view of a process that does not write: it reads the file that another process writes. It stands between that process, which
 * says by number which steps are durable, and the readers of this one. A moment of the store is held between two such words, so
 * that nothing changes while nobody was told. LMDB may show a step before its writer has said that it is durable: such a moment is
 * kept aside until then, and the one before is read on from.
 *
 * Invariant: `#shown.state.steps` is at most the step that the writer has announced, and never goes back.
 */
export class Follower implements FollowingView {
  readonly epochs: EpochTable;
  readonly partitions: number;
  readonly #store: Store;
  readonly #tables = new Map<TableName, ReadableTable>();
  readonly #clock: LogClock;
  readonly #reads: ViewReads;
  readonly #page: typeof PAGE;
  readonly #reportFault: ReportFault;
  readonly #listeners = new Set<(changes: readonly Change[]) => void>();
  readonly #skippedListeners = new Set<() => void>();
  readonly #waiters = new Waiters(WAITERS_MAX);
  #announced: number;
  #shown: Seen;
  /** Newer than what was announced. */
  #aside: Seen | undefined;

  /** @throws LatchkeyError `data-corrupt`, `data-newer` */
  constructor(options: FollowerOptions) {
    this.#store = new Store(options.directory, { isReadOnly: true });
    this.epochs = new EpochTable(readEpochs(this.#store.meta, options.directory));
    this.partitions = this.epochs.partitions;
    this.#page = { ...PAGE, ...options.page };
    this.#reportFault = options.reportFault;
    // All of them now: opening one ends the transactions that LMDB has handed out.
    for (const name of TABLE_NAMES) {
      this.#tables.set(name, lmdbTable(this.#store, this.#store.environment.database(name)));
    }
    this.#announced = options.step;
    this.#shown = this.#look();
    this.#store.moment = this.#shown.moment;
    this.#clock = new LogClock(options.clock, this.#shown.state.nowMicros);
    this.#reads = new ViewReads(this.#store, this.#shown.state, () => this.#clock.nowMicros());
  }

  get isOpen(): boolean {
    return this.#shown.state.steps <= this.#announced;
  }

  /** The step up to which everything is shown here. */
  get step(): number {
    return this.#shown.state.steps;
  }

  /** The writer says that everything up to that step is durable, and how late it is there. Only in a turn of its own. */
  announce(step: number, nowMicros: number): void {
    this.#clock.raise(nowMicros);
    if (step <= this.#announced) return;
    this.#announced = step;
    const aside = this.#aside;
    if (aside !== undefined && aside.state.steps <= step) {
      this.#aside = undefined;
      this.#show(aside);
    }
    if (this.#aside === undefined && this.#shown.state.steps < step) {
      const seen = this.#look();
      if (seen.state.steps <= step) this.#show(seen);
      else this.#aside = seen;
    }
    this.#waiters.check();
  }

  /**
   * Resolves when it may be read: at first the store may show only what is newer than what was announced.
   * @throws LatchkeyError `position-ahead` when nothing more was announced within `timeoutMs`
   */
  opened(timeoutMs: number): Promise<void> {
    return this.#waiters.until(() => this.isOpen, timeoutMs);
  }

  shown(step: number, timeoutMs: number): Promise<void> {
    // Late is not wrong: the step is durable, and whoever waits has been told so.
    return this.#waiters.until(() => this.step >= step, timeoutMs).catch(() => undefined);
  }

  head(partition: number): number {
    return this.#shown.state.heads[partition] ?? 0;
  }

  position(): Position {
    return { epoch: this.epochs.current, components: this.#shown.state.heads.map((offset) => ({ offset })) };
  }

  knownHead(partition: number): number {
    const newest = this.#look();
    const head = newest.state.heads[partition] ?? 0;
    newest.moment.transaction.done();
    return head;
  }

  nowMicros(): number {
    return this.#clock.nowMicros();
  }

  historyFloor(partition: number): number {
    return this.#shown.state.historyFloors[partition] ?? 0;
  }

  tombstoneFloor(partition: number): number {
    return this.#shown.state.tombstoneFloors[partition] ?? 0;
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

  counts(): ReturnType<View['counts']> {
    return { keys: this.#shown.state.keys, bytes: this.#shown.state.bytes };
  }

  table(name: TableName): ReadableTable {
    return this.#tables.get(name) as ReadableTable;
  }

  onDurable(listener: (changes: readonly Change[]) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  onSkipped(listener: () => void): () => void {
    this.#skippedListeners.add(listener);
    return () => this.#skippedListeners.delete(listener);
  }

  reach(position: Position, timeoutMs: number, signal?: AbortSignal): Promise<void> {
    const isReached = () => position.components.every(({ offset }, partition) => offset <= this.head(partition));
    return this.#waiters.until(isReached, timeoutMs, signal);
  }

  async close(): Promise<void> {
    this.#waiters.abort(new LatchkeyError('closing', 'The server is stopping; come back, to this or another node.'));
    this.#aside?.moment.transaction.done();
    this.#shown.moment.transaction.done();
    await this.#store.close();
  }

  #look(): Seen {
    const { moment: before } = this.#store;
    const moment = this.#store.newest();
    this.#store.moment = moment;
    const state = this.#store.readState(this.partitions);
    this.#store.moment = before;
    return { moment, state };
  }

  #show(seen: Seen): void {
    const before = this.#shown;
    this.#shown = seen;
    this.#store.moment = seen.moment;
    this.#reads.adopt(seen.state);
    this.#reads.endStep();
    before.moment.transaction.done();
    this.#clock.raise(seen.state.nowMicros);
    if (!this.#tellChanges(before.state.heads)) this.#tell(this.#skippedListeners, undefined);
  }

  /** False: not all of them are held any more, or they are too many. */
  #tellChanges(from: readonly number[]): boolean {
    let pages = 0;
    for (const [partition, start] of from.entries()) {
      const until = this.head(partition);
      const heldFrom = Math.max(this.historyFloor(partition), this.tombstoneFloor(partition));
      if (until > start && heldFrom > start) return false;
      for (let after = start; after < until; ) {
        if (pages === PAGES_MAX) return false;
        pages += 1;
        const page = this.scan(partition, after, { ...this.#page, until });
        this.#tell(this.#listeners, page.changes);
        after = page.reached;
      }
    }
    return true;
  }

  #tell<T>(listeners: Iterable<(told: T) => void>, told: T): void {
    for (const listener of listeners) {
      try {
        listener(told);
      } catch (error) {
        // The step is durable whatever a reader makes of it.
        this.#reportFault('view', error);
      }
    }
  }
}
