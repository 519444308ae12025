import type { Clock } from '../shared/clock.ts';
import type { Table } from '../view/view.ts';
import type { Lease, Leases } from './lease.ts';

interface Held {
  readonly holder: string;
  readonly fence: number;
  readonly ttlMs: number;
  untilMs: number;
}

const LEASES_MAX = 1000;

/**
 * Leases among the parts of one process. Holders are not kept across restarts (nobody outlives the process), fence numbers are: a
 * batch made under an old one is refused for ever.
 */
export class LocalLeases implements Leases {
  readonly #table: Table;
  readonly #clock: Clock;
  readonly #durably: (write: () => void) => Promise<void>;
  readonly #held = new Map<string, Held>();

  /** `durably` makes a write of its own step. */
  constructor(table: Table, clock: Clock, durably: (write: () => void) => Promise<void>) {
    this.#table = table;
    this.#clock = clock;
    this.#durably = durably;
  }

  async acquire(name: string, holder: string, ttlMs: number): Promise<Lease | undefined> {
    const nowMs = this.#clock.monotonicMs();
    const current = this.#held.get(name);
    if (current !== undefined && current.untilMs > nowMs) {
      if (current.holder !== holder) return undefined;
      current.untilMs = nowMs + ttlMs;
      return this.#lease(name, current);
    }
    if (current === undefined && this.#held.size >= LEASES_MAX) return undefined;
    const held: Held = { holder, fence: this.fence(name) + 1, ttlMs, untilMs: nowMs + ttlMs };
    this.#held.set(name, held);
    try {
      await this.#durably(() => this.#table.put(Buffer.from(name), Buffer.from(String(held.fence))));
    } catch (error) {
      if (this.#held.get(name) === held) this.#held.delete(name);
      throw error;
    }
    return this.#lease(name, held);
  }

  /** The highest fence ever given out for a lease. */
  fence(name: string): number {
    return Math.max(Number(this.#table.get(Buffer.from(name))?.toString() ?? 0), this.#held.get(name)?.fence ?? 0);
  }

  fencedBy(lease: string, fence: number): number | undefined {
    const current = this.fence(lease);
    return current === fence ? undefined : current;
  }

  #lease(name: string, held: Held): Lease {
    return {
      name,
      holder: held.holder,
      fence: held.fence,
      renew: async () => {
        const nowMs = this.#clock.monotonicMs();
        if (this.#held.get(name) !== held || held.untilMs <= nowMs) return false;
        held.untilMs = nowMs + held.ttlMs;
        return true;
      },
      release: async () => {
        if (this.#held.get(name) === held) this.#held.delete(name);
      },
    };
  }
}
