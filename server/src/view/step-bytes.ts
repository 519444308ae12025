import { PLACE_BYTES, writePlace } from './place.ts';
import { recordBytesMax, writeRecord } from './record.ts';
import type { Placed } from './view.ts';

const FIRST_BYTES = 64 * 1024;
/** Kept between steps; what a bigger one took is given back. */
const KEPT_BYTES_MAX = 4 * 1024 * 1024;

/**
 * A part of a memory as lmdb takes values: `start` and `end` are read when it is put, so one object serves every value of a step.
 * They are on lmdb's own encoders' buffers too.
 */
type ValuePart = Buffer & { start: number; end: number };

/**
 * The records and places of one step after another, encoded into one memory instead of two buffers for each change. It stands
 * between the view and LMDB, which reads it while the transaction runs.
 *
 * Invariant: from `encode` until the transaction ended nothing in it changes.
 */
export class StepBytes {
  #memory = Buffer.allocUnsafeSlow(FIRST_BYTES) as ValuePart;
  #starts = new Float64Array(1024);
  #count = 0;

  /** Replaces what was there. @throws RangeError for a record that can't be written */
  encode(placed: readonly Placed[]): void {
    if (this.#memory.length > KEPT_BYTES_MAX) this.#memory = Buffer.allocUnsafeSlow(FIRST_BYTES) as ValuePart;
    if (this.#starts.length <= placed.length) this.#starts = new Float64Array(placed.length * 2);
    let at = 0;
    for (let index = 0; index < placed.length; index += 1) {
      const { change } = placed[index] as Placed;
      const needed = at + recordBytesMax(change) + PLACE_BYTES;
      if (needed > this.#memory.length) this.#grow(needed, at);
      this.#starts[index] = at;
      const end = writeRecord(this.#memory, at, change);
      at = writePlace(this.#memory, end, change, end - at);
    }
    this.#count = placed.length;
    this.#starts[placed.length] = at;
  }

  get recordsBytes(): number {
    return (this.#starts[this.#count] as number) - this.#count * PLACE_BYTES;
  }

  recordBytes(index: number): number {
    return (this.#starts[index + 1] as number) - (this.#starts[index] as number) - PLACE_BYTES;
  }

  /** For one put, before the next part is asked for. */
  record(index: number): Buffer {
    return this.#part(this.#starts[index] as number, (this.#starts[index + 1] as number) - PLACE_BYTES);
  }

  /** For one put, before the next part is asked for. */
  place(index: number): Buffer {
    return this.#part((this.#starts[index + 1] as number) - PLACE_BYTES, this.#starts[index + 1] as number);
  }

  #part(start: number, end: number): Buffer {
    this.#memory.start = start;
    this.#memory.end = end;
    return this.#memory;
  }

  #grow(needed: number, used: number): void {
    const memory = Buffer.allocUnsafeSlow(Math.max(needed, this.#memory.length * 2)) as ValuePart;
    this.#memory.copy(memory, 0, 0, used);
    this.#memory = memory;
  }
}
