import type { Anchor, Glob } from '../shared/glob.ts';
import type { CanonicalFilter } from './canonical-filter.ts';

interface Pattern<T> {
  readonly glob: Glob;
  readonly targets: Set<T>;
}

/** What hangs at one text: those who want every key that has it, and the patterns that no key matches without it. */
interface Bucket<T> {
  readonly targets: Set<T>;
  readonly patterns: Map<string, Pattern<T>>;
}

/** Texts inside of keys are looked up by so many of their first characters, so that a key has few pieces to try. */
const WITHIN_LENGTHS = [16, 8, 4, 2, 1] as const;

/** Buckets by the length of their text, then by the text. */
class Buckets<T> {
  readonly #lengths = new Map<number, Map<string, Bucket<T>>>();

  get isEmpty(): boolean {
    return this.#lengths.size === 0;
  }

  at(text: string): Bucket<T> {
    let buckets = this.#lengths.get(text.length);
    if (buckets === undefined) {
      buckets = new Map();
      this.#lengths.set(text.length, buckets);
    }
    let bucket = buckets.get(text);
    if (bucket === undefined) {
      bucket = { targets: new Set(), patterns: new Map() };
      buckets.set(text, bucket);
    }
    return bucket;
  }

  drop(text: string): void {
    const buckets = this.#lengths.get(text.length);
    const bucket = buckets?.get(text);
    if (bucket === undefined || bucket.targets.size + bucket.patterns.size > 0) return;
    buckets?.delete(text);
    if (buckets?.size === 0) this.#lengths.delete(text.length);
  }

  atStart(key: string, into: T[]): void {
    for (const [length, buckets] of this.#lengths) {
      if (length <= key.length) collectFrom(buckets.get(key.slice(0, length)), key, into);
    }
  }

  atEnd(key: string, into: T[]): void {
    for (const [length, buckets] of this.#lengths) {
      if (length <= key.length) collectFrom(buckets.get(key.slice(key.length - length)), key, into);
    }
  }

  /** A piece that the key has twice is found twice. */
  within(key: string, into: T[]): void {
    for (const [length, buckets] of this.#lengths) {
      const pieces = key.length - length + 1;
      if (buckets.size <= pieces) {
        for (const [text, bucket] of buckets) if (key.includes(text)) collectFrom(bucket, key, into);
      } else for (let at = 0; at < pieces; at += 1) collectFrom(buckets.get(key.slice(at, at + length)), key, into);
    }
  }
}

/**
 * Finds who wants a key. Exact keys cost one look-up however many there are; prefixes and patterns one look-up per distinct length
 * of the text that their keys start or end with. A pattern that has its text between two stars costs a look-up for each place of
 * the key. Each distinct pattern is matched once, whoever has it; only those without any text of their own are all matched.
 *
 * Invariant: a target is found for exactly the keys that its filter matches.
 */
export class FilterIndex<T> {
  readonly #everything = new Set<T>();
  readonly #keys = new Map<string, Set<T>>();
  readonly #buckets = { start: new Buckets<T>(), end: new Buckets<T>(), within: new Buckets<T>() };

  add(filter: CanonicalFilter, target: T): void {
    if (filter.isEverything) this.#everything.add(target);
    for (const key of filter.keys) {
      const targets = this.#keys.get(key);
      if (targets === undefined) this.#keys.set(key, new Set([target]));
      else targets.add(target);
    }
    for (const prefix of filter.prefixes) this.#buckets.start.at(prefix).targets.add(target);
    for (const { pattern, glob } of filter.patterns) {
      const { patterns } = this.#buckets[glob.anchor.at].at(textOf(glob.anchor));
      const same = patterns.get(pattern);
      if (same === undefined) patterns.set(pattern, { glob, targets: new Set([target]) });
      else same.targets.add(target);
    }
  }

  remove(filter: CanonicalFilter, target: T): void {
    this.#everything.delete(target);
    for (const key of filter.keys) {
      const targets = this.#keys.get(key);
      targets?.delete(target);
      if (targets?.size === 0) this.#keys.delete(key);
    }
    const { start } = this.#buckets;
    for (const prefix of filter.prefixes) {
      start.at(prefix).targets.delete(target);
      start.drop(prefix);
    }
    for (const { pattern, glob } of filter.patterns) {
      const buckets = this.#buckets[glob.anchor.at];
      const text = textOf(glob.anchor);
      const { patterns } = buckets.at(text);
      const same = patterns.get(pattern);
      same?.targets.delete(target);
      if (same?.targets.size === 0) patterns.delete(pattern);
      buckets.drop(text);
    }
  }

  /** Appends every target that wants the key; one that wants it for several reasons may come several times. */
  collect(key: string, into: T[]): void {
    for (const target of this.#everything) into.push(target);
    const exact = this.#keys.get(key);
    if (exact !== undefined) for (const target of exact) into.push(target);
    const { end, start, within } = this.#buckets;
    start.atStart(key, into);
    end.atEnd(key, into);
    within.within(key, into);
  }

  get isEmpty(): boolean {
    const { end, start, within } = this.#buckets;
    return this.#everything.size + this.#keys.size === 0 && start.isEmpty && end.isEmpty && within.isEmpty;
  }
}

function collectFrom<T>(bucket: Bucket<T> | undefined, key: string, into: T[]): void {
  if (bucket === undefined) return;
  for (const target of bucket.targets) into.push(target);
  for (const { glob, targets } of bucket.patterns.values()) {
    if (glob.matches(key)) for (const target of targets) into.push(target);
  }
}

function textOf({ at, text }: Anchor): string {
  return at === 'within'
    ? text.slice(
        0,
        WITHIN_LENGTHS.find((length) => length <= text.length),
      )
    : text;
}
