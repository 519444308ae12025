/**
 * One run under faults: a real server, writers by every route, watchers by every transport, and one fault after another, to the
 * process, its disk and clock and the network. Afterwards all that was recorded is handed to the checkers.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Position, parsePosition, parseVersion } from '@latchkey/client';
import { CHECKERS } from '../../server/src/verify/checkers.ts';
import type { Ack, History, Sight, Violation } from '../../server/src/verify/history.ts';
import type { WireChange } from '../../server/src/verify/sight.ts';
import { FaultProxy } from '../support/fault-proxy.ts';
import { ask, put } from '../support/http-client.ts';
import { ServerProcess } from '../support/server-process.ts';
import { END_KEYS, KEYS, startWatchers, startWriters } from './cast.ts';
import { Faults } from './faults.ts';
import { compareWithServer, readJournal } from './journal.ts';
import { appliedOnce, progressExact } from './once-checkers.ts';
import { checkOutcomes, KeyedLog } from './outcome-checkers.ts';
import type { Round, World } from './plan.ts';
import type { BugName } from './planted-bugs.ts';
import { Random } from './random.ts';
import { Recorder } from './recorder.ts';
import { progressOf } from './source.ts';
import { Target } from './target.ts';
import type { Watcher } from './watchers.ts';

export interface RunOptions {
  readonly seed: number;
  readonly world: World;
  /** Absent: one process writes and serves. */
  readonly workers?: number;
  /** In this order, those of a round at once; each round comes after some more acknowledged writes. */
  readonly rounds: readonly Round[];
  /** So many at most. */
  readonly acksPerRoundMax: number;
  /** A bug that the server is started with. */
  readonly planted?: BugName;
}

export type Counts = Readonly<Record<string, number>>;

export interface RunResult {
  readonly violations: readonly Violation[];
  readonly faults: Counts;
  /** How much each kind of fault did. */
  readonly bites: Counts;
  /** What watchers did to themselves. */
  readonly harms: Counts;
  /** Acknowledged writes by route. */
  readonly routes: Counts;
  readonly refusals: Counts;
  readonly resets: Counts;
  readonly conflations: Counts;
  readonly counts: {
    readonly acknowledged: number;
    readonly unanswered: number;
    readonly changes: number;
    readonly deliveries: number;
    readonly connections: number;
    readonly reads: number;
    readonly keyed: number;
    readonly rows: number;
  };
}

const ENTRY = fileURLToPath(new URL('server-with-failpoints.ts', import.meta.url));
const JOURNAL = 'journal.ndjson';

/** The server with failpoints, and with a bug planted in it. */
export function serverCommand(planted?: BugName, oneIn?: number): readonly string[] {
  const bug = planted === undefined ? [] : ['--planted', planted];
  const share = oneIn === undefined ? [] : ['--one-in', String(oneIn)];
  return [process.execPath, '--conditions=source', ENTRY, JOURNAL, ...bug, ...share];
}

/** Clocks jump by days, and what was applied once stays so. */
const ALWAYS = { LATCHKEY_FEED_PROGRESS_INTERVAL: '500ms', LATCHKEY_IDEMPOTENCY_AGE_MAX: '365d' } as const;
const WINDOWS: Readonly<Record<World, Readonly<Record<string, string>>>> = {
  complete: { LATCHKEY_HISTORY_CHANGES_MAX: '1000000', LATCHKEY_FEED_CATCH_UP_CHANGES_MAX: '1000000' },
  narrow: {
    LATCHKEY_HISTORY_CHANGES_MAX: '300',
    LATCHKEY_FEED_CATCH_UP_CHANGES_MAX: '150',
    LATCHKEY_TOMBSTONES_AGE_MAX: '2s',
  },
};
const CATCH_UP_TIMEOUT_MS = 30_000;
const HOUR_MS = 3_600_000;

const lastOffset = ({ components }: Position) => components[0]?.offset ?? 0;

type Entries = ReadonlyMap<string, WireChange & { readonly expires?: string }>;

/** As they are at that version, or later: of several workers one may be a moment behind. */
async function readEntries(url: string, atLeast?: string): Promise<Entries> {
  const deadline = AbortSignal.timeout(CATCH_UP_TIMEOUT_MS);
  for (;;) {
    const { json } = await ask(`${url}/v1/keys?limit=1000&values=true`);
    const { entries, position } = json as { readonly entries: readonly WireChange[]; readonly position: string };
    if (atLeast === undefined || lastOffset(parsePosition(position)) >= parseVersion(atLeast).offset)
      return new Map(entries.map((entry) => [entry.key, entry]));
    if (deadline.aborted) throw new Error(`the entries are those of ${position}, and ${atLeast} was acknowledged`);
    await sleep(2);
  }
}

/** Whatever expires is made to be due, so that the end of the run is the end of all change. */
async function expireAll(server: ServerProcess, faults: Faults): Promise<void> {
  await faults.setClock(faults.maxShiftMs + HOUR_MS);
  const deadline = AbortSignal.timeout(CATCH_UP_TIMEOUT_MS);
  const isExpiring = async () =>
    [...(await readEntries(server.url)).values()].some(({ expires }) => expires !== undefined);
  while (await isExpiring()) {
    if (deadline.aborted) throw new Error(`entries did not expire within ${CATCH_UP_TIMEOUT_MS} ms\n${server.output}`);
    await sleep(20);
  }
}

/** Between two faults nothing may end the server. */
async function alive<T>(server: ServerProcess, waiting: Promise<T>): Promise<T> {
  const ended = server.exited.then(({ code, signal }) => {
    throw new Error(`the server ended by itself (${signal ?? `exit code ${code}`}). It printed:\n${server.output}`);
  });
  ended.catch(() => {}); // It ends when it is told to, later.
  return Promise.race([waiting, ended]);
}

/** Puts the last write of each group and waits until every watcher has it. Resolves with the last version. */
async function settle(server: ServerProcess, watchers: readonly Watcher[]): Promise<string> {
  const content = `end-${server.pid}`;
  let version = '';
  for (const key of END_KEYS) {
    const { json, status, text } = await put(server.url, key, content);
    if (status !== 200) throw new Error(`the last write was answered ${status}: ${text}`);
    version = (json as { readonly version: string }).version;
  }
  const deadline = AbortSignal.timeout(CATCH_UP_TIMEOUT_MS);
  const late = new Promise<never>((_, fail) =>
    deadline.addEventListener('abort', () => fail(new Error(`not caught up within ${CATCH_UP_TIMEOUT_MS} ms`))),
  );
  for (const watcher of watchers) {
    await Promise.race([watcher.seek(JSON.stringify(content)), late]).catch((error: unknown) => {
      throw new Error(`${watcher.name}: ${String(error)}; lastly it was told ${watcher.last()}\n${server.output}`);
    });
  }
  return version;
}

/** Who merges or sets an expiry knows what was asked for, not what came of it: that is taken from the log, and judged on its own (MergeExact). */
function acksOf(recorder: Recorder, log: readonly Sight[]): readonly Ack[] {
  const keyed = new KeyedLog(log);
  return recorder.applied.map(({ ack, write }) => {
    const made = keyed.at(ack.offset);
    if (made?.content === undefined || (write.op !== 'merge' && write.op !== 'expire')) return ack;
    // An expiry set on a stale entry leaves it stale.
    const op = write.op === 'expire' ? made.op : ack.op;
    return { ...ack, op, content: made.content };
  });
}

function readsOf(recorder: Recorder, log: readonly Sight[]): readonly Sight[] {
  const keyed = new KeyedLog(log);
  const entries = recorder.reads.map((read) =>
    keyed.at(read.offset)?.op === 'stale' ? { ...read, op: 'stale' as const } : read,
  );
  return [...recorder.seen, ...entries];
}

function judge(world: World, recorder: Recorder, history: History): readonly Violation[] {
  return Object.entries(CHECKERS).flatMap(([name, checker]) => {
    if (name === 'Resumable' && world === 'narrow') return [];
    return checker(name === 'Converged' ? { ...history, watches: recorder.finished } : history);
  });
}

export async function run({
  acksPerRoundMax,
  planted,
  rounds,
  seed,
  workers = 0,
  world,
}: RunOptions): Promise<RunResult> {
  const random = new Random(seed);
  const target = new Target(random);
  const recorder = new Recorder(world === 'narrow');
  await using cleanup = new AsyncDisposableStack();
  let faults: Faults | undefined;
  const server = await ServerProcess.start({
    command: serverCommand(planted),
    env: { ...ALWAYS, ...WINDOWS[world], LATCHKEY_WORKERS: String(workers) },
    onMessage: (message) => faults?.onMessage(message),
  });
  cleanup.defer(() => server.dispose());
  const proxy = await FaultProxy.start(server.port);
  cleanup.defer(() => proxy.close());
  faults = new Faults({ server, proxy, target, recorder, random: random.fork(), isNarrow: world === 'narrow' });
  target.raise(proxy.url);
  const watchers = startWatchers(target, recorder);
  const writers = startWriters(target, recorder);
  cleanup.defer(async () => {
    target.stopWriters();
    proxy.heal();
    await Promise.all(watchers.map((watcher) => watcher.end()));
  });
  for (const kinds of rounds) {
    await alive(server, target.moreAcks(random.between(acksPerRoundMax >> 3, acksPerRoundMax)));
    await sleep(random.next() * 10); // A fault right after an acknowledgement would miss every other instant.
    await faults.cause(kinds);
  }
  await alive(server, target.moreAcks(acksPerRoundMax >> 2));
  target.stopWriters();
  await alive(server, writers);
  await expireAll(server, faults);
  const lastVersion = await settle(server, watchers);
  const progress = await progressOf(server.url);
  const { log, violations } = readJournal(join(server.data, JOURNAL));
  const entries = new Map(
    [...(await readEntries(server.url, lastVersion))].map(([key, { value }]) => [key, JSON.stringify(value)] as const),
  );
  const history: History = {
    acks: acksOf(recorder, log),
    watches: recorder.watches,
    reads: readsOf(recorder, log),
    log,
    entries,
  };
  return {
    violations: [
      ...recorder.violations,
      ...violations,
      ...(await compareWithServer(server.url, log, [...KEYS, ...END_KEYS], lastVersion)),
      ...checkOutcomes(recorder, log),
      ...appliedOnce(recorder.keyed, log),
      ...progressExact(log, progress),
      ...judge(world, recorder, history),
    ],
    faults: faults.counts,
    bites: faults.bites,
    harms: sorted(recorder.harms),
    routes: sorted(recorder.routes),
    refusals: sorted(recorder.refusals),
    resets: sorted(recorder.resets),
    conflations: sorted(recorder.conflations),
    counts: { ...countsOf(recorder, history), rows: Number(progress ?? 0) },
  };
}

const sorted = (counts: ReadonlyMap<string, number>): Counts => Object.fromEntries([...counts].sort());

function countsOf(recorder: Recorder, { log }: History): Omit<RunResult['counts'], 'rows'> {
  const observed = recorder.watches.flatMap(({ observations }) => observations);
  return {
    acknowledged: recorder.applied.length + recorder.removals.length,
    unanswered: recorder.unanswered,
    changes: log.length,
    deliveries: observed.filter(({ kind }) => kind === 'change').length,
    connections: observed.filter(({ kind }) => kind === 'connected').length,
    reads: recorder.reads.length,
    keyed: recorder.keyed.length,
  };
}

/** The first few violations, one a line, for a failure message. */
export function report(violations: readonly Violation[], max = 20): string {
  const lines = violations.slice(0, max).map(({ guarantee, message, to }) => `${guarantee} · ${to} · ${message}`);
  if (violations.length > max) lines.push(`… and ${violations.length - max} more`);
  return lines.join('\n');
}
