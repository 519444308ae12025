import type { Lease, Leases } from '../lease.ts';
import type { RedisStore } from './redis-store.ts';

const LEASES_MAX = 1000;

/**
 * Leases among all nodes, kept by the Redis. It notes what was told of fences, so that a batch under an old one is refused before it is
 * sent; whether a fence holds is for the append to say.
 *
 * Invariant: every lease that this run was given and has not released is in `#held`.
 */
export class RedisLeases implements Leases {
  readonly #store: Pick<RedisStore, 'lease' | 'releaseLease'>;
  readonly #run: string;
  readonly #held = new Map<string, string>();
  readonly #current = new Map<string, number>();

  /** `run`: of this process; another run of the same holder is another one. */
  constructor(store: Pick<RedisStore, 'lease' | 'releaseLease'>, run: string) {
    this.#store = store;
    this.#run = run;
  }

  async acquire(name: string, holder: string, ttlMs: number): Promise<Lease | undefined> {
    const owner = `${this.#run}:${holder}`;
    if (!this.#held.has(name) && this.#held.size >= LEASES_MAX) return undefined;
    const fence = await this.#store.lease(name, owner, ttlMs);
    if (fence === undefined) return undefined;
    this.#held.set(name, owner);
    this.told(name, fence);
    return {
      name,
      holder,
      fence,
      // With another fence it had run out in between, and is another lease.
      renew: async () => (await this.#store.lease(name, owner, ttlMs)) === fence,
      release: async () => {
        if (this.#held.get(name) === owner) this.#held.delete(name);
        await this.#store.releaseLease(name, owner);
      },
    };
  }

  /** A lease is known to be at that fence. */
  told(lease: string, fence: number): void {
    if (this.#current.size >= LEASES_MAX && !this.#current.has(lease)) this.#current.clear();
    this.#current.set(lease, Math.max(fence, this.#current.get(lease) ?? 0));
  }

  fencedBy(lease: string, fence: number): number | undefined {
    const current = this.#current.get(lease);
    return current !== undefined && fence < current ? current : undefined;
  }

  /** So that whoever comes next need not wait for them to run out. */
  async releaseAll(): Promise<void> {
    const held = [...this.#held];
    this.#held.clear();
    await Promise.allSettled(held.map(([name, owner]) => this.#store.releaseLease(name, owner)));
  }
}
