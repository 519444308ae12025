import type { Change, ChangeDraft } from '../shared/change.ts';

/** Whether the entry is past its expiry and not yet removed for it. */
export function isExpired(entry: Change, now: number): boolean {
  return entry.op !== 'remove' && entry.expires !== undefined && entry.expires <= now;
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
    as: entry.as,
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
    as: undefined,
    reason: 'expired',
    updated: entry.updated,
    valid: undefined,
    expires: undefined,
    decided: now,
    origin: undefined,
  };
}
