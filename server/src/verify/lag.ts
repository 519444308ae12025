/** Buckets grow by 2 %, so a quantile is that exact, in a few KiB however many are counted. */
const GROWTH = Math.log(1.02);
const LEAST_MS = 0.01;
const BUCKETS_MAX = 1000;

export interface LagSummary {
  readonly count: number;
  /** Milliseconds; undefined where nothing was measured. */
  readonly p50?: number;
  readonly p99?: number;
  readonly max?: number;
}

/** Durations, counted by size. */
export class Lag {
  readonly #counts = new Uint32Array(BUCKETS_MAX);
  #count = 0;
  #maxMs = 0;

  record(ms: number): void {
    const bucket = Math.ceil(Math.log(Math.max(ms, LEAST_MS) / LEAST_MS) / GROWTH);
    const index = Math.min(bucket, BUCKETS_MAX - 1);
    this.#counts[index] = (this.#counts[index] as number) + 1;
    this.#count += 1;
    this.#maxMs = Math.max(this.#maxMs, ms);
  }

  summary(): LagSummary {
    if (this.#count === 0) return { count: 0 };
    const rounded = (ms: number) => Math.round(ms * 100) / 100;
    return {
      count: this.#count,
      p50: rounded(this.#quantile(0.5)),
      p99: rounded(this.#quantile(0.99)),
      max: rounded(this.#maxMs),
    };
  }

  #quantile(share: number): number {
    let left = share * this.#count;
    for (let index = 0; index < BUCKETS_MAX; index += 1) {
      left -= this.#counts[index] as number;
      if (left <= 0) return Math.min(LEAST_MS * Math.exp(GROWTH * index), this.#maxMs);
    }
    return this.#maxMs;
  }
}
