import { randomUUID } from 'node:crypto';
import { LatchkeyError, type Position } from '@latchkey/client';
import type { Settings } from '../config/settings.ts';
import type { Access } from '../shared/access.ts';
import type { Clock } from '../shared/clock.ts';
import type { Logger, ReportFault } from '../shared/logger.ts';
import type { WritableView } from '../view/view.ts';
import { notDecided } from './batch-refusals.ts';
import { JobQueue } from './job-queue.ts';
import type { Batch, Log, LogState, OutcomeCounts, Settled } from './log.ts';
import { Alignment } from './redis/alignment.ts';
import { Appending, mayPass } from './redis/appending.ts';
import { AskedReplicas } from './redis/asked-replicas.ts';
import { catchingUp } from './redis/catching-up.ts';
import { Deciding } from './redis/deciding.ts';
import { Duties } from './redis/duties.ts';
import { Emptied } from './redis/emptied.ts';
import { Patience } from './redis/patience.ts';
import { Pump } from './redis/pump.ts';
import { Rebuild } from './redis/rebuild.ts';
import { RedisLeases } from './redis/redis-leases.ts';
import type { LogRecord, RedisStore, ServerFacts } from './redis/redis-store.ts';
import { closing, notReached, notYet, unsure } from './redis/refusals.ts';
import { Replica } from './redis/replica.ts';
import { checkServer, durabilityOf } from './redis/server-checks.ts';
import type { ServerTime } from './redis/server-time.ts';
import { followOthers } from './redis/tail.ts';
import { Unobserved } from './redis/unobserved.ts';
import { waited } from './redis/wait.ts';

/** A start waits so long for the Redis; then the node serves what it knows, and is not ready. */
const START_MS = 5000;
const RETRY_MS = 100;
/** What was submitted before `close` gets this long. */
const CLOSE_MS = 3000;

export interface RedisLogOptions {
  readonly view: WritableView;
  readonly store: RedisStore;
  /** The view's `now`. */
  readonly time: ServerTime;
  readonly access: Access;
  readonly clock: Clock;
  readonly settings: Pick<Settings, 'limits' | 'deciding' | 'deadLetters' | 'idempotency' | 'log'>;
  readonly logger: Logger;
  readonly reportFault: ReportFault;
}

/**
 * A log that any number of nodes write, each deciding on its own view: what was decided is appended to a Redis only while nobody else
 * has appended since. It stands between everybody who submits on this node and the Redis that all share.
 *
 * Invariant: everything that changes what is known of the log runs under `#alone`, one at a time.
 */
export class RedisLog implements Log {
  readonly kind = 'redis';
  readonly node = randomUUID().slice(0, 8);
  readonly view: WritableView;
  readonly outcomes: OutcomeCounts;
  readonly leases: RedisLeases;
  readonly #options: RedisLogOptions;
  readonly #jobs: JobQueue;
  readonly #deciding: Deciding;
  readonly #replica: Replica;
  readonly #alignment: Alignment;
  readonly #emptied: Emptied;
  readonly #pump: Pump;
  readonly #duties: Duties;
  readonly #unobserved: Unobserved;
  readonly #stop = new AbortController();
  readonly #patience = new Patience(() => this.#tellWaiting());
  readonly #unfitListeners = new Set<() => void>();
  #turn: Promise<void> = Promise.resolve();
  #running: Promise<void> | undefined;
  #following: Promise<void> | undefined;
  #isAligned = false;
  /** Resolved and made anew with each alignment. */
  #aligned = Promise.withResolvers<void>();
  /** Why writes fail, or would. */
  #failure: LatchkeyError | undefined;
  #facts: ServerFacts | undefined;
  #isClosing = false;
  #closed: Promise<void> | undefined;

  /**
   * Ready where the Redis answers in time.
   * @throws LatchkeyError `config-invalid` for a Redis that can't be used
   */
  static async open(options: RedisLogOptions): Promise<RedisLog> {
    const log = new RedisLog(options);
    try {
      await log.#start();
      return log;
    } catch (error) {
      await log.close();
      throw error;
    }
  }

  private constructor(options: RedisLogOptions) {
    const { clock, logger, settings, store, time, view } = options;
    const { node } = this;
    const { signal } = this.#stop;
    this.#options = options;
    this.view = view;
    this.leases = new RedisLeases(store, node);
    const bug = (error: unknown) => this.#bug(error);
    const jobs = new JobQueue({ limits: settings.limits, view, bug });
    const replica = new Replica({
      view,
      onUnfit: (error) => this.#unfit(error),
      onFit: () => this.#fit(),
      onForeign: () => this.#deciding.reload(),
    });
    const appending = new Appending({ store, node, logger, signal, onUnsure: () => this.#patience.begin() });
    this.#jobs = jobs;
    this.outcomes = jobs.told;
    this.#replica = replica;
    this.#deciding = new Deciding({ ...options, replica, leases: this.leases });
    const nowMicros = () => time.decidingMicros(replica.head.nowMicros);
    this.#duties = new Duties({ view, clock, node, leases: this.leases, nowMicros, wake: () => this.#wake() });
    this.#unobserved = new Unobserved(view, replica, store);
    const rebuild = new Rebuild({ store, view, replica, appending, time, logger });
    const reached = { store, replica, rebuild, appending, time, clock, node, logger, signal };
    this.#emptied = new Emptied({ ...reached, settings: settings.log });
    this.#alignment = new Alignment({
      ...{ store, view, replica, time, clock, appending, logger },
      emptied: this.#emptied,
      unobserved: this.#unobserved,
      check: (facts) => this.#check(facts),
    });
    const onResult = (failure: LatchkeyError | undefined) => this.#told(failure);
    const replicas = new AskedReplicas({ store, count: settings.log.wait, signal, onResult });
    this.#pump = new Pump({
      ...{ store, jobs, replica, appending, time, signal },
      deciding: this.#deciding,
      leases: this.leases,
      duties: this.#duties,
      unobserved: this.#unobserved,
      replicas,
      onAstray: () => this.#lose(),
      onBug: bug,
      onResult,
    });
  }

  get deadLetters(): Deciding['deadLetters'] {
    return this.#deciding.deadLetters;
  }

  submit(batch: Batch): Promise<Settled> {
    if (this.#isClosing) return Promise.reject(closing());
    if (this.#patience.isLost || this.#replica.isUnfit) return Promise.reject(this.#refusal());
    const settled = this.#jobs.enter(this.#deciding.run(batch), this.#pump.isBusy);
    this.#wake();
    this.#pump.came();
    return settled;
  }

  async progress(source: string): Promise<Readonly<Record<string, string>>> {
    return this.#deciding.progress(source);
  }

  catchUpTo(position: Position, timeoutMs: number, signal?: AbortSignal): Promise<void> | undefined {
    return catchingUp(this.#options, position, timeoutMs, signal);
  }

  state(): LogState {
    const reason = this.#reason();
    const facts = this.#facts;
    return {
      isReady: reason === undefined,
      ...(reason === undefined ? {} : { reason }),
      ...(facts === undefined ? {} : { durability: durabilityOf(facts, this.#options.settings.log.wait) }),
    };
  }

  async backup(path: string): Promise<{ readonly bytes: number; readonly position: Position }> {
    const position = this.view.position();
    const { bytes } = await this.view.backup(path);
    return { bytes, position };
  }

  onUnfit(listener: () => void): () => void {
    this.#unfitListeners.add(listener);
    return () => this.#unfitListeners.delete(listener);
  }

  /** Decides everything that is due now, if that is this node's to do. */
  async settleDue(): Promise<void> {
    this.#wake();
    while (this.#running !== undefined) await this.#running;
    await this.#replica.tried();
  }

  close(): Promise<void> {
    this.#isClosing = true;
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    const timer = setTimeout(() => this.#abandon(), CLOSE_MS);
    this.#wake();
    while (this.#running !== undefined) await this.#running;
    clearTimeout(timer);
    this.#duties.close();
    this.#patience.end();
    if (this.#isAligned) await this.leases.releaseAll();
    this.#stop.abort();
    this.#aligned.resolve();
    await this.#options.store.close();
    // Whoever applies records of others may wait for a view that is full.
    await Promise.all([this.#following, this.#replica.close()]);
    await this.view.close();
  }

  /** Nobody waits for the Redis any longer. */
  #abandon(): void {
    this.#pump.giveUp(unsure(this.#failure));
    this.#jobs.refuseAll(this.#failure ?? closing());
    this.#stop.abort();
    void this.#replica.close();
  }

  async #start(): Promise<void> {
    const { signal } = this.#stop;
    const { store } = this.#options;
    const failed = Promise.withResolvers<void>();
    this.#following = followOthers({
      store,
      replica: this.#replica,
      signal,
      quiet: () => this.#quiet(),
      onRecords: (records) => this.#take(records),
      onAstray: () => this.#lose(),
    });
    this.#onRefused = failed.reject;
    this.#wake();
    await Promise.race([this.#aligned.promise, failed.promise, waited(START_MS, signal)]);
    this.#onRefused = undefined;
    failed.promise.catch(() => undefined);
    // Others may write so much that this node comes to nothing of its own for long: then it is done while it serves.
    if (this.#isAligned) await Promise.race([this.settleDue(), waited(START_MS, signal)]);
  }

  /** While it starts: what makes going on useless. */
  #onRefused: ((error: unknown) => void) | undefined;

  #wake(): void {
    this.#running ??= this.#run();
  }

  async #run(): Promise<void> {
    // What else arrives in this turn of the event loop goes into the same step.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#hasWork) {
      try {
        await this.#alone(() => (this.#isAligned ? this.#pump.step() : this.#align()));
      } catch (error) {
        await this.#stumble(error);
      }
      // Whoever is answered then may submit again at once.
      if (!this.#hasWork) await this.#replica.tried();
    }
    // In the turn in which there was nothing more: a batch that comes after it begins anew.
    this.#running = undefined;
    this.#duties.schedule();
  }

  get #hasWork(): boolean {
    if (this.#stop.signal.aborted) return false;
    // A view that lags behind the log is nothing to decide on.
    if (this.#replica.isUnfit) return false;
    return this.#pump.hasWork || !(this.#isAligned || this.#isClosing);
  }

  async #align(): Promise<void> {
    this.#patience.begin();
    await this.#alignment.run();
    this.#isAligned = true;
    this.#patience.end();
    this.#told(undefined);
    this.#aligned.resolve();
  }

  async #stumble(error: unknown): Promise<void> {
    const { reportFault } = this.#options;
    this.#lose();
    if (!(error instanceof LatchkeyError)) reportFault('log', error);
    this.#told(error instanceof LatchkeyError ? error : this.#bug(error));
    if (error instanceof LatchkeyError && error.code === 'config-invalid') this.#onRefused?.(error);
    await waited(mayPass(error) ? RETRY_MS : RETRY_MS * 10, this.#stop.signal);
  }

  /** This node does not know any more where the log is. */
  #lose(): void {
    if (!this.#isAligned) return;
    this.#isAligned = false;
    this.#aligned = Promise.withResolvers();
    this.#pump.takeBackAhead();
    this.#wake();
  }

  async #take(records: readonly LogRecord[]): Promise<void> {
    await this.#alone(async () => {
      if (!this.#isAligned) return;
      const { head } = this.#replica;
      if (records.every(({ last }) => last <= head.offset)) return;
      this.#pump.takeBackAhead();
      if ((await this.#replica.foreign(records)) === 'gap') this.#lose();
    });
    this.#duties.schedule();
  }

  async #quiet(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      if (!this.#isAligned) await this.#aligned.promise;
      else if (this.#running !== undefined) await this.#running;
      else return;
    }
  }

  async #alone(work: () => Promise<void>): Promise<void> {
    const turn = this.#turn;
    const done = Promise.withResolvers<void>();
    this.#turn = done.promise;
    await turn;
    try {
      await work();
    } finally {
      done.resolve();
    }
  }

  #check(facts: ServerFacts): void {
    const { logger, settings } = this.#options;
    checkServer(facts, settings.log);
    const isNew = this.#facts?.runId !== facts.runId;
    this.#facts = facts;
    if (!isNew) return;
    const { means, persistence } = durabilityOf(facts, settings.log.wait);
    const level = persistence === 'none' || persistence === 'unknown' ? 'warn' : 'info';
    logger[level]({ persistence, version: facts.version }, `log redis: ${means}`);
  }

  #tellWaiting(): void {
    const refusal = this.#refusal();
    this.#pump.giveUp(unsure(refusal));
    this.#jobs.refuseAll(refusal);
  }

  #refusal(): LatchkeyError {
    const { reason } = this.#emptied;
    return this.#failure ?? (reason === undefined ? notReached() : notYet(reason));
  }

  #unfit(error: unknown): void {
    this.#options.reportFault('log', error);
    const cause = error instanceof Error ? error.message : 'the store failed';
    const message = `This node can't keep up with the log: ${cause} What was answered as written is in the log.`;
    this.#failure = new LatchkeyError('storage-full', message, { retryAfter: 5, cause: error });
    this.#jobs.refuseAll(this.#failure);
    for (const listener of this.#unfitListeners) listener();
  }

  #fit(): void {
    this.#failure = undefined;
    this.#options.logger.info({}, 'log redis: the view of this node goes on');
    setImmediate(() => this.#wake());
  }

  /** What a write failed with; undefined: one succeeded. */
  #told(failure: LatchkeyError | undefined): void {
    if (failure === undefined && this.#replica.isUnfit) return;
    // Told once: it refuses thousands of writes for one reason.
    if (failure !== undefined && this.#failure?.message !== failure.message)
      this.#options.logger.warn({ err: failure }, `log redis: ${failure.message}`);
    this.#failure = failure;
    // An append whose reply had been lost is settled.
    if (failure !== undefined || !this.#isAligned) return;
    this.#patience.end();
  }

  #reason(): string | undefined {
    if (this.#isClosing) return 'the server is stopping';
    if (this.#failure !== undefined) return this.#failure.message;
    if (this.#emptied.reason !== undefined) return this.#emptied.reason;
    if (this.#replica.isFilling) return 'its view is being filled from the Redis';
    if (!this.#isAligned) return 'it is finding out where the log is';
    if (this.#unobserved.isAny) return 'keys that were found otherwise than the log left them are being taken in';
    return undefined;
  }

  #bug(error: unknown): LatchkeyError {
    this.#options.reportFault('log', error);
    return notDecided(error);
  }
}
