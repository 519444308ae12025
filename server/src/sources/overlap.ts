import { compileGlob } from '../shared/glob.ts';
import type { Subscribed } from './subscription.ts';

/**
 * A message is handed to a subscriber once for its channel and once for each pattern that matches. It is taken by the channel, else by
 * the first of those patterns: this tells, for a pattern, whether it is taken by it.
 */
export function takenByPattern({ channels, patterns }: Subscribed): (pattern: string, channel: string) => boolean {
  const named = new Set(channels);
  const globs = patterns.map((pattern) => ({ pattern, glob: compileGlob(pattern) }));
  return (pattern, channel) =>
    !named.has(channel) && globs.find(({ glob }) => glob.matches(channel))?.pattern === pattern;
}
