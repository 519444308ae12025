/**
 * SCAN's cursors are numbers, and places in this store are keys: between the two stands this list, for all connections together, since a
 * pool asks for the next page over another one.
 *
 * Invariant: at most `cursorsMax` places are kept; the oldest go first, and whoever asks for them starts again.
 */
const CURSORS_MAX = 10_000;

export class ScanCursors {
  readonly #places = new Map<string, string>();
  readonly #cursorsMax: number;
  #last = 0;

  constructor(cursorsMax = CURSORS_MAX) {
    this.#cursorsMax = cursorsMax;
  }

  /** A cursor for what comes behind a key. */
  add(key: string): string {
    this.#last += 1;
    const cursor = String(this.#last);
    this.#places.set(cursor, key);
    if (this.#places.size > this.#cursorsMax) {
      const [oldest] = this.#places.keys();
      this.#places.delete(oldest as string);
    }
    return cursor;
  }

  /** The key that the page before ended with. It stays, so that a page can be asked for again. */
  find(cursor: string): string | undefined {
    return this.#places.get(cursor);
  }
}
