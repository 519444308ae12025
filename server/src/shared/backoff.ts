export interface BackoffBounds {
  readonly minMs: number;
  readonly maxMs: number;
}

const BOUNDS: BackoffBounds = { minMs: 100, maxMs: 5000 };

/** How long to wait after failures in a row: twice as long each time up to a bound, and never as long as others wait. */
export class Backoff {
  readonly #random: () => number;
  readonly #bounds: BackoffBounds;
  #failures = 0;

  /** `random`: 0 ≤ x < 1. */
  constructor(random: () => number, bounds: BackoffBounds = BOUNDS) {
    this.#random = random;
    this.#bounds = bounds;
  }

  get hasFailed(): boolean {
    return this.#failures > 0;
  }

  /** Counts a failure: how long to wait now. */
  failed(): number {
    const { maxMs, minMs } = this.#bounds;
    const mostMs = Math.min(maxMs, minMs * 2 ** Math.min(this.#failures, 16));
    this.#failures += 1;
    return mostMs / 2 + (this.#random() * mostMs) / 2;
  }

  succeeded(): void {
    this.#failures = 0;
  }
}
