/**
 * The servers under faults, as their clients know them: up or down, and where. Stands between the run, which kills and restarts, and
 * the actors, which wait here instead of knocking at a closed door.
 */
import type { Random } from './random.ts';

/** Where an actor goes. */
export interface Target {
  readonly random: Random;
  /** As of the last `up`. */
  readonly url: string;
  /** Writers end at their next turn. */
  readonly isStopping: boolean;
  /** Resolves when there is a server to go to. */
  up(): Promise<void>;
  countAcks(count: number): void;
  /** Resolves when so many more writes were acknowledged, or the writers are told to stop. */
  moreAcks(count: number): Promise<void>;
}

/** How far a run is: the writes that all writers together had acknowledged. */
export class Pace {
  #isStopping = false;
  #acks = 0;
  readonly #waiters = new Map<number, () => void>();

  get isStopping(): boolean {
    return this.#isStopping;
  }

  stopWriters(): void {
    this.#isStopping = true;
    for (const wake of this.#waiters.values()) wake();
    this.#waiters.clear();
  }

  countAcks(count: number): void {
    this.#acks += count;
    for (const [wanted, wake] of this.#waiters) {
      if (wanted > this.#acks) continue;
      this.#waiters.delete(wanted);
      wake();
    }
  }

  moreAcks(count: number): Promise<void> {
    if (this.#isStopping) return Promise.resolve();
    let wanted = this.#acks + count;
    while (this.#waiters.has(wanted)) wanted += 1;
    return new Promise((done) => this.#waiters.set(wanted, done));
  }
}

abstract class PacedTarget implements Target {
  readonly random: Random;
  readonly #pace: Pace;

  constructor(random: Random, pace: Pace) {
    this.random = random;
    this.#pace = pace;
  }

  abstract get url(): string;
  abstract up(): Promise<void>;

  get isStopping(): boolean {
    return this.#pace.isStopping;
  }

  countAcks(count: number): void {
    this.#pace.countAcks(count);
  }

  moreAcks(count: number): Promise<void> {
    return this.#pace.moreAcks(count);
  }
}

/** One server. */
export class ServerTarget extends PacedTarget {
  #url = '';
  #gate = Promise.withResolvers<void>();
  #isUp = false;

  get url(): string {
    return this.#url;
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  raise(url: string): void {
    this.#url = url;
    this.#isUp = true;
    this.#gate.resolve();
  }

  lower(): void {
    if (!this.#isUp) return;
    this.#isUp = false;
    this.#gate = Promise.withResolvers<void>();
  }

  up(): Promise<void> {
    return this.#gate.promise;
  }
}

/** Any of several, another one each time, for one actor alone. */
export class RovingTarget extends PacedTarget {
  readonly #servers: readonly ServerTarget[];
  #url = '';

  constructor(random: Random, pace: Pace, servers: readonly ServerTarget[]) {
    super(random, pace);
    this.#servers = servers;
  }

  get url(): string {
    return this.#url;
  }

  async up(): Promise<void> {
    for (;;) {
      const up = this.#servers.filter(({ isUp }) => isUp);
      if (up.length > 0) {
        this.#url = this.random.pick(up).url;
        return;
      }
      await Promise.race(this.#servers.map((server) => server.up()));
    }
  }
}
