/** Who takes part in a run: writers by every route, and watchers by every transport and of every temper. */
import { writeWithKeys } from './keyed-writer.ts';
import { readKeys, readWritten } from './readers.ts';
import type { Recorder } from './recorder.ts';
import { SOURCE_KEYS, sendRows } from './source.ts';
import type { Target } from './target.ts';
import type { Choice, WatcherOptions } from './watch-record.ts';
import { type Watcher, watchBySocket, watchBySse } from './watchers.ts';
import { writeByKey, writeBySocket, writeInBatches } from './writers.ts';

const keys = (prefix: string, count: number) =>
  ['a', 'b'].flatMap((group) => Array.from({ length: count }, (_, index) => `${group}.${prefix}${index}`));
/** Written all the time. */
const BUSY_KEYS = keys('', 30);
/** Written now and then, so that a missed remove is not made good by the next put. */
const RARE_KEYS = keys('r', 150);
/** Written under idempotency keys alone. */
const KEYED_KEYS = keys('once', 6);
export const KEYS = [...BUSY_KEYS, ...RARE_KEYS, ...KEYED_KEYS, ...SOURCE_KEYS];
export const END_KEYS = ['a.end', 'b.end'];

const EVERYTHING: Choice = { filter: {}, matches: () => true };
const startsWith = (prefix: string): Choice => ({
  filter: { prefixes: [prefix] },
  matches: (key) => key.startsWith(prefix),
});
const CHOSEN = ['a.0', 'a.7', 'b.7', 'a.end'];

/** `targetOf`: where one of them goes, each time that it comes back. */
export function startWatchers(targetOf: () => Target, recorder: Recorder): readonly Watcher[] {
  const [a, b] = [startsWith('a.'), startsWith('b.')];
  const chosen: Choice = { filter: { keys: CHOSEN }, matches: (key) => CHOSEN.includes(key) };
  const pattern: Choice = { filter: { patterns: ['b.*[1e]*'] }, matches: (key) => /^b\..*[1e]/.test(key) };
  const bySse = (options: Omit<WatcherOptions, 'target' | 'recorder'>) =>
    watchBySse({ ...options, target: targetOf(), recorder });
  const bySocket = (options: Omit<WatcherOptions, 'target' | 'recorder'>) =>
    watchBySocket({ ...options, target: targetOf(), recorder });
  return [
    bySse({ ...EVERYTHING, name: 'sse all' }),
    bySse({ ...EVERYTHING, name: 'sse all, cutting', cutChance: 0.003 }),
    bySse({ ...EVERYTHING, name: 'sse all, replaying', cutChance: 0.001, replayChance: 0.5 }),
    bySse({ ...a, name: 'sse a., pausing', pauseChance: 0.003 }),
    bySse({ ...a, name: 'sse, switching', cutChance: 0.002, others: [a, b, EVERYTHING] }),
    bySse({ ...chosen, name: 'sse keys', cutChance: 0.02 }),
    bySse({ ...pattern, name: 'sse pattern' }),
    bySocket({ ...EVERYTHING, name: 'websocket all' }),
    bySocket({ ...b, name: 'websocket b., cutting', cutChance: 0.003, replayChance: 0.2 }),
    bySocket({ ...b, name: 'websocket, switching', cutChance: 0.003, others: [a, b, EVERYTHING] }),
  ];
}

export interface Places {
  /** One for each server: its own writers go nowhere else. */
  readonly each: readonly Target[];
  /** For one writer that goes to any of them. */
  anywhere(): Target;
}

const PUTTING_MIN = 2;

/** Each ends when the target's writers are told to stop. */
export function startWriters({ anywhere, each }: Places, recorder: Recorder): Promise<unknown> {
  const common = { recorder, busyKeys: BUSY_KEYS, rareKeys: RARE_KEYS };
  const once = { recorder, busyKeys: KEYED_KEYS, rareKeys: KEYED_KEYS };
  const putting = Array.from(
    { length: Math.max(PUTTING_MIN, each.length) },
    (_, index) => each[index % each.length] as Target,
  );
  return Promise.all([
    ...putting.map((target, index) => writeByKey({ ...common, target, name: `put ${index + 1}` })),
    ...each.map((target, index) => writeInBatches({ ...common, target, name: `commands ${index + 1}` })),
    ...each.map((target, index) => writeBySocket({ ...common, target, name: `websocket ${index + 1}` })),
    writeWithKeys({ ...once, target: anywhere(), name: 'idempotency key 1' }),
    writeWithKeys({ ...once, target: anywhere(), name: 'idempotency key 2' }),
    sendRows({ ...common, target: anywhere(), name: 'source 1' }),
    sendRows({ ...common, target: anywhere(), name: 'source 2' }),
    readKeys({ ...common, target: anywhere(), name: 'reader' }),
    readWritten({ ...common, target: anywhere(), name: 'reader of what was written' }),
  ]);
}
