/**
 * The server under faults, as its clients know it: up or down, and where. Stands between the run, which kills and restarts, and
 * the actors, which wait here instead of knocking at a closed door.
 */
import type { Random } from './random.ts';

export class Target {
  readonly random: Random;
  #url = '';
  #gate = Promise.withResolvers<void>();
  #isUp = false;
  #isStopping = false;
  #acks = 0;
  readonly #ackWaiters = new Map<number, () => void>();

  constructor(random: Random) {
    this.random = random;
  }

  get url(): string {
    return this.#url;
  }

  /** Writers end at their next turn. */
  get isStopping(): boolean {
    return this.#isStopping;
  }

  get acks(): number {
    return this.#acks;
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

  stopWriters(): void {
    this.#isStopping = true;
    for (const wake of this.#ackWaiters.values()) wake();
    this.#ackWaiters.clear();
  }

  countAcks(count: number): void {
    this.#acks += count;
    for (const [wanted, wake] of this.#ackWaiters) {
      if (wanted > this.#acks) continue;
      this.#ackWaiters.delete(wanted);
      wake();
    }
  }

  /** Resolves when so many more writes were acknowledged, or the writers are told to stop. */
  moreAcks(count: number): Promise<void> {
    if (this.#isStopping) return Promise.resolve();
    let wanted = this.#acks + count;
    while (this.#ackWaiters.has(wanted)) wanted += 1;
    return new Promise((done) => this.#ackWaiters.set(wanted, done));
  }
}
