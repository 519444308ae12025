import { createHash } from 'node:crypto';
import type { Heard, HeardMessage } from './inbox.ts';

/**
 * How far a subscription has been taken, as the log keeps it. A message that is published has no number, so the last ones that were
 * taken stand for the place: whoever heard them too knows which came after.
 */
export interface HeardPlace {
  /** Until then nothing was missed, by the clock of whoever took it: microseconds since 1970. */
  readonly micros: number;
  /** Digests of the last messages, the newest last. */
  readonly trail: readonly string[];
}

const TRAIL_MAX = 8;
const DIGEST_BYTES = 9;

export function formatPlace({ micros, trail }: HeardPlace): string {
  return `${micros}:${trail.join('.')}`;
}

export function parsePlace(text: string | undefined): HeardPlace | undefined {
  const [, micros, trail] = /^(\d{1,16}):([\w.-]*)$/.exec(text ?? '') ?? [];
  if (micros === undefined || trail === undefined) return undefined;
  return { micros: Number(micros), trail: trail === '' ? [] : trail.split('.') };
}

/** The trail once these messages were taken too. */
export function trailAfter(trail: readonly string[], messages: readonly Pick<HeardMessage, 'body' | 'channel'>[]) {
  return [...trail, ...messages.slice(-TRAIL_MAX).map(digestOf)].slice(-TRAIL_MAX);
}

/**
 * How many of the entries, from the first on, were taken when the trail was written; undefined where the last message of it is not
 * among them. What was missed before a place is not compared. Of several places that look alike it is the last one: what is left out
 * then says the same again.
 */
export function takenOf(trail: readonly string[], entries: readonly Heard[]): number | undefined {
  const digests = new Map<Heard, string>();
  const digestAt = (index: number): string | undefined => {
    const entry = entries[index];
    if (entry === undefined || entry.kind === 'gap') return undefined;
    const digest = digests.get(entry) ?? digestOf(entry);
    digests.set(entry, digest);
    return digest;
  };
  for (let index = entries.length - 1; index >= 0; index -= 1) {
    if (trail.length === 0 || digestAt(index) !== trail.at(-1)) continue;
    let back = 1;
    while (back < trail.length && digestAt(index - back) === trail[trail.length - 1 - back]) back += 1;
    if (back === trail.length || digestAt(index - back) === undefined) return index + 1;
  }
  return undefined;
}

function digestOf({ body, channel }: Pick<HeardMessage, 'body' | 'channel'>): string {
  const hash = createHash('sha256').update(channel).update('\0').update(body).digest();
  return hash.subarray(0, DIGEST_BYTES).toString('base64url');
}
