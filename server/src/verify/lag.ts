/** Buckets grow by 2 %, so a quantile is that exact, in a few KiB however many are counted. */
const GROWTH = Math.log(1.02);
const LEAST_MS = 0.001;
const BUCKETS_MAX = 1100;

export interface LagSummary {
  readonly count: number;
  /** Milliseconds; undefined where nothing was measured. */
  readonly p50?: number;
  readonly p99?: number;
  readonly max?: number;
}

function bucketOf(ms: number): number {
  return Math.min(Math.ceil(Math.log(Math.max(ms, LEAST_MS) / LEAST_MS) / GROWTH), BUCKETS_MAX - 1);
}

/** Durations, counted by size. */
export class Lag {
  readonly #counts = new Uint32Array(BUCKETS_MAX);
  #count = 0;
  #maxMs = 0;

  record(ms: number): void {
    const index = bucketOf(ms);
    this.#counts[index] = (this.#counts[index] as number) + 1;
    this.#count += 1;
    this.#maxMs = Math.max(this.#maxMs, ms);
  }

  summary(): LagSummary {
    if (this.#count === 0) return { count: 0 };
    const rounded = (ms: number) => Math.round(ms * 100) / 100;
    return {
      count: this.#count,
      p50: rounded(this.quantile(0.5)),
      p99: rounded(this.quantile(0.99)),
      max: rounded(this.#maxMs),
    };
  }

  /** In milliseconds, exactly. */
  get max(): number {
    return this.#maxMs;
  }

  /** How many took at most so long, to the width of a bucket. */
  countUpTo(ms: number): number {
    return this.#counts.subarray(0, bucketOf(ms) + 1).reduce((sum, count) => sum + count, 0);
  }

  /** Milliseconds within which such a share, 0 to 1, of what was recorded lies. */
  quantile(share: number): number {
    let left = share * this.#count;
    for (let index = 0; index < BUCKETS_MAX; index += 1) {
      left -= this.#counts[index] as number;
      if (left <= 0) return Math.min(LEAST_MS * Math.exp(GROWTH * index), this.#maxMs);
    }
    return this.#maxMs;
  }
}
