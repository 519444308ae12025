/**
 * One run under faults: a real server, writers by every route, watchers by every transport, and one fault after another, to the
 * process, its disk and clock and the network. Afterwards all that was recorded is handed to the checkers.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { FaultProxy } from '../support/fault-proxy.ts';
import { ServerProcess } from '../support/server-process.ts';
import { END_KEYS, KEYS, startWatchers, startWriters } from './cast.ts';
import { alive, CATCH_UP_TIMEOUT_MS, contentsOf, readEntries, settle } from './ending.ts';
import { Faults } from './faults.ts';
import { compareWithServer, readJournal } from './journal.ts';
import { historyOf, judge } from './judging.ts';
import { ALWAYS, JOURNAL, serverCommand, WINDOWS } from './launch.ts';
import type { Round, World } from './plan.ts';
import type { BugName } from './planted-bugs.ts';
import { Random } from './random.ts';
import { Recorder } from './recorder.ts';
import { type RunResult, resultOf } from './result.ts';
import { progressOf } from './source.ts';
import { Pace, ServerTarget } from './target.ts';
import { until } from './waits.ts';

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

const HOUR_MS = 3_600_000;

/** Whatever expires is made to be due, so that the end of the run is the end of all change. */
async function expireAll(server: ServerProcess, faults: Faults): Promise<void> {
  await faults.setClock(faults.maxShiftMs + HOUR_MS);
  const isDone = async () =>
    [...(await readEntries(server.url)).values()].every(({ expires }) => expires === undefined);
  await until(isDone, 'end of what expires', CATCH_UP_TIMEOUT_MS);
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
  const pace = new Pace();
  const target = new ServerTarget(random, pace);
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
  const isNarrow = world === 'narrow';
  faults = new Faults({ server, proxy, target, recorder, random: random.fork(), isNarrow, isAlone: true });
  target.raise(proxy.url);
  const watchers = startWatchers(() => target, recorder);
  const writers = startWriters({ each: [target], anywhere: () => target }, recorder);
  cleanup.defer(async () => {
    pace.stopWriters();
    proxy.heal();
    await Promise.all(watchers.map((watcher) => watcher.end()));
  });
  for (const kinds of rounds) {
    await alive([server], pace.moreAcks(random.between(acksPerRoundMax >> 3, acksPerRoundMax)));
    await sleep(random.next() * 10); // A fault right after an acknowledgement would miss every other instant.
    await faults.cause(kinds);
  }
  await alive([server], pace.moreAcks(acksPerRoundMax >> 2));
  pace.stopWriters();
  await alive([server], writers);
  await expireAll(server, faults);
  const lastVersion = await settle(server, watchers);
  const progress = await progressOf(server.url);
  const { expiring, log, violations } = readJournal(join(server.data, JOURNAL));
  const history = historyOf(recorder, log, contentsOf(await readEntries(server.url, lastVersion)));
  const found = [
    ...violations,
    ...(await compareWithServer(server.url, log, [...KEYS, ...END_KEYS], lastVersion)),
    ...judge(world, recorder, history, { expiring, progress }),
  ];
  return resultOf(recorder, history, { violations: found, faults: faults.counts, bites: faults.bites, progress });
}
