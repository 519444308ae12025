/** Reads a window's log and entries back from the deployment, and has the checkers judge what was recorded. */
import { type Component, formatPosition, parseVersion } from '@latchkey/client';
import { CHECKERS, type Checker, makeResumable } from './checkers.ts';
import type { Deployment } from './deployment.ts';
import type { History, Observation, Sight, Violation } from './history.ts';
import { parseSent, sightOf, type WireChange } from './sight.ts';
import type { RecordedWatch, Window } from './window.ts';

const HISTORY_MAX = 1000;

const placeOf = ({ offset, partition }: Sight) => `${partition}-${offset}`;

interface KeyRead {
  readonly changes: readonly Sight[];
  readonly content: string | undefined;
}

// With minPosition any node may answer: it waits until it has what was written last.
async function readKey(deployment: Deployment, key: string, minPosition: string): Promise<KeyRead> {
  const path = `v1/keys/${encodeURIComponent(key)}`;
  const query = new URLSearchParams({ minPosition });
  const entry = await deployment.ask(`${path}?meta=true&${query}`);
  const history = await deployment.ask(`${path}?history=true&limit=${HISTORY_MAX}&${query}`);
  const { changes = [] } = parseSent<{ changes?: readonly WireChange[] }>(history.text);
  return {
    changes: history.status === 404 ? [] : changes.map(sightOf),
    content: entry.status === 404 ? undefined : sightOf(parseSent<WireChange>(entry.text)).content,
  };
}

/** Per partition, the offset up to which superseded changes may be gone. */
async function historyFloor(deployment: Deployment): Promise<readonly number[]> {
  const { text } = await deployment.ask('v1/status');
  const { view } = parseSent<{ view?: { historyFloor?: number | number[] } }>(text);
  const floor = view?.historyFloor ?? 0;
  return typeof floor === 'number' ? [floor] : floor;
}

/** What others write may push old changes of ours out of the log; those are taken as they were acknowledged and seen. */
function withTrimmed(window: Window, read: readonly Sight[], floor: readonly number[]): readonly Sight[] {
  const log = new Map(read.map((sight) => [placeOf(sight), sight]));
  const seen = window.watches.flatMap(({ hasValues, observations }) =>
    hasValues ? observations.flatMap((each) => (each.kind === 'change' ? [each.sight] : [])) : [],
  );
  for (const sight of [...window.acks, ...window.reads, ...seen]) {
    if (sight.offset > (floor[sight.partition] ?? 0) || log.has(placeOf(sight))) continue;
    const { content, epoch, key, offset, op, partition } = sight;
    log.set(placeOf(sight), { partition, offset, epoch, op, key, ...(content === undefined ? {} : { content }) });
  }
  return [...log.values()].sort((one, other) => one.partition - other.partition || one.offset - other.offset);
}

/** A watch without values is judged by places; what was written there is taken from the log. */
function valued(watch: RecordedWatch, log: ReadonlyMap<string, Sight>): RecordedWatch {
  if (watch.hasValues) return watch;
  const observations = watch.observations.map((each): Observation => {
    if (each.kind !== 'change' || each.sight.op === 'remove') return each;
    const kept = log.get(placeOf(each.sight));
    const isSame = kept !== undefined && kept.key === each.sight.key && kept.content !== undefined;
    return isSame ? { ...each, sight: { ...each.sight, content: kept.content } } : each;
  });
  return { ...watch, observations };
}

/** @throws LatchkeyError where the deployment does not answer */
export async function historyOf(deployment: Deployment, window: Window, minPosition: string): Promise<History> {
  const keys = [...window.keys, window.endKey];
  const reads = await Promise.all(keys.map((key) => readKey(deployment, key, minPosition)));
  const entries = new Map<string, string>();
  for (const [index, { content }] of reads.entries()) {
    if (content !== undefined) entries.set(keys[index] as string, content);
  }
  const changes = reads.flatMap((read) => read.changes);
  const log = withTrimmed(window, changes, await historyFloor(deployment));
  const byPlace = new Map(log.map((sight) => [placeOf(sight), sight]));
  const watches = window.watches.map((watch) => valued(watch, byPlace));
  return { acks: window.acks, watches, reads: window.reads, log, entries };
}

/** By other people's traffic a watch may be conflated, and is told; what GapFree then asks for is judged all the same. */
const VERIFIED: Readonly<Record<string, Checker>> = { ...CHECKERS, Resumable: makeResumable({ mayConflate: true }) };

export const CHECKER_NAMES = Object.keys(VERIFIED);

export function judge(history: History): readonly Violation[] {
  // One that was left for another filter never saw the end.
  const whole = history.watches.filter((watch) => (watch as RecordedWatch).isWhole);
  return Object.entries(VERIFIED).flatMap(([name, checker]) =>
    checker(name === 'Converged' ? { ...history, watches: whole } : history),
  );
}

/** A position that a node has reached once it has everything that was acknowledged. */
export function reachOf(acks: readonly Sight[]): string {
  const components: Component[] = [];
  let last = acks[0] as Sight;
  for (const ack of acks) {
    while (components.length <= ack.partition) components.push({ offset: 0 });
    if (ack.offset > (components[ack.partition] as Component).offset)
      components[ack.partition] = { offset: ack.offset };
    if (ack.offset > last.offset) last = ack;
  }
  return formatPosition({ epoch: last.epoch, components });
}

/** Of two versions in one partition. */
export function isAtLeast(version: string | undefined, least: string): boolean {
  return version !== undefined && parseVersion(version).offset >= parseVersion(least).offset;
}
