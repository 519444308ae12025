import type { Refusal } from '../commands/command.ts';
import { nameValue, refuse } from './refusal.ts';

/** A hundred years: what lies beyond is a mistake of unit, and its end could not be counted in whole microseconds for long. */
export const TTL_SECONDS_MAX = 3_155_760_000;

// Every count is bounded, so no text makes it slow.
const NUMERIC = /^(?:[0-9]{1,20}(?:\.[0-9]{0,20})?|\.[0-9]{1,20})(?:[eE][+-]?[0-9]{1,3})?$/;

/** Seconds as a number or as numeric text (fractions allowed, surrounding spaces ignored); NaN for anything else. May be negative. */
export function secondsOf(value: unknown): number {
  if (typeof value === 'number') return value;
  if (typeof value !== 'string' || value.length > 64) return Number.NaN;
  const text = value.trim();
  const digits = text.startsWith('-') || text.startsWith('+') ? text.slice(1) : text;
  return NUMERIC.test(digits) ? Number(text) : Number.NaN;
}

/** A `ttl` as its sender wrote it, in microseconds, at least 1; or the refusal `ttl-invalid`. */
export function ttlMicros(value: unknown, field = 'ttl'): number | Refusal {
  const seconds = secondsOf(value);
  if (seconds > 0 && seconds <= TTL_SECONDS_MAX) return Math.max(1, Math.round(seconds * 1_000_000));
  if (seconds > TTL_SECONDS_MAX) {
    const message = `${field} takes at most ${TTL_SECONDS_MAX} seconds, but got ${nameValue(value)}; leave it out for no expiry.`;
    return refuse('ttl-invalid', message, field, TTL_SECONDS_MAX);
  }
  return refuse('ttl-invalid', `${field} takes a number of seconds above 0, but got ${nameValue(value)}.`, field);
}
