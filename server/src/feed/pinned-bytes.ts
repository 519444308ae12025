/** Encoded bytes and how many hold on to them: a group's ring, and members whose socket has not drained. */
export interface Chunk {
  readonly bytes: Buffer;
  /** How many changes the bytes carry. */
  readonly changes: number;
  pins: number;
}

export function makeChunk(bytes: Buffer, changes: number): Chunk {
  return { bytes, changes, pins: 0 };
}

/** Gives back what it keeps only to save work. */
export interface Droppable {
  drop(): void;
}

/**
 * Counts the memory that the feed keeps alive beyond a turn. A chunk that many hold counts once: it is one buffer.
 *
 * Invariant: `total` is the sum of the bytes of all chunks with at least one pin.
 */
export class PinnedBytes {
  readonly #bytesMax: number;
  // In the order of their last use, so that what was not used for longest goes first.
  readonly #droppables = new Set<Droppable>();
  #total = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get total(): number {
    return this.#total;
  }

  pin(chunk: Chunk): void {
    if (chunk.pins === 0) this.#total += chunk.bytes.length;
    chunk.pins += 1;
  }

  unpin(chunk: Chunk): void {
    chunk.pins -= 1;
    if (chunk.pins === 0) this.#total -= chunk.bytes.length;
  }

  touch(droppable: Droppable): void {
    this.#droppables.delete(droppable);
    this.#droppables.add(droppable);
  }

  forget(droppable: Droppable): void {
    this.#droppables.delete(droppable);
  }

  /** Drops what can be read again from the view. True: what sockets hold is still over the limit by itself. */
  isOverAfterDropping(): boolean {
    for (const droppable of this.#droppables) {
      if (this.#total <= this.#bytesMax) return false;
      this.#droppables.delete(droppable);
      droppable.drop();
    }
    return this.#total > this.#bytesMax;
  }
}
