import { randomUUID } from 'node:crypto';
import { LatchkeyError, type Position } from '@latchkey/client';
import { decideDue } from '../commands/due.ts';
import type { Settings } from '../config/settings.ts';
import type { Access } from '../shared/access.ts';
import type { Clock } from '../shared/clock.ts';
import type { ReportFault } from '../shared/logger.ts';
import type { WritableView } from '../view/view.ts';
import { notDecided } from './batch-refusals.ts';
import { BatchRun } from './batch-run.ts';
import { DeadLetterTable } from './dead-letter-table.ts';
import { IdempotencyTable } from './idempotency-table.ts';
import { JobQueue, type Touched } from './job-queue.ts';
import { LocalLeases } from './local-leases.ts';
import type { Batch, Log, LogState, OutcomeCounts, Settled } from './log.ts';
import { ProgressTable } from './progress-table.ts';
import { type Mark, STEP_CHANGES_MAX, Stage } from './stage.ts';

const COLLECT_MAX = 1000;
/** The wall clock may jump: what is due is looked for at least this often while anything waits. */
const DUE_CHECK_MS = 1000;
const RETRY_MS = 2000;
const NOTHING: Mark = { placed: 0, bytes: 0, undos: 0 };

export interface LocalLogOptions {
  readonly view: WritableView;
  readonly access: Access;
  readonly clock: Clock;
  readonly settings: Pick<Settings, 'limits' | 'deciding' | 'deadLetters' | 'idempotency'>;
  readonly reportFault: ReportFault;
}

/**
 * The embedded log: stands between everybody who submits and the view on this machine. All that arrives in one turn is decided
 * together and made durable in one transaction; while that is flushed, what arrived since is decided on top of it, as far as it can
 * be taken back should the flush fail.
 *
 * Invariant: one step is on its way at a time, jobs are settled in the order in which they were submitted, and none before the step
 * that its decision was made on.
 */
export class LocalLog implements Log {
  readonly kind = 'local';
  readonly node = randomUUID().slice(0, 8);
  readonly view: WritableView;
  readonly outcomes: OutcomeCounts;
  readonly deadLetters: DeadLetterTable;
  readonly leases: LocalLeases;
  readonly #progress: ProgressTable;
  readonly #idempotency: IdempotencyTable;
  readonly #options: LocalLogOptions;
  readonly #jobs: JobQueue;
  #leaseWrites: {
    readonly write: () => void;
    readonly resolve: () => void;
    readonly reject: (error: unknown) => void;
  }[] = [];
  #pump: Promise<void> | undefined;
  /** Of the step that is being flushed, once all of it is handed over. */
  #flushing: Stage | undefined;
  /** Decided on top of that. */
  #ahead: { readonly stage: Stage; readonly touched: Touched[] } | undefined;
  #isAheadScheduled = false;
  #timer: NodeJS.Timeout | undefined;
  #failure: string | undefined;
  #isDuesTurn = false;
  #isClosing = false;
  #closed: Promise<void> | undefined;

  /** Decides what fell due while nobody ran, then answers. */
  static async open(options: LocalLogOptions): Promise<LocalLog> {
    const log = new LocalLog(options);
    await log.settleDue();
    return log;
  }

  private constructor(options: LocalLogOptions) {
    this.#options = options;
    const { settings, view } = options;
    this.#jobs = new JobQueue({ limits: settings.limits, view, bug: (error) => this.#bug(error) });
    this.view = view;
    this.outcomes = this.#jobs.told;
    const ledger = view.table('ledger');
    this.deadLetters = new DeadLetterTable(view.table('deadLetters'), ledger, settings.deadLetters);
    this.leases = new LocalLeases(view.table('leases'), options.clock, (write) => this.#durably(write));
    this.#progress = new ProgressTable(view.table('progress'));
    const tables = { table: view.table('idempotency'), order: view.table('idempotencyOrder'), ledger };
    this.#idempotency = new IdempotencyTable(tables, view, settings.idempotency);
  }

  submit(batch: Batch): Promise<Settled> {
    if (this.#isClosing) return Promise.reject(closing());
    const { access, settings } = this.#options;
    const parts = {
      view: this.view,
      access,
      settings,
      progress: this.#progress,
      idempotency: this.#idempotency,
      leases: this.leases,
      deadLetters: this.deadLetters,
    };
    const settled = this.#jobs.enter(new BatchRun(batch, parts), this.#ahead !== undefined);
    this.#wake();
    this.#scheduleAhead();
    return settled;
  }

  async progress(source: string): Promise<Readonly<Record<string, string>>> {
    return this.#progress.read(source);
  }

  state(): LogState {
    if (this.#isClosing) return { isReady: false, reason: 'the server is stopping' };
    return this.#failure === undefined ? { isReady: true } : { isReady: false, reason: this.#failure };
  }

  async backup(path: string): Promise<{ readonly bytes: number; readonly position: Position }> {
    const position = this.view.position();
    const { bytes } = await this.view.backup(path);
    return { bytes, position };
  }

  /** Decides everything that is due now. */
  async settleDue(): Promise<void> {
    this.#wake();
    await this.#pump;
  }

  close(): Promise<void> {
    this.#isClosing = true;
    this.#closed ??= (async () => {
      while (this.#pump !== undefined) await this.#pump;
      clearTimeout(this.#timer);
      await this.view.close();
    })();
    return this.#closed;
  }

  #durably(write: () => void): Promise<void> {
    if (this.#isClosing) return Promise.reject(closing());
    return new Promise((resolve, reject) => {
      this.#leaseWrites.push({ write, resolve, reject });
      this.#wake();
    });
  }

  #wake(): void {
    this.#pump ??= this.#runPump().catch((error: unknown) => this.#options.reportFault('log', error));
  }

  async #runPump(): Promise<void> {
    // What else arrives in this turn of the event loop goes into the same step.
    await nextTurn();
    try {
      let hasMoreDue = true;
      // Asked anew after each step: whoever was just answered may have submitted again in the same turn.
      while (hasMoreDue || this.#hasWork) hasMoreDue = await this.#step();
    } finally {
      this.#pump = undefined;
      this.#schedule();
    }
  }

  get #hasWork(): boolean {
    return this.#jobs.length > 0 || this.#ahead !== undefined || this.#leaseWrites.length > 0;
  }

  /** Decides and commits one step; whether more is due already. */
  async #step(): Promise<boolean> {
    const stage = this.#ahead?.stage ?? new Stage(this.view);
    const touched = this.#ahead?.touched ?? [];
    this.#ahead = undefined;
    stage.settleBelow();
    const leaseWrites = this.#leaseWrites;
    this.#leaseWrites = [];
    let hasMoreDue = false;
    try {
      hasMoreDue = this.#decideStep(stage, touched);
    } catch (error) {
      stage.rollback(NOTHING);
      const told = this.#bug(error);
      for (const { reject } of leaseWrites) reject(told);
      this.#jobs.settle(touched, told);
      await nextTurn();
      return false;
    }
    const hasTombstones = stage.isEmpty && this.#isCollectionDue(stage.nowMicros);
    if (stage.isEmpty && leaseWrites.length === 0 && !hasTombstones) {
      this.#jobs.settle(touched, undefined);
      // Without a flush to wait for, a long removal or a stream of reads would never let the event loop turn.
      await nextTurn();
      return false;
    }
    let failure: unknown;
    try {
      await this.view.apply({
        placed: stage.placed,
        nowMicros: stage.nowMicros,
        collectMax: COLLECT_MAX,
        also: () => {
          this.#progress.write();
          this.#idempotency.write(stage.nowMicros);
          this.deadLetters.write(stage.nowMicros);
          for (const { write } of leaseWrites) write();
        },
        onFlushing: () => {
          this.#flushing = stage;
          this.#scheduleAhead();
        },
      });
      this.#failure = undefined;
    } catch (error) {
      failure = error;
      // Told once: a full disk refuses thousands of writes for one reason.
      if (this.#failure === undefined) this.#options.reportFault('log', error);
      this.#failure = error instanceof Error ? error.message : 'the store failed';
      this.#takeBackAhead();
    } finally {
      this.#flushing = undefined;
    }
    this.#progress.settle();
    this.#idempotency.settle(failure === undefined);
    this.deadLetters.settle(failure === undefined);
    for (const { resolve, reject } of leaseWrites) failure === undefined ? resolve() : reject(failure);
    this.#jobs.settle(touched, failure);
    return failure === undefined && (hasMoreDue || this.#isCollectionDue(stage.nowMicros));
  }

  /** Whether there may be more that is due. */
  #decideStep(stage: Stage, touched: Touched[]): boolean {
    // Both go first in turn, so that neither a flood of what is due nor one of writes holds up the other for more than a step.
    this.#isDuesTurn = this.#jobs.length === 0 || !this.#isDuesTurn;
    const hasMoreDue = this.#isDuesTurn && this.#decideDues(stage);
    this.#jobs.decide(stage, touched);
    return this.#isDuesTurn ? hasMoreDue : this.#decideDues(stage);
  }

  /** Decides what fell due as far as the step takes it; whether there may be more. */
  #decideDues(stage: Stage): boolean {
    if (stage.isFull) return true;
    const max = STEP_CHANGES_MAX - stage.placed.length;
    const dues = this.view.due(stage.nowMicros, max);
    for (const { key } of dues) {
      const entry = stage.get(key);
      const draft = entry === undefined ? undefined : decideDue(entry, stage.nowMicros);
      if (draft !== undefined) stage.add(draft);
      if (stage.isFull) return true;
    }
    return dues.length === max;
  }

  // A turn later, when LMDB has begun: until then it would wait for what is decided here.
  #scheduleAhead(): void {
    if (this.#isAheadScheduled || this.#flushing === undefined || this.#jobs.length === 0) return;
    this.#isAheadScheduled = true;
    setImmediate(() => {
      this.#isAheadScheduled = false;
      if (this.#flushing !== undefined) this.#decideAhead(this.#flushing);
    });
  }

  #decideAhead(flushing: Stage): void {
    // What is due is decided from what is durable, and must have its turn.
    if (this.#ahead === undefined && this.#isCollectionDue(this.view.nowMicros())) return;
    this.#ahead ??= { stage: new Stage(this.view, flushing), touched: [] };
    this.#jobs.decide(this.#ahead.stage, this.#ahead.touched, (run) => run.isPlain);
  }

  /** What it was decided on came to nothing: it is decided again, from what is durable. */
  #takeBackAhead(): void {
    const touched = this.#ahead?.touched ?? [];
    this.#ahead = undefined;
    this.#jobs.takeBack(touched);
  }

  #isCollectionDue(nowMicros: number): boolean {
    const next = this.view.nextDueMicros();
    return next !== undefined && next <= nowMicros;
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    if (this.#isClosing) return;
    const next = this.view.nextDueMicros();
    if (next === undefined) return;
    const delayMs = Math.max(1, Math.min(DUE_CHECK_MS, Math.ceil((next - this.view.nowMicros()) / 1000)));
    this.#timer = setTimeout(() => this.#wake(), this.#failure === undefined ? delayMs : RETRY_MS);
    this.#timer.unref();
  }

  #bug(error: unknown): LatchkeyError {
    this.#options.reportFault('log', error);
    return notDecided(error);
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function closing(): LatchkeyError {
  return new LatchkeyError('closing', 'The server is stopping; come back, to this or another node.', { retryAfter: 1 });
}
