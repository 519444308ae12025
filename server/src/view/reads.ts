import { type Change, isLive, payloadBytes } from '../shared/change.ts';
import { compileGlob } from '../shared/glob.ts';
import { textKey } from './environment.ts';
import { afterPrefix, offsetOf, placeKey } from './keys.ts';
import { whole } from './place.ts';
import { decodeRecord } from './record.ts';
import type { ViewState } from './state.ts';
import type { Place, Store } from './store.ts';
import type { ListOptions, ListPage, Placed, ScanOptions, ScanPage, StoredEntry } from './view.ts';
import type { Collected, Replaced, Trim } from './window.ts';

/** A page of a listing looks at no more keys than this, so that a rare pattern can't hold the process. */
const EXAMINE_MAX = 20_000;
/** Comparisons of a page with a pattern, about 10 ms: a class of characters is searched for in a long key thousands of times. */
const MATCH_STEPS_MAX = 2_000_000;
const NOTHING: readonly Change[] = [];
const LIST_BYTES_MAX = 4 * 1024 * 1024;

/**
 * Answers from the store as of the durable head. A commit shows in the store a moment before its flush is reported; for that
 * moment the changes it replaces are kept here, because the trim may have taken their records. What else a step takes away (older
 * changes of a key, collected tombstones) lies below the floors, which are raised before: who reads on from there is told.
 *
 * Invariant: no answer holds a change beyond `state.heads`, and the last change of every key at `state.heads` is found.
 */
export class ViewReads {
  readonly #store: Store;
  readonly #nowMicros: () => number;
  #state: ViewState;
  #historyFloors: readonly number[];
  #tombstoneFloors: readonly number[];
  /** The step under way, and what it replaces by key, gathered when a reader first asks. */
  #placed: readonly Placed[] = [];
  #before: ReadonlyMap<string, Change | undefined> | undefined;
  /** By partition and offset, what it replaces and whose records it may take. */
  #replaced: Replaced = [];
  /** The same in offset order, sorted when a scan first asks. */
  #sorted: (readonly Change[] | undefined)[] = [];

  constructor(store: Store, state: ViewState, nowMicros: () => number) {
    this.#store = store;
    this.#state = state;
    this.#nowMicros = nowMicros;
    this.#historyFloors = state.historyFloors;
    this.#tombstoneFloors = state.tombstoneFloors;
  }

  get state(): ViewState {
    return this.#state;
  }

  get historyFloors(): readonly number[] {
    return this.#historyFloors;
  }

  get tombstoneFloors(): readonly number[] {
    return this.#tombstoneFloors;
  }

  beginStep(
    placed: readonly Placed[],
    replaced: Replaced,
    trims: readonly Trim[],
    collected: readonly Collected[],
    collectTo = 0,
  ): void {
    this.#replaced = replaced;
    this.#placed = placed;
    this.#before = undefined;
    const historyFloors = [...this.#historyFloors];
    for (const { partition, floor } of trims)
      historyFloors[partition] = Math.max(historyFloors[partition] as number, floor);
    const tombstoneFloors = [...this.#tombstoneFloors];
    for (const { place } of collected) {
      if (place === undefined) continue;
      const { offset, partition } = place;
      tombstoneFloors[partition] = Math.max(tombstoneFloors[partition] as number, offset);
    }
    if (collectTo > (tombstoneFloors[0] as number)) tombstoneFloors[0] = collectTo;
    this.#historyFloors = historyFloors;
    this.#tombstoneFloors = tombstoneFloors;
  }

  adopt(state: ViewState): void {
    this.#state = state;
  }

  /** After `adopt`, or after a step of which nothing was kept: then what it would have taken is still there. */
  endStep(): void {
    this.#historyFloors = this.#state.historyFloors;
    this.#tombstoneFloors = this.#state.tombstoneFloors;
    this.#placed = [];
    this.#before = undefined;
    this.#replaced = [];
    this.#sorted = [];
  }

  get(key: string): Change | undefined {
    const place = this.#store.place(Buffer.from(key));
    if (place === undefined) return undefined;
    if (this.#isBeyond(place)) return this.#beforeOf(key);
    return this.#store.change(place.partition, place.offset);
  }

  stored(key: string): StoredEntry | undefined {
    const place = this.#store.place(textKey(key));
    // What the step under way replaces is kept as a change only.
    if (place === undefined || place.isRemove || this.#isBeyond(place)) return undefined;
    return this.#store.stored(place.partition, place.offset);
  }

  at(partition: number, offset: number): Change | undefined {
    if (offset > (this.#state.heads[partition] ?? 0)) return undefined;
    return this.#replaced[partition]?.get(offset) ?? this.#store.change(partition, offset);
  }

  scan(partition: number, after: number, options: ScanOptions): ScanPage {
    const until = Math.min(options.until, this.#state.heads[partition] ?? 0);
    if (after >= until) return { changes: [], reached: Math.max(after, until) };
    const changes: Change[] = [];
    let bytes = 0;
    const isFullWith = (change: Change, size: number): boolean => {
      if (options.skipRemoves && change.op === 'remove') return false;
      if (options.skipSuperseded && this.#isSuperseded(change)) return false;
      changes.push(change);
      bytes += size;
      return changes.length >= options.changesMax || bytes >= options.bytesMax;
    };
    const replaced = this.#replacedBetween(partition, after, until);
    const range = {
      start: placeKey(partition, after + 1),
      end: placeKey(partition, until + 1),
      limit: EXAMINE_MAX,
      ...this.#store.moment,
    };
    let examined = 0;
    let next = 0;
    for (const { key, value } of this.#store.changes.getRange(range)) {
      examined += 1;
      const offset = offsetOf(key);
      for (let change = replaced[next]; change !== undefined && change.offset < offset; change = replaced[next]) {
        next += 1;
        if (isFullWith(change, sizeOf(change))) return { changes, reached: change.offset };
      }
      if (replaced[next]?.offset === offset) next += 1;
      if (isFullWith(decodeRecord(value, partition, offset), value.length) || examined >= EXAMINE_MAX)
        return { changes, reached: offset };
    }
    for (const change of replaced.slice(next))
      if (isFullWith(change, sizeOf(change))) return { changes, reached: change.offset };
    // The range is exhausted: whatever lies between the last record and `until` is gone.
    return { changes, reached: until };
  }

  chain(key: string, after: number, max: number): readonly number[] {
    const offsets: number[] = [];
    let change = this.get(key);
    while (change !== undefined && change.offset > after && offsets.length < max) {
      offsets.push(change.offset);
      change = change.previous === 0 ? undefined : this.at(change.partition, change.previous);
    }
    return offsets;
  }

  list(options: ListOptions): ListPage {
    const glob = options.pattern === undefined ? undefined : compileGlob(options.pattern);
    const prefix = longest(options.prefix ?? '', glob?.literalPrefix ?? '');
    if (prefix === undefined) return { entries: [] };
    const prefixBytes = Buffer.from(prefix);
    const end = afterPrefix(prefixBytes);
    const afterKey =
      options.after === undefined ? undefined : Buffer.concat([Buffer.from(options.after), Buffer.from([0])]);
    const start = afterKey !== undefined && Buffer.compare(afterKey, prefixBytes) > 0 ? afterKey : prefixBytes;
    const nowMicros = this.#nowMicros();
    const entries: Change[] = [];
    let bytes = 0;
    let examined = 0;
    let steps = 0;
    const range = { start, limit: EXAMINE_MAX, ...(end === undefined ? {} : { end }), ...this.#store.moment };
    for (const { key: keyBytes, value: place } of this.#store.entries.getRange(range)) {
      examined += 1;
      const key = keyBytes.toString();
      steps += key.length * (glob?.steps ?? 0);
      if (glob === undefined || glob.matches(key)) {
        const entry = options.withRemoves === true ? this.get(key) : this.#entryAt(key, place);
        if (entry !== undefined && (options.withRemoves === true || isLive(entry, nowMicros))) {
          entries.push(entry);
          bytes += entry.value?.data.length ?? 0;
        }
      }
      const isFull = entries.length >= options.limit || bytes >= (options.bytesMax ?? LIST_BYTES_MAX);
      if (isFull || examined >= EXAMINE_MAX || steps >= MATCH_STEPS_MAX) return { entries, next: key };
    }
    return { entries };
  }

  /** Of the step under way, in offset order. */
  #replacedBetween(partition: number, after: number, until: number): readonly Change[] {
    const replaced = this.#replaced[partition];
    if (replaced === undefined || replaced.size === 0) return NOTHING;
    this.#sorted[partition] ??= [...replaced.values()].sort((a, b) => a.offset - b.offset);
    return this.#sorted[partition].filter(({ offset }) => offset > after && offset <= until);
  }

  #entryAt(key: string, stored: Buffer): Change | undefined {
    const place = { partition: stored[0] as number, isRemove: stored[1] === 1, offset: stored.readDoubleLE(2) };
    if (this.#isBeyond(place)) return this.#beforeOf(key);
    return place.isRemove ? undefined : this.#store.change(place.partition, place.offset);
  }

  #beforeOf(key: string): Change | undefined {
    if (this.#before === undefined) {
      const before = new Map<string, Change | undefined>();
      // The first change of a key in this step replaces what is durable; later ones replace changes of the step itself.
      for (const placed of this.#placed)
        if (!before.has(placed.change.key)) before.set(placed.change.key, placed.before);
      this.#before = before;
    }
    const before = this.#before.get(key);
    return before === undefined ? undefined : whole(before);
  }

  #isBeyond(place: Place): boolean {
    return place.offset > (this.#state.heads[place.partition] ?? 0);
  }

  #isSuperseded(change: Change): boolean {
    const place = this.#store.place(Buffer.from(change.key));
    if (place === undefined) return true;
    if (!this.#isBeyond(place)) return place.offset !== change.offset;
    return this.#beforeOf(change.key)?.offset !== change.offset;
  }
}

/** About what its record takes. */
function sizeOf({ key, value }: Change): number {
  return key.length + (value === undefined ? 0 : payloadBytes(value));
}

/** The longer of two prefixes that must both hold; undefined where they exclude each other. */
function longest(a: string, b: string): string | undefined {
  if (a.startsWith(b)) return a;
  return b.startsWith(a) ? b : undefined;
}
