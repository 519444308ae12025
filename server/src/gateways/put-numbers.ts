/**
 * Numbers the puts that this instance has seen since it started, from 0, for the `Offset` of the kv-store dialect. The view
 * announces changes and codecs ask about them, in either order.
 *
 * Invariant: a put is numbered once; numbers grow with the offsets of a partition, and only the newest `REMEMBERED_MAX` are kept.
 */
import type { Change } from '../shared/change.ts';

const REMEMBERED_MAX = 65_536;

export class PutNumbers {
  readonly #partitions = new Map<number, { offsets: number[]; numbers: number[] }>();
  #next = 0;

  see(changes: readonly Change[]): void {
    for (const change of changes) if (change.op === 'put') this.of(change);
  }

  /** A change that is no longer remembered gets the number of the oldest that is: a reader that far behind has lost count. */
  of(change: Change): number {
    let known = this.#partitions.get(change.partition);
    if (known === undefined) {
      known = { offsets: [], numbers: [] };
      this.#partitions.set(change.partition, known);
    }
    const { numbers, offsets } = known;
    if (offsets.length === 0 || change.offset > (offsets.at(-1) as number)) {
      offsets.push(change.offset);
      numbers.push(this.#next);
      this.#next += 1;
      if (offsets.length > 2 * REMEMBERED_MAX) {
        offsets.splice(0, REMEMBERED_MAX);
        numbers.splice(0, REMEMBERED_MAX);
      }
      return this.#next - 1;
    }
    let low = 0;
    let high = offsets.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((offsets[middle] as number) < change.offset) low = middle + 1;
      else high = middle;
    }
    return numbers[low] as number;
  }
}
