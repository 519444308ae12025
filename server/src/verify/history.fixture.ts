/** The pieces that the histories of the checkers' tests are made of. */
import { parsePosition } from '@latchkey/client';
import type { Observation, Sight } from './history.ts';

export const at = (text: string) => parsePosition(text);

/** A put of JSON text, or without it a remove. */
export function sight(offset: number, key: string, content?: string, epoch = 'aaaa'): Sight {
  const base = { partition: 0, offset, epoch, key };
  return content === undefined ? { ...base, op: 'remove' } : { ...base, op: 'put', content };
}

export const connected = (from?: string): Observation => ({
  kind: 'connected',
  from: from === undefined ? undefined : at(from),
});
export const opened = (text: string, snapshotTo?: string): Observation => ({
  kind: 'opened',
  position: at(text),
  snapshotTo: snapshotTo === undefined ? undefined : at(snapshotTo),
});
export const synced = (text: string): Observation => ({ kind: 'synced', position: at(text) });
export const progress = (text: string): Observation => ({ kind: 'progress', position: at(text) });
export const conflated = (from: string, to: string): Observation => ({ kind: 'conflated', from: at(from), to: at(to) });
export const reset = (text: string, snapshotTo?: string): Observation => ({
  kind: 'reset',
  position: at(text),
  snapshotTo: snapshotTo === undefined ? undefined : at(snapshotTo),
});
/** As within a WebSocket frame, whose end alone has a position. */
export const seen = (what: Sight): Observation => ({ kind: 'change', sight: what, position: undefined });
