/**
 * When the next connection is tried. It stands between all watches of one `Connection` and the server: they share one wait, so
 * that a page with a hundred watches knocks once. It tries nothing itself.
 *
 * Full jitter: anything from nothing to a ceiling that doubles with every failure, without end, so that the clients of a server
 * that comes back are spread (M. Brooker, "Exponential Backoff And Jitter").
 *
 * Invariant: the timer and the wake listener stand exactly while somebody waits.
 */
import type { WakeSource } from './wake.ts';

export const DELAY_MAX_MS = 30_000;
const BASE_MS = 1000;
const DOUBLINGS_MAX = 16;
/** A network that came back came back for everybody on it. */
const WAKE_SPREAD_MS = 500;

export class Backoff {
  readonly #random: () => number;
  readonly #wake: WakeSource;
  readonly #delayMaxMs: number;
  readonly #waiters = new Set<() => void>();
  #failures = 0;
  #afterMs = 0;
  #endsAtMs = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #stopListening: (() => void) | undefined;

  /** The first ceiling; a server may ask for another one. */
  baseMs = BASE_MS;

  constructor(random: () => number, wake: WakeSource, delayMaxMs: number = DELAY_MAX_MS) {
    this.#random = random;
    this.#wake = wake;
    this.#delayMaxMs = delayMaxMs;
  }

  /** Waits since something worked. */
  get failures(): number {
    return this.#failures;
  }

  /** Something came through. */
  reset(): void {
    this.#failures = 0;
  }

  /**
   * Starts the wait before the next try, or joins the one that runs; gives its length. `exactMs` is what a server asked for, `mostMs`
   * how long there is.
   */
  begin(leastMs: number, exactMs?: number, mostMs = Number.POSITIVE_INFINITY): number {
    if (this.#timer !== undefined) return this.#afterMs;
    // From at least a millisecond, or a server that asks for none would be asked without a pause.
    const ceilingMs = Math.min(this.#delayMaxMs, Math.max(1, this.baseMs) * 2 ** this.#failures);
    this.#failures = Math.min(this.#failures + 1, DOUBLINGS_MAX);
    this.#afterMs = Math.min(mostMs, exactMs ?? leastMs + Math.floor(this.#random() * ceilingMs));
    this.#arm(this.#afterMs);
    this.#stopListening = this.#wake(() => {
      const soonMs = this.#random() * WAKE_SPREAD_MS;
      if (soonMs < this.#endsAtMs - performance.now()) this.#arm(soonMs);
    });
    return this.#afterMs;
  }

  /** Resolves when the wait that was begun is over, or the signal aborts. */
  wait(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        signal.removeEventListener('abort', end);
        this.#waiters.delete(end);
        if (this.#waiters.size === 0) this.#stop();
        resolve();
      };
      this.#waiters.add(end);
      signal.addEventListener('abort', end);
      if (signal.aborted || this.#timer === undefined) end();
    });
  }

  #arm(ms: number): void {
    clearTimeout(this.#timer);
    this.#endsAtMs = performance.now() + ms;
    this.#timer = setTimeout(() => {
      this.#stop();
      for (const end of [...this.#waiters]) end();
    }, ms);
  }

  #stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#stopListening?.();
    this.#stopListening = undefined;
  }
}
