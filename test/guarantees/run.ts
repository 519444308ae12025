/**
 * One run under faults: a real server, writers by every route, watchers by every transport, and kill -9 (or a graceful stop) again
 * and again. Afterwards the log is read back key by key, and all that was recorded is handed to the checkers.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { check } from '../../server/src/verify/checkers.ts';
import type { History, Sight, Violation } from '../../server/src/verify/history.ts';
import { ask, get, put } from '../support/http-client.ts';
import { ServerProcess } from '../support/server-process.ts';
import { Random } from './random.ts';
import { Recorder, sightOf, type WireChange } from './recorder.ts';
import { Target } from './target.ts';
import { type Watcher, watchBySocket, watchBySse } from './watchers.ts';
import { readKeys, writeByKey, writeBySocket, writeInBatches } from './writers.ts';

export interface RunOptions {
  readonly seed: number;
  /** Faults, one after the other. */
  readonly rounds: number;
  /** A fault comes after so many acknowledged writes at most. */
  readonly acksPerRoundMax: number;
  /** Share of the faults that are a graceful stop. */
  readonly stopShare?: number;
}

export interface RunResult {
  readonly history: History;
  readonly violations: readonly Violation[];
  readonly summary: {
    readonly kills: number;
    readonly stops: number;
    readonly acknowledged: number;
    readonly unanswered: number;
    readonly refusals: Readonly<Record<string, number>>;
    readonly deliveries: number;
    readonly connections: number;
    readonly reads: number;
  };
}

const KEYS = ['a', 'b'].flatMap((group) => Array.from({ length: 30 }, (_, index) => `${group}.${index}`));
const END_KEYS = ['a.end', 'b.end'];
const CATCH_UP_TIMEOUT_MS = 30_000;

function startWatchers(target: Target, recorder: Recorder): readonly Watcher[] {
  const common = { target, recorder };
  const chosen = new Set(['a.0', 'a.7', 'b.7', 'a.end']);
  const starts = (prefix: string) => (key: string) => key.startsWith(prefix);
  const everything = () => true;
  return [
    watchBySse({ ...common, name: 'sse all', filter: {}, matches: everything }),
    watchBySse({ ...common, name: 'sse all, cutting', filter: {}, matches: everything, cutChance: 0.003 }),
    watchBySse({
      ...common,
      name: 'sse a., pausing',
      filter: { prefixes: ['a.'] },
      matches: starts('a.'),
      pauseChance: 0.003,
    }),
    watchBySse({
      ...common,
      name: 'sse keys',
      filter: { keys: [...chosen] },
      matches: (key) => chosen.has(key),
      cutChance: 0.02,
    }),
    watchBySse({
      ...common,
      name: 'sse pattern',
      filter: { patterns: ['b.*[1e]*'] },
      matches: (key) => /^b\..*[1e]/.test(key),
    }),
    watchBySocket({ ...common, name: 'websocket all', filter: {}, matches: everything }),
    watchBySocket({
      ...common,
      name: 'websocket b., cutting',
      filter: { prefixes: ['b.'] },
      matches: starts('b.'),
      cutChance: 0.003,
    }),
  ];
}

async function fault(server: ServerProcess, target: Target, isStop: boolean): Promise<void> {
  target.lower();
  if (isStop) {
    const { code } = await server.stop();
    if (code !== 0) throw new Error(`A graceful stop exited with ${code}. The server printed:\n${server.output}`);
  } else await server.kill();
  await server.restart();
  target.raise(server.url);
}

/** Every change that the log still holds, in offset order. */
async function readLog(url: string, keys: readonly string[]): Promise<readonly Sight[]> {
  const log: Sight[] = [];
  for (const key of keys) {
    const { json, status, text } = await get(url, key, '?history=true&limit=1000');
    if (status === 404) continue;
    const page = json as { changes: readonly WireChange[]; truncated: boolean };
    if (status !== 200 || page.truncated)
      throw new Error(`The history of ${key} is not whole: ${status} ${text.slice(0, 200)}`);
    log.push(...page.changes.map(sightOf));
  }
  return log.sort((one, other) => one.partition - other.partition || one.offset - other.offset);
}

async function readEntries(url: string): Promise<ReadonlyMap<string, string>> {
  const { json } = await ask(`${url}/v1/keys?limit=1000&values=true`);
  const { entries } = json as { entries: readonly WireChange[] };
  return new Map(entries.map(({ key, value }) => [key, JSON.stringify(value)]));
}

/** Puts the last write of each group and waits until every watcher has it. */
async function settle(server: ServerProcess, watchers: readonly Watcher[]): Promise<void> {
  const content = `end-${server.pid}`;
  for (const key of END_KEYS) await put(server.url, key, content);
  const deadline = AbortSignal.timeout(CATCH_UP_TIMEOUT_MS);
  const late = new Promise<never>((_, fail) =>
    deadline.addEventListener('abort', () => fail(new Error(`not caught up within ${CATCH_UP_TIMEOUT_MS} ms`))),
  );
  for (const watcher of watchers) {
    await Promise.race([watcher.seek(JSON.stringify(content)), late]).catch((error: unknown) => {
      throw new Error(`${watcher.name}: ${String(error)}; lastly it was told ${watcher.last()}\n${server.output}`);
    });
  }
}

export async function run({ acksPerRoundMax, rounds, seed, stopShare = 0 }: RunOptions): Promise<RunResult> {
  const random = new Random(seed);
  const target = new Target(random);
  const recorder = new Recorder();
  await using cleanup = new AsyncDisposableStack();
  const server = await ServerProcess.start();
  cleanup.defer(() => server.dispose());
  target.raise(server.url);
  const watchers = startWatchers(target, recorder);
  const common = { target, recorder, keys: KEYS };
  const writers = [
    writeByKey({ ...common, name: 'put1' }),
    writeByKey({ ...common, name: 'put2' }),
    writeInBatches({ ...common, name: 'batch' }),
    writeBySocket({ ...common, name: 'socket' }),
    readKeys({ ...common, name: 'reader' }),
  ];
  cleanup.defer(async () => {
    target.stopWriters();
    await Promise.all(watchers.map((watcher) => watcher.end()));
  });
  const counts = { kills: 0, stops: 0 };
  for (let round = 0; round < rounds; round += 1) {
    await target.moreAcks(random.between(acksPerRoundMax >> 3, acksPerRoundMax));
    await sleep(random.next() * 10); // A kill right after an acknowledgement would miss every other instant.
    const isStop = random.chance(stopShare);
    counts[isStop ? 'stops' : 'kills'] += 1;
    await fault(server, target, isStop);
  }
  await target.moreAcks(acksPerRoundMax >> 2);
  target.stopWriters();
  await Promise.all(writers);
  await settle(server, watchers);
  const history = {
    acks: recorder.acks,
    watches: recorder.watches,
    reads: recorder.reads,
    log: await readLog(server.url, [...KEYS, ...END_KEYS]),
    entries: await readEntries(server.url),
  };
  const observed = recorder.watches.flatMap(({ observations }) => observations);
  return {
    history,
    violations: check(history),
    summary: {
      ...counts,
      acknowledged: recorder.acks.length,
      unanswered: recorder.unanswered,
      refusals: Object.fromEntries(recorder.refusals),
      deliveries: observed.filter(({ kind }) => kind === 'change').length,
      connections: observed.filter(({ kind }) => kind === 'connected').length,
      reads: recorder.reads.length,
    },
  };
}

/** The first few violations, one a line, for a failure message. */
export function report(violations: readonly Violation[], max = 20): string {
  const lines = violations.slice(0, max).map(({ guarantee, message, to }) => `${guarantee} · ${to} · ${message}`);
  if (violations.length > max) lines.push(`… and ${violations.length - max} more`);
  return lines.join('\n');
}
