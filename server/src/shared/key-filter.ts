import { compileGlob } from './glob.ts';

export interface KeyFilter {
  readonly keys: readonly string[];
  readonly prefixes: readonly string[];
  readonly patterns: readonly string[];
}

/** Whether a key is one of `keys`, begins with one of `prefixes` or matches one of `patterns`; where all are empty, every key is. */
export function compileKeyFilter({ keys, patterns, prefixes }: KeyFilter): (key: string) => boolean {
  if (keys.length + prefixes.length + patterns.length === 0) return () => true;
  const exact = new Set(keys);
  const globs = patterns.map(compileGlob);
  return (key) =>
    exact.has(key) || prefixes.some((prefix) => key.startsWith(prefix)) || globs.some((glob) => glob.matches(key));
}
