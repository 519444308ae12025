import { LatchkeyError, parseVersion, quote } from '@latchkey/client';
import type { Sight } from './history.ts';

/** A change or entry as JSON, by any route. */
export interface WireChange {
  readonly op?: 'put' | 'remove' | 'stale';
  readonly key: string;
  readonly value?: unknown;
  readonly version: string;
}

/** @throws LatchkeyError `position-invalid` */
export function sightOf(change: WireChange): Sight {
  const { epoch, offset, partition } = parseVersion(change.version);
  const op = change.op ?? 'put';
  const place = { partition, offset, epoch, op, key: change.key };
  return op === 'remove' || change.value === undefined ? place : { ...place, content: JSON.stringify(change.value) };
}

/** What the deployment sent, as JSON. @throws LatchkeyError `invalid-json` */
export function parseSent<T>(text: string): T {
  try {
    return JSON.parse(text) as T;
  } catch (cause) {
    throw new LatchkeyError('invalid-json', `The deployment sent what is not JSON: ${quote(text)}.`, { cause });
  }
}
