import { LatchkeyError, quote } from '@latchkey/client';

/** A whole number from 1; infinity where the option was not given. @throws LatchkeyError `usage` */
export function countOf(option: string, text: string | undefined): number {
  if (text === undefined) return Number.POSITIVE_INFINITY;
  if (/^[1-9][0-9]{0,14}$/.test(text)) return Number(text);
  throw new LatchkeyError('usage', `${option} takes a whole number from 1, but got ${quote(text)}.`, { field: option });
}
