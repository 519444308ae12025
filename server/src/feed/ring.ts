/**
 * The recent chunks of a group, so that whoever was away for a moment is handed the same buffers as everybody else. It stands
 * between the tick, which adds, and catch-up, which reads; it never goes to the view.
 *
 * Invariant: every change of the group between `#from` and the feed's head is in exactly one of the chunks.
 */
import type { Bounds } from './bounds.ts';
import { type Heads, hasReached } from './heads.ts';
import type { Chunk, Droppable, PinnedBytes } from './pinned-bytes.ts';

export interface RingChunk {
  readonly chunk: Chunk;
  /** The place behind the group's chunk before: nothing lies between the two. */
  readonly from: Heads;
  /** Per partition the first change in it; infinite where it has none. */
  readonly first: Heads;
  /** The position behind its first change: a member that is further anywhere would see its position go back. */
  readonly begins: Heads;
  readonly to: Heads;
  /** Changes in it. */
  readonly count: number;
}

export class Ring implements Droppable {
  readonly #pinned: PinnedBytes;
  readonly #bounds: Bounds;
  #from: Heads;
  #chunks: RingChunk[] = [];
  #bytes = 0;

  constructor(pinned: PinnedBytes, bounds: Bounds, from: Heads) {
    this.#pinned = pinned;
    this.#bounds = bounds;
    this.#from = from;
  }

  /** Where the next chunk begins: behind the last one. */
  get end(): Heads {
    return this.#chunks.at(-1)?.to ?? this.#from;
  }

  push(added: RingChunk): void {
    this.#pinned.pin(added.chunk);
    this.#chunks.push(added);
    this.#bytes += added.chunk.bytes.length;
    const { ringBytesMax, ringChunksMax } = this.#bounds;
    while (this.#chunks.length > ringChunksMax || (this.#bytes > ringBytesMax && this.#chunks.length > 1))
      this.#shift();
    this.#pinned.touch(this);
  }

  /** Changes up to there were not kept: the ring begins anew behind them. */
  restart(from: Heads): void {
    this.drop();
    this.#from = from;
    this.#pinned.forget(this);
  }

  drop(): void {
    while (this.#chunks.length > 0) this.#shift();
  }

  /**
   * What comes after a place: a chunk whole, `end` where the group had nothing since, `missing` where the place lies before the
   * ring or inside a chunk, so that the view has to be read.
   */
  after(place: Heads): RingChunk | 'end' | 'missing' {
    if (!hasReached(place, this.#from)) return 'missing';
    for (const held of this.#chunks) {
      if (!hasReached(place, held.to)) return isBoundary(place, held) ? held : 'missing';
    }
    return 'end';
  }

  #shift(): void {
    const gone = this.#chunks.shift() as RingChunk;
    this.#from = gone.to;
    this.#bytes -= gone.chunk.bytes.length;
    this.#pinned.unpin(gone.chunk);
  }
}

function isBoundary(place: Heads, { begins, first }: RingChunk): boolean {
  return place.every(
    (offset, partition) => offset < (first[partition] as number) && offset <= (begins[partition] as number),
  );
}
