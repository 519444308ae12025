import type { Glob } from '../shared/glob.ts';
import type { CanonicalFilter } from './canonical-filter.ts';

interface Pattern<T> {
  readonly glob: Glob;
  readonly targets: Set<T>;
}

/** What hangs at one literal prefix: those who want all of it, and the patterns that start with it. */
interface Bucket<T> {
  readonly targets: Set<T>;
  readonly patterns: Map<string, Pattern<T>>;
}

/**
 * Finds who wants a key. Exact keys cost one look-up however many there are; prefixes and patterns one look-up per distinct length
 * of their literal start, and each distinct pattern is matched once, whoever has it.
 *
 * Invariant: a target is found for exactly the keys that its filter matches.
 */
export class FilterIndex<T> {
  readonly #everything = new Set<T>();
  readonly #keys = new Map<string, Set<T>>();
  readonly #buckets = new Map<number, Map<string, Bucket<T>>>();

  add(filter: CanonicalFilter, target: T): void {
    if (filter.isEverything) this.#everything.add(target);
    for (const key of filter.keys) {
      const targets = this.#keys.get(key);
      if (targets === undefined) this.#keys.set(key, new Set([target]));
      else targets.add(target);
    }
    for (const prefix of filter.prefixes) this.#bucket(prefix).targets.add(target);
    for (const { pattern, glob } of filter.patterns) {
      const { patterns } = this.#bucket(glob.literalPrefix);
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
    for (const prefix of filter.prefixes) {
      this.#bucket(prefix).targets.delete(target);
      this.#drop(prefix);
    }
    for (const { pattern, glob } of filter.patterns) {
      const { patterns } = this.#bucket(glob.literalPrefix);
      const same = patterns.get(pattern);
      same?.targets.delete(target);
      if (same?.targets.size === 0) patterns.delete(pattern);
      this.#drop(glob.literalPrefix);
    }
  }

  /** Appends every target that wants the key; one that wants it for several reasons may come several times. */
  collect(key: string, into: T[]): void {
    for (const target of this.#everything) into.push(target);
    const exact = this.#keys.get(key);
    if (exact !== undefined) for (const target of exact) into.push(target);
    for (const [length, buckets] of this.#buckets) {
      if (length > key.length) continue;
      const bucket = buckets.get(length === key.length ? key : key.slice(0, length));
      if (bucket === undefined) continue;
      for (const target of bucket.targets) into.push(target);
      for (const { glob, targets } of bucket.patterns.values()) {
        if (glob.matches(key)) for (const target of targets) into.push(target);
      }
    }
  }

  get isEmpty(): boolean {
    return this.#everything.size + this.#keys.size + this.#buckets.size === 0;
  }

  #bucket(prefix: string): Bucket<T> {
    let buckets = this.#buckets.get(prefix.length);
    if (buckets === undefined) {
      buckets = new Map();
      this.#buckets.set(prefix.length, buckets);
    }
    let bucket = buckets.get(prefix);
    if (bucket === undefined) {
      bucket = { targets: new Set(), patterns: new Map() };
      buckets.set(prefix, bucket);
    }
    return bucket;
  }

  #drop(prefix: string): void {
    const buckets = this.#buckets.get(prefix.length);
    const bucket = buckets?.get(prefix);
    if (bucket === undefined || bucket.targets.size + bucket.patterns.size > 0) return;
    buckets?.delete(prefix);
    if (buckets?.size === 0) this.#buckets.delete(prefix.length);
  }
}
