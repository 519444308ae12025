/**
 * Does under a lease what must happen once among N nodes, for as long as this process runs: acquires it, works while it is held, hands it
 * over, and stands by otherwise. It stands between the log, which keeps the lease, and one sink or source. Faults of the work make it wait
 * with jittered backoff; they are told once in the log, and as `reason` for as long as they last.
 *
 * Invariant: `work` runs at most once at a time, and only between acquiring the lease and knowing that it is lost.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { LatchkeyError } from '@latchkey/client';
import { Backoff } from '../shared/backoff.ts';
import type { Clock } from '../shared/clock.ts';
import type { Logger } from '../shared/logger.ts';
import { Wake } from '../shared/wake.ts';
import type { Lease } from './lease.ts';
import type { Log } from './log.ts';

export interface LeaseLoopSetup {
  readonly kind: 'sink' | 'source';
  /** The lease is kept as `sink:NAME` or `source:NAME`. */
  readonly name: string;
  /** What it is said to do again after a fault, e.g. `writes`. */
  readonly does: string;
  readonly log: Pick<Log, 'leases' | 'node'>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: () => number;
  /** Default 10 seconds: so long a holder may be gone before another node takes over. */
  readonly leaseTtlMs?: number | undefined;
  /**
   * Until the lease is lost or the loop closes, which `onEnd` tells. `later`: it gives the lease back, and waits before it asks again; a
   * number: so many milliseconds.
   */
  readonly work: (holding: Holding) => Promise<'ended' | 'later' | number>;
  /** The lease was lost, or the loop closes: what the work waits for must end. */
  readonly onEnd: () => void;
  /** Another node was found to have the lease. */
  readonly onStandby?: () => void;
}

/** A lease as the work sees it. */
export interface Holding {
  readonly lease: Lease;
  readonly isLost: boolean;
  /** As a batch carries it. */
  readonly fence: { readonly lease: string; readonly number: number };
}

const LEASE_TTL_MS = 10_000;

export class LeaseLoop {
  readonly #setup: LeaseLoopSetup;
  readonly #leaseTtlMs: number;
  readonly #backoff: Backoff;
  readonly #hurry = new Wake();
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;
  #reason: string | undefined = 'it has not started';

  constructor(setup: LeaseLoopSetup) {
    this.#setup = setup;
    this.#leaseTtlMs = setup.leaseTtlMs ?? LEASE_TTL_MS;
    this.#backoff = new Backoff(setup.random);
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Why it does not do its work, in a sentence; undefined where it does, or stands by. */
  get reason(): string | undefined {
    return this.#reason;
  }

  get isClosing(): boolean {
    return this.#stop.signal.aborted;
  }

  /** What it waits for after a fault may be there now: it tries at once. */
  hurry(): void {
    this.#hurry.set();
  }

  /** Resolves when the work has ended and the lease was given back. Idempotent. */
  async close(): Promise<void> {
    if (!this.isClosing) {
      this.#stop.abort();
      this.#hurry.set();
      this.#setup.onEnd();
    }
    await this.#running;
  }

  /** The work goes on: what was told as a reason is over. */
  succeeded(): void {
    const { does, kind, logger, name } = this.#setup;
    if (this.#backoff.hasFailed) logger.info({ [kind]: name }, `${kind} ${name} ${does} again`);
    this.#backoff.succeeded();
    this.#reason = undefined;
  }

  /** Tells a fault that the work waits over, once for as long as it is the same, and waits. */
  async waitAfter(error: unknown): Promise<void> {
    const { kind, logger, name } = this.#setup;
    if (this.isClosing) return;
    const reason = error instanceof Error ? error.message : String(error);
    if (reason !== this.#reason) {
      const text = `${kind} ${name}: ${reason}`;
      if (error instanceof LatchkeyError) logger.warn({ [kind]: name, code: error.code }, text);
      else logger.error({ [kind]: name, err: error }, text);
    }
    this.#reason = reason;
    await this.#pause(this.#backoff.failed());
  }

  async #run(): Promise<void> {
    const { kind, log, name, onStandby, random } = this.#setup;
    while (!this.isClosing) {
      try {
        const lease = await log.leases.acquire(`${kind}:${name}`, log.node, this.#leaseTtlMs);
        if (lease === undefined) {
          // Another node does it, which is as it should be.
          this.#reason = undefined;
          onStandby?.();
          await this.#pause(this.#leaseTtlMs / 8 + (random() * this.#leaseTtlMs) / 8);
          continue;
        }
        const next = await this.#hold(lease);
        if (next === 'later') await this.#pause(this.#backoff.failed());
        else if (next !== 'ended') await sleep(next, undefined, { signal: this.#stop.signal }).catch(() => undefined);
      } catch (error) {
        await this.waitAfter(error);
      }
    }
  }

  async #hold(lease: Lease): Promise<'ended' | 'later' | number> {
    const holding = new RenewedLease(lease, this.#leaseTtlMs, this.#setup);
    try {
      return await this.#setup.work(holding);
    } finally {
      holding.end();
      await lease.release().catch(() => undefined);
    }
  }

  async #pause(ms: number): Promise<void> {
    if (!this.isClosing) await this.#hurry.wait(ms);
  }
}

/** Renews it until `end`; a lease that could not be renewed in its time is lost. */
class RenewedLease implements Holding {
  readonly lease: Lease;
  readonly #ttlMs: number;
  readonly #clock: Clock;
  readonly #onLost: () => void;
  readonly #timer: NodeJS.Timeout;
  #renewedMs: number;
  #isLost = false;

  constructor(lease: Lease, ttlMs: number, { clock, onEnd }: Pick<LeaseLoopSetup, 'clock' | 'onEnd'>) {
    this.lease = lease;
    this.#ttlMs = ttlMs;
    this.#clock = clock;
    this.#onLost = onEnd;
    this.#renewedMs = clock.monotonicMs();
    this.#timer = setInterval(() => void this.#renew(), ttlMs / 3);
  }

  get isLost(): boolean {
    return this.#isLost;
  }

  get fence(): { readonly lease: string; readonly number: number } {
    return { lease: this.lease.name, number: this.lease.fence };
  }

  end(): void {
    clearInterval(this.#timer);
  }

  async #renew(): Promise<void> {
    const askedMs = this.#clock.monotonicMs();
    try {
      if (await this.lease.renew()) this.#renewedMs = askedMs;
      else this.#lose();
    } catch {
      // Asked again in a moment; its time runs meanwhile.
    }
    if (this.#clock.monotonicMs() - this.#renewedMs >= this.#ttlMs) this.#lose();
  }

  #lose(): void {
    this.#isLost = true;
    this.#onLost();
  }
}
