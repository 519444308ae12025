import { compileGlob, type Glob } from '../../shared/glob.ts';
import { refuseKey } from '../../shared/key.ts';
import { textOf } from '../../shared/payload.ts';

/** What Latchkey keeps for itself on a Redis: never anybody's data. */
const OWN_PREFIX = 'latchkey:';

export interface SelectionSettings {
  readonly patterns: readonly string[];
  readonly keyPrefix: string;
}

/** A key of that Redis that is followed, and the key of its entry. */
export interface Selected {
  readonly redisKey: string;
  readonly entryKey: string;
}

/** Which keys of a Redis a source follows, and under which keys their entries are. */
export class Selection {
  readonly patterns: readonly string[];
  readonly #globs: readonly Glob[];
  readonly #keyPrefix: string;
  readonly #keyBytesMax: number;

  constructor({ keyPrefix, patterns }: SelectionSettings, keyBytesMax: number) {
    this.patterns = patterns;
    this.#globs = patterns.map(compileGlob);
    this.#keyPrefix = keyPrefix;
    this.#keyBytesMax = keyBytesMax;
  }

  /** Undefined where the key is nobody's to follow; `unfit`: no entry can be called so. */
  of(name: Buffer | string): Selected | 'unfit' | undefined {
    const redisKey = typeof name === 'string' ? name : textOf(name);
    if (redisKey === undefined) return this.#matches((name as Buffer).toString('latin1')) ? 'unfit' : undefined;
    if (!this.#matches(redisKey)) return undefined;
    const entryKey = this.#keyPrefix + redisKey;
    return refuseKey(entryKey, this.#keyBytesMax) === undefined ? { redisKey, entryKey } : 'unfit';
  }

  /** As `of` for the key of an entry. */
  ofEntry(entryKey: string): Selected | undefined {
    if (!entryKey.startsWith(this.#keyPrefix)) return undefined;
    const redisKey = entryKey.slice(this.#keyPrefix.length);
    return this.#matches(redisKey) ? { redisKey, entryKey } : undefined;
  }

  /** The first pattern that the key matches, for telling of it. */
  patternOf(redisKey: string): string {
    return this.patterns[this.#globs.findIndex((glob) => glob.matches(redisKey))] ?? '';
  }

  /** Beginnings of the entries that a pattern is about. */
  entryPrefix(index: number): string {
    return this.#keyPrefix + (this.#globs[index]?.literalPrefix ?? '');
  }

  /** Whether an earlier pattern has a key already. */
  isEarlier(redisKey: string, index: number): boolean {
    return this.#globs.slice(0, index).some((glob) => glob.matches(redisKey));
  }

  /** Beginnings that together are those of every key that is followed, none of which begins with another: so tracking takes them. */
  get trackedPrefixes(): readonly string[] {
    const prefixes = [...new Set(this.#globs.map(({ literalPrefix }) => literalPrefix))];
    return prefixes.filter((prefix) => !prefixes.some((other) => other !== prefix && prefix.startsWith(other)));
  }

  #matches(redisKey: string): boolean {
    return !redisKey.startsWith(OWN_PREFIX) && this.#globs.some((glob) => glob.matches(redisKey));
  }
}
