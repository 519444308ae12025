import type { Change } from '../shared/change.ts';

/** So many changes of a partition are remembered at most, at 13 bytes each. */
const REMEMBERED_MAX = 2 ** 18;

/**
 * The newest changes of a partition as far as trimming asks for them, so that it reads no record and no place. It stands beside the
 * store, and knows nothing of what was written before this process or longer ago than it remembers: then the store is read.
 *
 * Invariant: what it knows of an offset is what the store says as of the durable head.
 */
export class RecentChanges {
  readonly #bytes: Uint32Array;
  readonly #decided: Float64Array;
  readonly #superseded: Uint8Array;
  readonly #size: number;
  /** Offsets from `first` to `head` were added. */
  #first = Number.POSITIVE_INFINITY;
  #head = 0;

  constructor(changesMax: number) {
    this.#size = 2 ** Math.ceil(Math.log2(Math.min(REMEMBERED_MAX, changesMax + 4096)));
    this.#bytes = new Uint32Array(this.#size);
    this.#decided = new Float64Array(this.#size);
    this.#superseded = new Uint8Array(this.#size);
  }

  /** In offset order, when it is durable. */
  add(change: Change, bytes: number): void {
    const { offset } = change;
    if (this.#head === 0) this.#first = offset;
    else this.skipTo(offset - 1);
    this.#head = offset;
    const slot = offset % this.#size;
    this.#bytes[slot] = bytes;
    this.#decided[slot] = change.decided;
    this.#superseded[slot] = 0;
  }

  /** Offsets up to this one hold no change. */
  skipTo(offset: number): void {
    if (this.#head === 0) return;
    for (let hole = Math.max(this.#head + 1, offset - this.#size + 1); hole <= offset; hole += 1)
      this.#bytes[hole % this.#size] = 0;
    this.#head = Math.max(this.#head, offset);
  }

  /** Nothing of before is known any more. */
  restart(): void {
    this.#first = Number.POSITIVE_INFINITY;
    this.#head = 0;
  }

  supersede(offset: number): void {
    if (this.knows(offset)) this.#superseded[offset % this.#size] = 1;
  }

  /** Its record was collected. */
  forget(offset: number): void {
    if (this.knows(offset)) this.#bytes[offset % this.#size] = 0;
  }

  knows(offset: number): boolean {
    return offset >= this.#first && offset <= this.#head && offset > this.#head - this.#size;
  }

  /** 0 where its record is gone. */
  bytes(offset: number): number {
    return this.#bytes[offset % this.#size] as number;
  }

  decided(offset: number): number {
    return this.#decided[offset % this.#size] as number;
  }

  isSuperseded(offset: number): boolean {
    return this.#superseded[offset % this.#size] === 1;
  }
}
