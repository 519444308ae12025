/**
 * A run against a deployment: window after window of writers, watchers and harm that a client can do to itself, each judged by the
 * named checkers and forgotten.
 *
 * It knows the deployment by its protocols alone, keeps to its own key prefix, and removes what it wrote, also when it is
 * interrupted or fails. Invariant: at most one window is held at a time.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { LatchkeyError } from '@latchkey/client';
import type { Clock } from '../shared/clock.ts';
import { Deployment } from './deployment.ts';
import type { Violation } from './history.ts';
import { historyOf, isAtLeast, judge, reachOf } from './judge.ts';
import { Lag } from './lag.ts';
import { Random } from './random.ts';
import { type Progress, Tally, type VerifyReport } from './report.ts';
import { globOf, ROLES, shapesOf } from './shapes.ts';
import { WatchRecord } from './watch-record.ts';
import { watch } from './watchers.ts';
import { Window, type Write } from './window.ts';
import { ROUTES, readKeys, type WriterOptions } from './writers.ts';

export interface VerifyOptions {
  readonly server: string;
  readonly token?: string;
  /** Of every key that is written; the run's id follows. */
  readonly prefix: string;
  readonly runId: string;
  /** How long writers write, in milliseconds. */
  readonly durationMs: number;
  readonly writers: number;
  readonly watchers: number;
  /** Repeats the choices, not the instants. */
  readonly seed: number;
  readonly clock: Clock;
  /** Ends the run early: what was judged counts, what was written is removed. */
  readonly signal: AbortSignal;
  readonly onProgress?: (progress: Progress) => void;
}

const WINDOW_MS = 5000;
const LOOK_MS = 50;
/** Last writes of a window, the later ones for those who missed an earlier one: each is waited for a little longer. */
const ENDS_MAX = 6;
const END_WAIT_MS = 1000;
const CLEAN_UP_TRIES = 20;

export class Verification {
  readonly #options: VerifyOptions;
  readonly #deployment: Deployment;
  readonly #random: Random;
  readonly #lag = new Lag();
  readonly #tally: Tally;
  readonly #records: readonly WatchRecord[];
  readonly #untilMs: number;

  constructor(options: VerifyOptions) {
    const { clock } = options;
    this.#options = options;
    this.#deployment = new Deployment(options, clock);
    this.#random = new Random(options.seed);
    this.#tally = new Tally(options);
    this.#untilMs = clock.monotonicMs() + options.durationMs;
    this.#records = Array.from({ length: options.watchers }, (_, index) => {
      const { about, hasValues, shape, temper } = this.#role(index);
      const random = this.#random.fork();
      const deployment = this.#deployment;
      return new WatchRecord(
        { name: `watcher ${index + 1}, ${about}`, hasValues, temper, deployment, random, clock, lag: this.#lag },
        shape,
      );
    });
  }

  /** @throws LatchkeyError `unavailable` where it cannot be reached, or what a write or watch was refused with */
  async run(): Promise<VerifyReport> {
    const { signal } = this.#options;
    await this.#deployment.ask('v1/status');
    try {
      for (let index = 1; index === 1 || this.#leftMs() > 0; index += 1) {
        if (signal.aborted) break;
        await this.#window(index);
      }
    } finally {
      const isClean = await this.#cleanUp();
      this.#tally.cleaned(isClean);
    }
    return this.#tally.report(this.#deployment, this.#lag, signal.aborted);
  }

  #role(index: number) {
    return ROLES[index % ROLES.length] as (typeof ROLES)[number];
  }

  #leftMs(): number {
    return this.#untilMs - this.#options.clock.monotonicMs();
  }

  get #prefix(): string {
    return `${this.#options.prefix}${this.#options.runId}.`;
  }

  async #window(index: number): Promise<void> {
    const window = new Window(`${this.#prefix}${index}.`);
    const leave = new AbortController();
    // Actors end by themselves only where nothing helps: a token that is not accepted, a deployment that stays away.
    let failure: unknown;
    const kept = (actors: readonly Promise<void>[]) =>
      Promise.all(actors.map((actor) => actor.catch((error: unknown) => (failure ??= error))));
    const watching = kept(this.#watch(window, leave.signal));
    const writing = kept(this.#write(window));
    const hasFailed = () => failure !== undefined;
    try {
      await this.#wait(window, hasFailed);
      window.isClosing = true;
      await writing;
      if (!hasFailed() && !this.#options.signal.aborted) await this.#settle(window, hasFailed);
    } finally {
      window.isClosing = true;
      leave.abort();
      await Promise.all([writing, watching]);
    }
    if (hasFailed()) throw failure;
    if (this.#options.signal.aborted) return;
    if (window.acks.length === 0)
      throw new LatchkeyError('unavailable', 'No write of a whole window was acknowledged.');
    this.#tally.add(window, index, await this.#judge(window));
    await this.#try(() => this.#removeAll(window.prefix));
  }

  #watch(window: Window, leave: AbortSignal): Promise<void>[] {
    const shapes = shapesOf(window);
    return this.#records.map((record, index) => {
      record.enter(window, shapes);
      return watch(this.#role(index).transport, record, this.#deployment, leave);
    });
  }

  #write(window: Window): Promise<void>[] {
    const { clock, writers } = this.#options;
    const routes = Object.entries(ROUTES);
    const optionsOf = (name: string): WriterOptions => ({
      name,
      deployment: this.#deployment,
      window,
      random: this.#random.fork(),
      clock,
    });
    const running = Array.from({ length: writers }, (_, index) => {
      const [route, writer] = routes[index % routes.length] as (typeof routes)[number];
      return writer(optionsOf(`writer ${index + 1}, ${route}`));
    });
    return [...running, readKeys(optionsOf('reader'))];
  }

  async #wait(window: Window, hasFailed: () => boolean): Promise<void> {
    const { clock, onProgress, signal } = this.#options;
    const endMs = clock.monotonicMs() + Math.min(WINDOW_MS, Math.max(this.#leftMs(), LOOK_MS));
    while (clock.monotonicMs() < endMs && !window.isFull && !hasFailed() && !signal.aborted) {
      await sleep(LOOK_MS);
      onProgress?.(this.#tally.progress(window, this.#leftMs()));
    }
  }

  /** A last write that every watcher must see; those who do not in time are judged by what they saw. */
  async #settle(window: Window, hasFailed: () => boolean): Promise<void> {
    const { clock, signal } = this.#options;
    for (let round = 1; round <= ENDS_MAX; round += 1) {
      const value = { by: 'end', n: round };
      const write: Write = { op: 'put', key: window.endKey, value };
      const sentAt = window.tick();
      const outcome = await this.#try(() => this.#deployment.command(write));
      window.outcome('end', write, sentAt, outcome);
      if (outcome.outcome !== 'applied') continue;
      const { version } = outcome;
      const untilMs = clock.monotonicMs() + END_WAIT_MS * round;
      while (clock.monotonicMs() < untilMs) {
        if (this.#records.every(({ endVersion }) => isAtLeast(endVersion, version))) return;
        if (hasFailed() || signal.aborted) return;
        await sleep(LOOK_MS / 5);
      }
    }
  }

  async #judge(window: Window): Promise<readonly Violation[]> {
    const history = await this.#try(() => historyOf(this.#deployment, window, reachOf(window.acks)));
    return [...window.faults, ...judge(history)];
  }

  /** Again and again while the deployment is away. */
  async #try<T>(action: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await action();
      } catch (error) {
        if (this.#options.signal.aborted) throw error;
        await this.#deployment.failed(error);
      }
    }
  }

  #removeAll(prefix: string): Promise<unknown> {
    return this.#deployment.command({ op: 'removeMatching', pattern: `${globOf(prefix)}*` });
  }

  async #cleanUp(): Promise<boolean> {
    for (let tries = 0; tries < CLEAN_UP_TRIES; tries += 1) {
      try {
        await this.#removeAll(this.#prefix);
        return true;
      } catch (error) {
        if (!(error instanceof LatchkeyError) || !error.retryable) return false;
        await sleep(LOOK_MS * 5);
      }
    }
    return false;
  }
}
