import type { Change, ChangeDraft } from '../shared/change.ts';

/** Whether the entry is past its expiry and not yet removed for it. */
export function isExpired(entry: Change, now: number): boolean {
  return entry.op !== 'remove' && entry.expires !== undefined && entry.expires <= now;
}

/**
 * When the entry's next due change comes, in microseconds since 1970: its expiry, or the end of its freshness where that is
 * earlier. Undefined where time alone changes nothing.
 */
export function dueAt(entry: Change | ChangeDraft): number | undefined {
  if (entry.op === 'remove') return undefined;
  const staleAt = entry.op === 'put' ? entry.valid?.micros : undefined;
  if (staleAt === undefined || entry.expires === undefined) return staleAt ?? entry.expires;
  return Math.min(staleAt, entry.expires);
}

/**
 * What time alone makes of an entry at `now`: the `expired` remove, or `stale` with the full entry, or nothing. An entry that is
 * past both is only expired: nobody is told that what has gone was stale.
 */
export function decideDue(entry: Change, now: number): ChangeDraft | undefined {
  if (isExpired(entry, now)) return expiredDraft(entry, now);
  if (entry.op !== 'put' || entry.valid === undefined || entry.valid.micros > now) return undefined;
  return {
    op: 'stale',
    key: entry.key,
    value: entry.value,
    reason: undefined,
    updated: entry.updated,
    valid: entry.valid,
    expires: entry.expires,
    decided: now,
    origin: entry.origin,
  };
}

/** Keeps the entry's `updated`: it is what protects the key from puts that come late. */
export function expiredDraft(entry: Change, now: number): ChangeDraft {
  return {
    op: 'remove',
    key: entry.key,
    value: undefined,
    reason: 'expired',
    updated: entry.updated,
    valid: undefined,
    expires: undefined,
    decided: now,
    origin: undefined,
  };
}
