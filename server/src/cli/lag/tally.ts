/**
 * What one observer saw of one run. Stands between a path and the report.
 *
 * Invariant: every value it heard is counted once: as seen for the first time, or as duplicated; a first one behind a later one is
 * also reordered.
 */
import { Lag } from '../../verify/lag.ts';

export class Tally {
  readonly lag = new Lag();
  /** A bit for each sequence number. */
  #seen = new Uint8Array(1024);
  #first = Number.POSITIVE_INFINITY;
  #last = -1;
  received = 0;
  duplicated = 0;
  reordered = 0;

  /** `lagMicros` is absent where the writer has another clock. */
  record(sequence: number, lagMicros: number | undefined): void {
    if (this.has(sequence)) {
      this.duplicated += 1;
      return;
    }
    this.#mark(sequence);
    if (sequence < this.#last) this.reordered += 1;
    this.received += 1;
    this.#first = Math.min(this.#first, sequence);
    this.#last = Math.max(this.#last, sequence);
    if (lagMicros !== undefined) this.lag.record(lagMicros / 1000);
  }

  has(sequence: number): boolean {
    return ((this.#seen[sequence >> 3] ?? 0) & (1 << (sequence & 7))) !== 0;
  }

  /** Of `written`, or, where another program writes, of what lies between the first and the last that was seen. */
  missed(written: number | undefined): number {
    if (written !== undefined) return written - this.received;
    return this.received === 0 ? 0 : this.#last - this.#first + 1 - this.received;
  }

  #mark(sequence: number): void {
    const at = sequence >> 3;
    if (at >= this.#seen.length) {
      const wider = new Uint8Array(Math.max(at + 1, this.#seen.length * 2));
      wider.set(this.#seen);
      this.#seen = wider;
    }
    this.#seen[at] = (this.#seen[at] as number) | (1 << (sequence & 7));
  }
}
