/** The journal of the server with failpoints, read back, and held against what the server's own log still says. */
import { existsSync, readFileSync } from 'node:fs';
import { parseVersion } from '@latchkey/client';
import type { Sight, Violation } from '../../server/src/verify/history.ts';
import { show } from '../../server/src/verify/segment.ts';
import { sightOf, type WireChange } from '../../server/src/verify/sight.ts';
import { get } from '../support/http-client.ts';
import type { JournalLine } from './failpoint-orders.ts';

export interface Journal {
  /** Every change that ever became durable, in offset order. */
  readonly log: readonly Sight[];
  /** Offsets of changes whose entry expires. */
  readonly expiring: ReadonlySet<number>;
  readonly violations: readonly Violation[];
}

interface Noted {
  readonly sight: Sight;
  readonly isExpiring: boolean;
  /** The offset of the change of its key before it, 0 where there was none. */
  readonly previous: number;
}

function readLines(path: string): readonly Noted[] {
  const text = existsSync(path) ? readFileSync(path, 'utf8') : '';
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => {
      const { change, previous } = JSON.parse(line) as JournalLine;
      return { sight: sightOf(change), isExpiring: change.expires !== undefined, previous };
    });
}

const expiringOf = (noted: readonly Noted[]): ReadonlySet<number> =>
  new Set(noted.flatMap(({ isExpiring, sight }) => (isExpiring ? [sight.offset] : [])));

/** Each change names the one of its key before it, by which histories and catch-up go back. */
function chainFaults(noted: readonly Noted[]): readonly string[] {
  const lastOf = new Map<string, Sight>();
  return noted.flatMap(({ previous, sight }) => {
    const before = lastOf.get(sight.key);
    lastOf.set(sight.key, sight);
    // A tombstone that was collected is forgotten.
    if (previous === (before?.offset ?? 0) || (previous === 0 && before?.op === 'remove')) return [];
    return [`${show(sight)} names ${previous} as the one before it, not ${before?.offset ?? 0}`];
  });
}

const violation = (guarantee: string, message: string, to = 'journal'): Violation => ({ guarantee, to, message });

/**
 * An offset that comes again, or goes back, was durable once and lost by a restart (DurableStays). Offsets go on without a hole, and
 * each change names the one of its key before it (ChainExact).
 */
export function readJournal(path: string): Journal {
  const noted = readLines(path);
  const log = noted.map(({ sight }) => sight);
  const violations = log.flatMap((sight, index) => {
    const before = log[index - 1];
    if (before === undefined || sight.offset === before.offset + 1) return [];
    return sight.offset <= before.offset
      ? [
          violation(
            'DurableStays',
            `${show(sight)} became durable after ${show(before)} had been: what lay between was lost`,
          ),
        ]
      : [violation('ChainExact', `${show(sight)} follows ${show(before)}: between them lies a hole`)];
  });
  return {
    log,
    expiring: expiringOf(noted),
    violations: [...violations, ...chainFaults(noted).map((each) => violation('ChainExact', each))],
  };
}

/**
 * One log as several nodes wrote it down, each what it applied. At one offset all have the same change, and so has one that applies
 * again what it lost (NodesAgree); where `areWhole`, each has every change. What takes an offset without a change is in no journal.
 */
export function readJournals(paths: readonly string[], { areWhole }: { readonly areWhole: boolean }): Journal {
  const journals = paths.map(readLines);
  const union = new Map<number, Noted>();
  const violations: Violation[] = [];
  for (const [node, noted] of journals.entries()) {
    for (const each of noted) {
      const known = union.get(each.sight.offset);
      if (known === undefined) union.set(each.sight.offset, each);
      else if (show(known.sight) !== show(each.sight)) {
        const message = `it applied ${show(each.sight)}, and ${show(known.sight)} was applied there before`;
        violations.push(violation('NodesAgree', message, `node ${node + 1}`));
      }
    }
  }
  const noted = [...union.values()].sort((one, other) => one.sight.offset - other.sight.offset);
  for (const [node, own] of areWhole ? journals.entries() : []) {
    const has = new Set(own.map(({ sight }) => sight.offset));
    for (const { sight } of noted)
      if (!has.has(sight.offset))
        violations.push(violation('NodesAgree', `it never applied ${show(sight)}`, `node ${node + 1}`));
  }
  const chain = chainFaults(noted).map((each) => violation('ChainExact', each));
  const log = noted.map(({ sight }) => sight);
  return { log, expiring: expiringOf(noted), violations: [...violations, ...chain] };
}

/**
 * Keys whose last change has an expiry, or a freshness that has not passed: time alone will change them. By all journals together,
 * because one that was filled anew has holes.
 */
export function waitingForTime(paths: readonly string[]): readonly string[] {
  const last = new Map<string, { readonly offset: number; readonly isWaiting: boolean }>();
  for (const line of paths.flatMap((path) => readFileSync(path, 'utf8').split('\n').filter(Boolean))) {
    const { expires, key, op, valid, version } = (JSON.parse(line) as JournalLine).change;
    const { offset } = parseVersion(version);
    const isWaiting = op !== 'remove' && (expires !== undefined || (valid !== undefined && op !== 'stale'));
    if (offset > (last.get(key)?.offset ?? 0)) last.set(key, { offset, isWaiting });
  }
  return [...last].flatMap(([key, { isWaiting }]) => (isWaiting ? [key] : []));
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
