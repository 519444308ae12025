import type { Clock } from '../../shared/clock.ts';
import type { WritableView } from '../../view/view.ts';
import type { Lease } from '../lease.ts';
import type { RedisLeases } from './redis-leases.ts';

const LEASE = 'expiry';
const LEASE_TTL_MS = 10_000;
/** Another node may stop at any moment; this one looks again after so long. */
const LOOK_MS = 2000;
/** The wall clock of the Redis may jump: what is due is looked for at least this often while anything waits. */
const CHECK_MS = 1000;

export interface DutiesOptions {
  readonly view: WritableView;
  readonly leases: RedisLeases;
  readonly node: string;
  readonly clock: Clock;
  /** As a step that begins now would have it. */
  readonly nowMicros: () => number;
  readonly wake: () => void;
}

/**
 * What falls due with time (expiry, freshness, old tombstones) and must be decided by one node: stands between the timer and the
 * steps. Every node knows what is due from its view; the holder of a lease decides it.
 *
 * Invariant: there is at most one timer.
 */
export class Duties {
  readonly #options: DutiesOptions;
  #timer: NodeJS.Timeout | undefined;
  #lease: { readonly lease: Lease; readonly renewAtMs: number } | undefined;
  #notBeforeMs = 0;
  #isTurn = false;
  #hasMore = false;
  #isClosed = false;

  constructor(options: DutiesOptions) {
    this.#options = options;
  }

  /** Whether something is due that this node may decide, as far as it knows. */
  get areDue(): boolean {
    const { clock, nowMicros, view } = this.#options;
    if (clock.monotonicMs() < this.#notBeforeMs) return false;
    const next = view.nextDueMicros();
    return this.#hasMore || (next !== undefined && next <= nowMicros());
  }

  /** Whether what is due goes first in this step. */
  takeTurn(isAlone: boolean): boolean {
    this.#isTurn = isAlone || !this.#isTurn;
    return this.#isTurn;
  }

  /** The fence under which this node decides what is due; undefined where another does. */
  async fence(): Promise<number | undefined> {
    const { clock, leases, node } = this.#options;
    if (this.#lease !== undefined && clock.monotonicMs() < this.#lease.renewAtMs) return this.#lease.lease.fence;
    const lease = await leases.acquire(LEASE, node, LEASE_TTL_MS);
    const nowMs = clock.monotonicMs();
    this.#lease = lease === undefined ? undefined : { lease, renewAtMs: nowMs + LEASE_TTL_MS / 3 };
    if (lease === undefined) this.putOff(LOOK_MS);
    return lease?.fence;
  }

  decided(hasMore: boolean): void {
    this.#hasMore = hasMore;
  }

  fenced(lease: string): void {
    if (lease === LEASE) this.#lease = undefined;
  }

  /** Looks anew when the next is due. */
  schedule(): void {
    clearTimeout(this.#timer);
    if (this.#isClosed) return;
    const { clock, nowMicros, view, wake } = this.#options;
    const next = view.nextDueMicros();
    if (next === undefined) return;
    const dueMs = Math.min(CHECK_MS, Math.ceil((next - nowMicros()) / 1000));
    this.#timer = setTimeout(wake, Math.max(1, dueMs, this.#notBeforeMs - clock.monotonicMs()));
    this.#timer.unref();
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  /** Nothing is decided by itself for so long. */
  putOff(ms: number): void {
    this.#hasMore = false;
    this.#notBeforeMs = this.#options.clock.monotonicMs() + ms;
  }
}
