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
 * among them. Of several places that look alike it is the last one: what is left out then says the same again.
 */
export function takenOf(trail: readonly string[], entries: readonly Heard[]): number | undefined {
  if (trail.length === 0) return undefined;
  const messages = entries.flatMap((entry, index) => (entry.kind === 'message' ? [{ index, entry }] : []));
  const digests = new Map<number, string>();
  const digestAt = (place: number): string => {
    const known = digests.get(place) ?? digestOf((messages[place] as { entry: HeardMessage }).entry);
    digests.set(place, known);
    return known;
  };
  for (let place = messages.length - 1; place >= 0; place -= 1) {
    const compared = Math.min(trail.length, place + 1);
    let same = 0;
    while (same < compared && digestAt(place - same) === trail[trail.length - 1 - same]) same += 1;
    if (same === compared) return (messages[place] as { index: number }).index + 1;
  }
  return undefined;
}

function digestOf({ body, channel }: Pick<HeardMessage, 'body' | 'channel'>): string {
  const hash = createHash('sha256').update(channel).update('\0').update(body).digest();
  return hash.subarray(0, DIGEST_BYTES).toString('base64url');
}
