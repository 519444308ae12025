/**
 * Reads the view from a position on, for a sink. It stands between the view, which collects what is old, and a target that may have
 * been away for longer than that. It keeps one place a partition and no change.
 *
 * Invariant: once `advance` was called with a page, every change up to its end was in a page, or a later one of its key is yet to
 * come; and `position` never is beyond what `advance` was called with.
 */
import { formatPosition, type Position } from '@latchkey/client';
import type { Change } from '../shared/change.ts';
import type { View } from '../view/view.ts';

interface Place {
  readonly offset: number;
  /** Everything from anew runs up to here: tombstones up to it need not be held. */
  readonly base?: number;
  /** Up to here only the last change of each key is read. */
  readonly conflateTo?: number;
}

export interface Page {
  readonly changes: readonly Change[];
  readonly partition: number;
  readonly to: Place;
  /** Offsets that it covers. */
  readonly looked: number;
}

const CHANGES_MAX = 256;
const BYTES_MAX = 256 * 1024;

export class Reader {
  readonly #view: View;
  #epoch: string;
  #places: Place[];

  /** `kept` is undefined where it never read: then it begins with the last change of each key. */
  constructor(view: View, kept: Position | undefined) {
    this.#view = view;
    this.#epoch = kept?.epoch ?? view.epochs.current;
    this.#places = Array.from({ length: view.partitions }, (_, partition) => placeOf(kept, partition));
    if (kept === undefined) this.restart();
  }

  /** Whether changes were collected that it has not read, or its position is of no log that this one goes on from. */
  get isLost(): boolean {
    const view = this.#view;
    if (this.#epoch !== view.epochs.current) {
      if (!view.epochs.holdsPosition({ epoch: this.#epoch, components: this.#places })) return true;
      this.#epoch = view.epochs.current;
    }
    return this.#places.some(({ base, offset }, partition) => (base ?? offset) < view.tombstoneFloor(partition));
  }

  /** Reads the last change of each key from anew. */
  restart(): void {
    this.#epoch = this.#view.epochs.current;
    this.#places = this.#places.map((_, partition) => {
      const head = this.#view.head(partition);
      return head === 0 ? { offset: 0 } : { offset: 0, base: head };
    });
  }

  /** What comes next, or undefined at the head. MUST NOT be called while it `isLost`. */
  next(): Page | undefined {
    for (const [partition, place] of this.#places.entries()) {
      const head = this.#view.head(partition);
      if (place.base === undefined && place.offset >= head) continue;
      const isWhole = place.base === undefined && place.conflateTo === undefined;
      const conflateTo = isWhole && place.offset < this.#view.historyFloor(partition) ? head : place.conflateTo;
      const until = place.base ?? conflateTo ?? head;
      const { changes, reached } = this.#view.scan(partition, place.offset, {
        until,
        changesMax: CHANGES_MAX,
        bytesMax: BYTES_MAX,
        skipSuperseded: place.base !== undefined || conflateTo !== undefined,
        skipRemoves: false,
      });
      const to = { ...place, ...(conflateTo === undefined ? {} : { conflateTo }), offset: reached };
      return { changes, partition, to: reached >= until ? { offset: reached } : to, looked: reached - place.offset };
    }
    return undefined;
  }

  /** The page is written. */
  advance({ partition, to }: Page): void {
    this.#places[partition] = to;
  }

  /** Offsets that it has yet to look at. */
  get behind(): number {
    return this.#places.reduce(
      (sum, { offset }, partition) => sum + Math.max(0, this.#view.head(partition) - offset),
      0,
    );
  }

  position(): Position {
    const components = this.#places.map(({ base, offset }) => (base === undefined ? { offset } : { offset, base }));
    return { epoch: this.#epoch, components };
  }

  positionText(): string {
    return formatPosition(this.position());
  }
}

function placeOf(kept: Position | undefined, partition: number): Place {
  const { base, offset } = kept?.components[partition] ?? { offset: 0 };
  return base === undefined || base <= offset ? { offset } : { offset, base };
}
