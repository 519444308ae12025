import { createHash } from 'node:crypto';
import { type Filter, LatchkeyError } from '@latchkey/client';
import type { Refusal } from '../commands/command.ts';
import type { Limits } from '../config/settings.ts';
import { compileGlob, type Glob } from '../shared/glob.ts';
import { refuseKey, refusePattern, refusePrefix } from '../shared/key.ts';

export interface FilterPattern {
  readonly pattern: string;
  readonly glob: Glob;
}

/**
 * A filter in the one form that all filters of the same meaning take: sorted, without repetitions, without what a shorter prefix
 * covers; patterns that are an exact key, a prefix or everything are that. (`a*b` and `a**b` stay two filters.)
 */
export interface CanonicalFilter {
  /** Then keys, prefixes and patterns are empty. */
  readonly isEverything: boolean;
  readonly keys: readonly string[];
  readonly prefixes: readonly string[];
  readonly patterns: readonly FilterPattern[];
  /** JSON of the above; equal for equal filters. */
  readonly text: string;
  matches(key: string): boolean;
}

/** @throws LatchkeyError `filter-too-big`, `key-invalid`, `key-too-long`, `pattern-invalid` */
export function canonicalFilter(
  filter: Filter,
  limits: Pick<Limits, 'filterTermsMax' | 'keyBytesMax'>,
): CanonicalFilter {
  checkTerms(filter, limits);
  const keys = new Set(filter.keys);
  const prefixes = new Set(filter.prefixes);
  const globs = new Map<string, Glob>();
  let terms = keys.size + prefixes.size;
  for (const pattern of filter.patterns ?? []) {
    const glob = compileGlob(pattern);
    // Each key of the store is matched with all of them in one turn.
    terms += Math.max(1, glob.steps - 1);
    if (terms > limits.filterTermsMax) throw tooBig(terms, limits.filterTermsMax);
    if (glob.kind === 'exact') keys.add(glob.literalPrefix);
    else if (glob.kind === 'general') globs.set(pattern, glob);
    else prefixes.add(glob.literalPrefix);
  }
  const hasTerms = keys.size + prefixes.size + globs.size > 0;
  if (!hasTerms || prefixes.has('')) return EVERYTHING;
  const startsIn = prefixTest(prefixes);
  return build(
    [...keys].filter((key) => !startsIn(key, key.length)).sort(),
    [...prefixes].filter((prefix) => !startsIn(prefix, prefix.length - 1)).sort(),
    [...globs]
      .filter(([, { literalPrefix }]) => !startsIn(literalPrefix, literalPrefix.length))
      .map(([pattern, glob]) => ({ pattern, glob }))
      .sort((a, b) => (a.pattern < b.pattern ? -1 : 1)),
  );
}

/**
 * What ties a watch's position to what it was made for: 6 characters of SHA-256 over the canonical filter and the grants. The
 * codec and whether values are carried are left out, so a watch may resume over another transport.
 */
export function filterHash(filter: CanonicalFilter, grants: string): string {
  const digest = createHash('sha256').update(filter.text).update('\0').update(grants).digest();
  return (digest.readUIntBE(0, 6) % 36 ** 6).toString(36).padStart(6, '0');
}

function build(
  keys: readonly string[],
  prefixes: readonly string[],
  patterns: readonly FilterPattern[],
): CanonicalFilter {
  const keySet = new Set(keys);
  const startsIn = prefixTest(new Set(prefixes));
  return {
    isEverything: false,
    keys,
    prefixes,
    patterns,
    text: JSON.stringify([keys, prefixes, patterns.map(({ pattern }) => pattern)]),
    matches: (key) => keySet.has(key) || startsIn(key, key.length) || patterns.some(({ glob }) => glob.matches(key)),
  };
}

const EVERYTHING: CanonicalFilter = {
  isEverything: true,
  keys: [],
  prefixes: [],
  patterns: [],
  text: '*',
  matches: () => true,
};

/** Whether a text starts with one of the prefixes that has at most `lengthMax` units: a look-up per distinct length. */
function prefixTest(prefixes: ReadonlySet<string>): (text: string, lengthMax: number) => boolean {
  const lengths = [...new Set(Array.from(prefixes, (prefix) => prefix.length))].sort((a, b) => a - b);
  return (text, lengthMax) => {
    for (const length of lengths) {
      if (length > lengthMax) return false;
      if (prefixes.has(text.slice(0, length))) return true;
    }
    return false;
  };
}

function checkTerms(filter: Filter, limits: Pick<Limits, 'filterTermsMax' | 'keyBytesMax'>): void {
  const { keys = [], prefixes = [], patterns = [] } = filter;
  const { filterTermsMax, keyBytesMax } = limits;
  const terms = keys.length + prefixes.length + patterns.length;
  if (terms > filterTermsMax) throw tooBig(terms, filterTermsMax);
  keys.forEach((key, index) => {
    assertTerm(refuseKey(key, keyBytesMax, `keys[${index}]`));
  });
  prefixes.forEach((prefix, index) => {
    assertTerm(refusePrefix(prefix, keyBytesMax, `prefixes[${index}]`));
  });
  patterns.forEach((pattern, index) => {
    assertTerm(refusePattern(pattern, keyBytesMax, `patterns[${index}]`));
  });
}

function tooBig(terms: number, limit: number): LatchkeyError {
  const message = `The filter has ${terms} terms or more: keys, prefixes and patterns, which count for each part between two stars; limits.filterTermsMax is ${limit}. Use a prefix or a simpler pattern, or several watches.`;
  return new LatchkeyError('filter-too-big', message, { field: 'filter', limit });
}

function assertTerm(refusal: Refusal | undefined): void {
  if (refusal === undefined) return;
  const { code, field, limit, message } = refusal;
  throw new LatchkeyError(code, message, {
    ...(field === undefined ? {} : { field }),
    ...(limit === undefined ? {} : { limit }),
  });
}
