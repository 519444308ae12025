/**
 * Redis globs: `*` any run, `?` one character, `[abc]`, `[a-z]`, `[^a]` one character of (or not of) a class, `\` takes the next
 * character as it is. As in Redis, a range may be written backwards, a class that is never closed ends with the pattern, an empty
 * class matches nothing, and a lone `\` at the end is itself.
 *
 * A character is a **Unicode code point**, where Redis counts bytes: `?` matches `é` and `🔋` alike. For ASCII both are the same.
 *
 * Between two stars lies a run of fixed length, and taking the leftmost place where it fits never loses a match. So a match is one
 * pass without backtracking over stars: at worst O(key × pattern), whatever the pattern.
 */

import { RunSearch } from './run-search.ts';

/** `all` matches every key, `exact` one key, `prefix` whatever starts with `literalPrefix`; `general` has to be matched. */
export type GlobKind = 'all' | 'exact' | 'prefix' | 'general';

export interface Glob {
  readonly kind: GlobKind;
  /** Every key that matches starts with it, escapes resolved; the whole key where `kind` is `exact`. */
  readonly literalPrefix: string;
  /** For finding a pattern by a key: no key matches that does not have this text there. Empty where nothing is fixed. */
  readonly anchor: Anchor;
  /** What a match takes at worst for each character of the key: 1, and for each run to search for 1, or more for many classes. */
  readonly steps: number;
  matches(key: string): boolean;
}

/** A text that keys start with, end with or hold anywhere. */
export interface Anchor {
  readonly at: 'start' | 'end' | 'within';
  readonly text: string;
}

/** One character of a pattern: itself, any, or a class. */
type Token =
  | { readonly kind: 'literal'; readonly text: string }
  | { readonly kind: 'any' }
  | { readonly kind: 'class'; readonly isNegated: boolean; readonly ranges: readonly (readonly [number, number])[] };

/** What stands between two stars; `text` where it is all literal. */
interface Run {
  readonly tokens: readonly Token[];
  readonly text: string | undefined;
  /** Where it is to be searched for; made with the first key. */
  search?: RunSearch<Token>;
}

const ANY: Token = { kind: 'any' };

/** The pattern that matches exactly that text. */
export function literalGlob(text: string): string {
  return text.replace(/[*?[\]\\]/g, '\\$&');
}

/** Never throws: every text is a pattern. Bounds on its length are the caller's. */
export function compileGlob(pattern: string): Glob {
  const runs = parse(pattern);
  const first = runs[0] as Run;
  const last = runs.at(-1) as Run;
  const literalPrefix = leadingText(first);
  const anchor = anchorOf(runs, literalPrefix);
  const { text: head } = first;
  const { text: tail } = last;
  if (runs.length === 1 && head !== undefined) {
    return { kind: 'exact', literalPrefix, anchor, steps: 1, matches: (key) => key === head };
  }
  if (runs.length === 2 && head !== undefined && tail !== undefined) {
    if (tail === '' && head === '') return { kind: 'all', literalPrefix, anchor, steps: 1, matches: () => true };
    if (tail === '') return { kind: 'prefix', literalPrefix, anchor, steps: 1, matches: (key) => key.startsWith(head) };
    if (head === '') return { kind: 'general', literalPrefix, anchor, steps: 1, matches: (key) => key.endsWith(tail) };
  }
  const middle = runs.slice(1, -1);
  return {
    kind: 'general',
    literalPrefix,
    anchor,
    steps: middle.reduce(
      (sum, { text, tokens }) => sum + (text === undefined ? 1 + Math.ceil(tokens.length / 32) : 1),
      1,
    ),
    matches: (key) =>
      key.startsWith(literalPrefix) && matchesRuns(key, first, middle, runs.length === 1 ? undefined : last),
  };
}

/** Splits at the stars (neighbouring stars are one): n stars give n + 1 runs, empty ones at the ends where a star stands there. */
function parse(pattern: string): readonly Run[] {
  const characters = Array.from(pattern);
  const runs: Run[] = [];
  let tokens: Token[] = [];
  let at = 0;
  while (at < characters.length) {
    const character = characters[at] as string;
    if (character === '*') {
      runs.push(makeRun(tokens));
      tokens = [];
      while (characters[at] === '*') at += 1;
    } else if (character === '?') {
      tokens.push(ANY);
      at += 1;
    } else if (character === '[') {
      at = parseClass(characters, at + 1, tokens);
    } else {
      if (character === '\\' && at + 1 < characters.length) at += 1;
      tokens.push({ kind: 'literal', text: characters[at] as string });
      at += 1;
    }
  }
  runs.push(makeRun(tokens));
  return runs;
}

/** `at` is behind the `[`; answers where the pattern goes on behind the `]`. */
function parseClass(characters: readonly string[], start: number, tokens: Token[]): number {
  const isNegated = characters[start] === '^';
  const ranges: [number, number][] = [];
  let at = isNegated ? start + 1 : start;
  while (at < characters.length && characters[at] !== ']') {
    if (characters[at] === '\\' && at + 1 < characters.length) {
      ranges.push([codePoint(characters, at + 1), codePoint(characters, at + 1)]);
      at += 2;
    } else if (characters[at + 1] === '-' && at + 2 < characters.length) {
      const from = codePoint(characters, at);
      const to = codePoint(characters, at + 2);
      ranges.push(from <= to ? [from, to] : [to, from]);
      at += 3;
    } else {
      ranges.push([codePoint(characters, at), codePoint(characters, at)]);
      at += 1;
    }
  }
  tokens.push({ kind: 'class', isNegated, ranges });
  return at + 1;
}

function codePoint(characters: readonly string[], at: number): number {
  return (characters[at] as string).codePointAt(0) as number;
}

function makeRun(tokens: readonly Token[]): Run {
  const isText = tokens.every((token) => token.kind === 'literal');
  return {
    tokens,
    text: isText ? tokens.map((token) => (token.kind === 'literal' ? token.text : '')).join('') : undefined,
  };
}

function leadingText({ tokens }: Run): string {
  let text = '';
  for (const token of tokens) {
    if (token.kind !== 'literal') break;
    text += token.text;
  }
  return text;
}

function trailingText({ tokens }: Run): string {
  let text = '';
  for (let index = tokens.length - 1; index >= 0; index -= 1) {
    const token = tokens[index] as Token;
    if (token.kind !== 'literal') break;
    text = token.text + text;
  }
  return text;
}

/** The longest text that is fixed in place; what stands between two stars only where nothing else is, for it is dearer to find. */
function anchorOf(runs: readonly Run[], literalPrefix: string): Anchor {
  const ending = trailingText(runs.at(-1) as Run);
  if (ending.length > literalPrefix.length) return { at: 'end', text: ending };
  if (literalPrefix !== '') return { at: 'start', text: literalPrefix };
  let text = '';
  for (const run of runs.slice(1, -1)) if ((run.text ?? '').length > text.length) text = run.text as string;
  return text === '' ? { at: 'start', text } : { at: 'within', text };
}

/** `last` is undefined where the pattern has no star: then `first` must take the whole key. */
function matchesRuns(key: string, first: Run, middle: readonly Run[], last: Run | undefined): boolean {
  let at = endOfRun(key, first, 0);
  if (at < 0) return false;
  if (last === undefined) return at === key.length;
  for (const run of middle) {
    at = findRun(key, run, at);
    if (at < 0) return false;
  }
  const start = startOfLast(key, last, at);
  return start >= 0 && endOfRun(key, last, start) === key.length;
}

/** Where the run ends if it fits at `start`, else -1. */
function endOfRun(key: string, run: Run, start: number): number {
  if (run.text !== undefined) return key.startsWith(run.text, start) ? start + run.text.length : -1;
  let at = start;
  for (const token of run.tokens) {
    const point = key.codePointAt(at);
    if (point === undefined || !takes(token, point)) return -1;
    at += point > 0xffff ? 2 : 1;
  }
  return at;
}

function takes(token: Token, point: number): boolean {
  if (token.kind === 'any') return true;
  if (token.kind === 'literal') return token.text.codePointAt(0) === point;
  for (const [from, to] of token.ranges) {
    if (from <= point && point <= to) return !token.isNegated;
  }
  return token.isNegated;
}

/** The end of the leftmost place at or behind `start` where the run fits, else -1. */
function findRun(key: string, run: Run, start: number): number {
  if (run.text !== undefined) {
    const found = key.indexOf(run.text, start);
    return found < 0 ? -1 : found + run.text.length;
  }
  run.search ??= new RunSearch(run.tokens, takes);
  return run.search.find(key, start);
}

/** Where the last run must start so that it ends with the key; -1 where that would be before `from`. */
function startOfLast(key: string, run: Run, from: number): number {
  if (run.text !== undefined) return key.length - run.text.length >= from ? key.length - run.text.length : -1;
  let at = key.length;
  for (let left = run.tokens.length; left > 0; left -= 1) {
    if (at <= from) return -1;
    at -= at >= 2 && (key.codePointAt(at - 2) as number) > 0xffff ? 2 : 1;
  }
  return at >= from ? at : -1;
}
