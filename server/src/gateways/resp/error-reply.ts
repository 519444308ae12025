import { type ErrorCode, LatchkeyError } from '@latchkey/client';
import type { Refusal } from '../../commands/command.ts';

/**
 * The leading word by which Redis clients tell errors apart; every code that is not here says `ERR`. `LOADING` makes clients wait and
 * come back, `OOM` and `MISCONF` are what a Redis says whose memory or disk is full.
 */
const WORDS: Partial<Record<ErrorCode, string>> = {
  unauthorised: 'NOAUTH',
  forbidden: 'NOPERM',
  overloaded: 'BUSY',
  'not-ready': 'LOADING',
  closing: 'LOADING',
  'store-full': 'OOM',
  'storage-full': 'MISCONF',
};

/** What a client is told of a refusal or a fault: `ERR value has 2000000 bytes; … (value-too-big)`. */
export function errorText(error: Refusal | LatchkeyError): string {
  return `${WORDS[error.code] ?? 'ERR'} ${error.message} (${error.code})`;
}

/** For what nobody expected: its text stays in the log. */
export function unexpectedText(error: unknown): string {
  if (error instanceof LatchkeyError) return errorText(error);
  return 'ERR Latchkey failed while it ran this command; its log has the details (internal)';
}
