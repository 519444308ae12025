/** The journal of the server with failpoints, read back, and held against what the server's own log still says. */
import { existsSync, readFileSync } from 'node:fs';
import type { Sight, Violation } from '../../server/src/verify/history.ts';
import { show } from '../../server/src/verify/segment.ts';
import { sightOf, type WireChange } from '../../server/src/verify/sight.ts';
import { get } from '../support/http-client.ts';
import type { JournalLine } from './failpoint-orders.ts';

export interface Journal {
  /** Every change that ever became durable, in offset order. */
  readonly log: readonly Sight[];
  readonly violations: readonly Violation[];
}

/**
 * An offset that comes again, or goes back, was durable once and lost by a restart (DurableStays). Offsets go on without a hole, and
 * each change names the one of its key before it, by which histories and catch-up go back (ChainExact).
 */
export function readJournal(path: string): Journal {
  const text = existsSync(path) ? readFileSync(path, 'utf8') : '';
  const lines = text.split('\n').filter(Boolean);
  const log: Sight[] = [];
  const violations: Violation[] = [];
  const lastOf = new Map<string, Sight>();
  const found = (guarantee: string, message: string) => violations.push({ guarantee, to: 'journal', message });
  for (const line of lines) {
    const { change, previous } = JSON.parse(line) as JournalLine;
    const sight = sightOf(change);
    const before = log.at(-1);
    const ofKey = lastOf.get(sight.key);
    if (before !== undefined && sight.offset <= before.offset)
      found('DurableStays', `${show(sight)} became durable after ${show(before)} had been: what lay between was lost`);
    else if (before !== undefined && sight.offset > before.offset + 1)
      found('ChainExact', `${show(sight)} follows ${show(before)}: between them lies a hole`);
    // A tombstone that was collected is forgotten.
    if (previous !== (ofKey?.offset ?? 0) && !(previous === 0 && ofKey?.op === 'remove'))
      found('ChainExact', `${show(sight)} names ${previous} as the one before it, not ${ofKey?.offset ?? 0}`);
    log.push(sight);
    lastOf.set(sight.key, sight);
  }
  return { log, violations };
}

/** What the server still holds, at that version at least, is what became durable, and it holds the last change of every key that is no collected tombstone. */
export async function compareWithServer(
  url: string,
  log: readonly Sight[],
  keys: readonly string[],
  minPosition: string,
): Promise<readonly Violation[]> {
  const journalled = new Map(log.map((sight) => [sight.offset, sight]));
  const messages: string[] = [];
  for (const key of keys) {
    const { json, status } = await get(url, key, `?history=true&limit=1000&minPosition=${minPosition}`);
    const changes = status === 404 ? [] : (json as { readonly changes: readonly WireChange[] }).changes.map(sightOf);
    for (const change of changes) {
      const known = journalled.get(change.offset);
      if (known === undefined || show(known) !== show(change))
        messages.push(
          `the log holds ${show(change)}, but ${known === undefined ? 'nothing' : show(known)} became durable there`,
        );
    }
    const last = log.findLast((sight) => sight.key === key);
    if (last !== undefined && last.op !== 'remove' && !changes.some(({ offset }) => offset === last.offset))
      messages.push(`${show(last)} is the last of its key, and the log does not hold it`);
  }
  return messages.map((message) => ({ guarantee: 'DurableStays', to: 'log', message }));
}
