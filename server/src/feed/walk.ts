/**
 * A plan for a narrow filter: the offsets it wants of one partition, found by key instead of by reading everything in between. It
 * is built a bounded piece at a time, because each piece is one synchronous reading of the view.
 *
 * A plan may age while it is handed out. In a snapshot or conflated range that is right: what vanished from the view was
 * superseded beyond the range, and the later change follows. In a complete range nothing vanishes while the position is at or
 * above the view's history floor, which catch-up checks before each page.
 *
 * Invariant: once built, `#offsets` has every change in `(after, until]` that the range owes its filter.
 */
import { type Change, isLive } from '../shared/change.ts';
import type { View } from '../view/view.ts';
import type { Bounds } from './bounds.ts';
import type { CanonicalFilter } from './canonical-filter.ts';
import { changeWeight } from './group.ts';

/** `snapshot`: live entries; `conflated`: the last change of each key; `complete`: every change. */
export type Range = 'snapshot' | 'conflated' | 'complete';

const PIECE_BYTES_MAX = 1024 * 1024;

/**
 * Whether there is a plan for that at all: by prefix the last change of each key can be listed, but not what came before it. For
 * everything it is one while all keys fit: the same few keys may have filled the whole window.
 */
export function isWalkable(filter: CanonicalFilter, range: Range, view: View, bounds: Bounds): boolean {
  const { isEverything, patterns, prefixes } = filter;
  if (range === 'complete') return !isEverything && prefixes.length + patterns.length === 0;
  if (isEverything) return view.counts().keys <= bounds.walkOffsetsMax;
  return patterns.every(({ glob }) => glob.literalPrefix !== '');
}

/** What is listed for a filter of everything. */
const ALL_KEYS = [''];

export class Walk {
  readonly until: number;
  readonly #view: View;
  readonly #bounds: Bounds;
  readonly #filter: CanonicalFilter;
  readonly #range: Range;
  readonly partition: number;
  readonly #after: number;
  readonly #offsets = new Set<number>();
  #sorted: number[] | undefined;
  #nextKey = 0;
  #nextTerm = 0;
  #pieces = 0;
  #isCut = false;
  #listAfter: string | undefined;

  constructor(
    view: View,
    bounds: Bounds,
    filter: CanonicalFilter,
    range: Range,
    place: Pick<Change, 'partition'> & { after: number; until: number },
  ) {
    this.#view = view;
    this.#bounds = bounds;
    this.#filter = filter;
    this.#range = range;
    this.partition = place.partition;
    this.#after = place.after;
    this.until = place.until;
  }

  get #prefixes(): readonly string[] {
    return this.#filter.isEverything ? ALL_KEYS : this.#filter.prefixes;
  }

  get isBuilt(): boolean {
    return this.#sorted !== undefined;
  }

  /** Reads one bounded piece. False: the plan is too long, and there will be none. */
  build(): boolean {
    const { keys, patterns } = this.#filter;
    const prefixes = this.#prefixes;
    if (this.#nextKey < keys.length) this.#readKeys();
    else if (this.#nextTerm < prefixes.length + patterns.length) this.#readTerm();
    this.#pieces += 1;
    if (this.#isCut || this.#offsets.size > this.#bounds.walkOffsetsMax || this.#pieces > this.#bounds.walkPiecesMax)
      return false;
    if (this.#nextKey >= keys.length && this.#nextTerm >= prefixes.length + patterns.length) {
      this.#sorted = [...this.#offsets].sort((a, b) => b - a);
      this.#offsets.clear();
    }
    return true;
  }

  /** The next page, as `View.scan` gives one. Only once it is built. */
  page(withValues: boolean): { readonly changes: readonly Change[]; readonly reached: number } {
    const sorted = this.#sorted as number[];
    const changes: Change[] = [];
    let bytes = 0;
    for (let offset = sorted.at(-1); offset !== undefined; offset = sorted.at(-1)) {
      const change = this.#view.at(this.partition, offset);
      if (change !== undefined) {
        bytes += changeWeight(change, withValues);
        if (bytes > this.#bounds.chunkBytesMax && changes.length > 0)
          return { changes, reached: (changes.at(-1) as Change).offset };
        changes.push(change);
      }
      sorted.pop();
      if (changes.length >= this.#bounds.walkPieceMax) return { changes, reached: offset };
    }
    return { changes, reached: this.until };
  }

  #readKeys(): void {
    const { keys } = this.#filter;
    for (let left = this.#bounds.walkPieceMax; left > 0 && this.#nextKey < keys.length; left -= 1) {
      const key = keys[this.#nextKey] as string;
      if (this.#range === 'complete') left -= this.#readChain(key);
      else this.#addLast(this.#view.get(key));
      this.#nextKey += 1;
      if (this.#offsets.size > this.#bounds.walkOffsetsMax) return;
    }
  }

  /** Answers how many changes were looked at. */
  #readChain(key: string): number {
    if (this.#view.get(key)?.partition !== this.partition) return 1;
    const max = this.#bounds.walkOffsetsMax + 1;
    const chain = this.#view.chain(key, this.#after, max);
    for (const offset of chain) {
      if (offset <= this.until) this.#offsets.add(offset);
    }
    // A chain that was cut may miss offsets below `until`.
    if (chain.length === max) this.#isCut = true;
    return chain.length;
  }

  #readTerm(): void {
    const { patterns } = this.#filter;
    const prefixes = this.#prefixes;
    const { pattern } = patterns[this.#nextTerm - prefixes.length] ?? {};
    const term = pattern === undefined ? { prefix: prefixes[this.#nextTerm] as string } : { pattern };
    const after = this.#listAfter === undefined ? {} : { after: this.#listAfter };
    const { entries, next } = this.#view.list({
      ...term,
      ...after,
      limit: this.#bounds.walkPieceMax,
      bytesMax: PIECE_BYTES_MAX,
      // A range that is no snapshot owes its removes.
      withRemoves: this.#range === 'conflated',
    });
    for (const entry of entries) this.#addLast(entry);
    this.#listAfter = next;
    if (next === undefined) this.#nextTerm += 1;
  }

  #addLast(change: Change | undefined): void {
    if (change === undefined || change.partition !== this.partition) return;
    if (change.offset <= this.#after || change.offset > this.until) return;
    if (this.#range === 'snapshot' && !isLive(change, this.#view.nowMicros())) return;
    this.#offsets.add(change.offset);
  }
}
