/** Who takes part in a run: writers by every route, and watchers by every transport and of every temper. */
import { writeWithKeys } from './keyed-writer.ts';
import type { Recorder } from './recorder.ts';
import { SOURCE_KEYS, sendRows } from './source.ts';
import type { Target } from './target.ts';
import type { Choice } from './watch-record.ts';
import { type Watcher, watchBySocket, watchBySse } from './watchers.ts';
import { readKeys, writeByKey, writeBySocket, writeInBatches } from './writers.ts';

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

export function startWatchers(target: Target, recorder: Recorder): readonly Watcher[] {
  const common = { target, recorder };
  const [a, b] = [startsWith('a.'), startsWith('b.')];
  const chosen: Choice = { filter: { keys: CHOSEN }, matches: (key) => CHOSEN.includes(key) };
  const pattern: Choice = { filter: { patterns: ['b.*[1e]*'] }, matches: (key) => /^b\..*[1e]/.test(key) };
  return [
    watchBySse({ ...common, ...EVERYTHING, name: 'sse all' }),
    watchBySse({ ...common, ...EVERYTHING, name: 'sse all, cutting', cutChance: 0.003 }),
    watchBySse({ ...common, ...EVERYTHING, name: 'sse all, replaying', cutChance: 0.001, replayChance: 0.5 }),
    watchBySse({ ...common, ...a, name: 'sse a., pausing', pauseChance: 0.003 }),
    watchBySse({ ...common, ...a, name: 'sse, switching', cutChance: 0.002, others: [a, b, EVERYTHING] }),
    watchBySse({ ...common, ...chosen, name: 'sse keys', cutChance: 0.02 }),
    watchBySse({ ...common, ...pattern, name: 'sse pattern' }),
    watchBySocket({ ...common, ...EVERYTHING, name: 'websocket all' }),
    watchBySocket({ ...common, ...b, name: 'websocket b., cutting', cutChance: 0.003, replayChance: 0.2 }),
    watchBySocket({ ...common, ...b, name: 'websocket, switching', cutChance: 0.003, others: [a, b, EVERYTHING] }),
  ];
}

/** Each ends when the target's writers are told to stop. */
export function startWriters(target: Target, recorder: Recorder): Promise<unknown> {
  const common = { target, recorder, busyKeys: BUSY_KEYS, rareKeys: RARE_KEYS };
  const keyed = { ...common, busyKeys: KEYED_KEYS, rareKeys: KEYED_KEYS };
  return Promise.all([
    writeByKey({ ...common, name: 'put 1' }),
    writeByKey({ ...common, name: 'put 2' }),
    writeInBatches({ ...common, name: 'commands' }),
    writeBySocket({ ...common, name: 'websocket' }),
    writeWithKeys({ ...keyed, name: 'idempotency key 1' }),
    writeWithKeys({ ...keyed, name: 'idempotency key 2' }),
    sendRows({ ...common, name: 'source 1' }),
    sendRows({ ...common, name: 'source 2' }),
    readKeys({ ...common, name: 'reader' }),
  ]);
}
