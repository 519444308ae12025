/**
 * One run with several nodes around one Redis: writers on each node and on all of them in turn, watchers that go from node to node with
 * their position, and one round of faults after another, to nodes, Redis and every connection. Each node's journal holds what that node
 * applied; the checkers judge by all of them together.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { FaultProxy } from '../support/fault-proxy.ts';
import { startRedis } from '../support/redis.ts';
import { type Scope, ServerProcess } from '../support/server-process.ts';
import { END_KEYS, KEYS, startWatchers, startWriters } from './cast.ts';
import { alive, contentsOf, readEntries, settle } from './ending.ts';
import { Faults } from './faults.ts';
import { compareWithServer, readJournals, waitingForTime } from './journal.ts';
import { historyOf, judge } from './judging.ts';
import { ALWAYS, JOURNAL, serverCommand, WINDOWS } from './launch.ts';
import { NodeFaults, type NodesFault } from './node-faults.ts';
import { nodesAgree, readPlainKeys } from './nodes-agree.ts';
import type { World } from './plan.ts';
import type { BugName } from './planted-bugs.ts';
import { Random } from './random.ts';
import { Recorder } from './recorder.ts';
import { LOSSLESS, RedisFaults } from './redis-faults.ts';
import { type RunResult, resultOf } from './result.ts';
import { progressOf } from './source.ts';
import { Pace, RovingTarget, ServerTarget } from './target.ts';
import { until } from './waits.ts';

export interface NodesOptions {
  readonly seed: number;
  readonly world: World;
  readonly rounds: readonly (readonly NodesFault[])[];
  readonly acksPerRoundMax: number;
  /** Default 3. */
  readonly nodeCount?: number;
  /** A bug that the first node is started with. */
  readonly planted?: BugName;
  /** Default a minute: how long is waited for what changes by itself, and for watchers to be told everything. */
  readonly restMs?: number;
}

const NODES_DEFAULT = 3;

const journalOf = ({ data }: ServerProcess) => join(data, JOURNAL);

interface Setting {
  readonly scope: Scope;
  readonly random: Random;
  readonly pace: Pace;
  readonly recorder: Recorder;
  readonly world: World;
  readonly redisPort: number;
}

interface Node {
  readonly server: ServerProcess;
  readonly target: ServerTarget;
  readonly faults: Faults;
  /** To the Redis, and to the clients. */
  readonly link: FaultProxy;
  readonly proxy: FaultProxy;
}

async function startNode(setting: Setting, planted?: BugName): Promise<Node> {
  const { pace, random, recorder, redisPort, scope, world } = setting;
  const link = await FaultProxy.start(redisPort);
  scope.after(() => link.close());
  let faults: Faults | undefined;
  const server = await ServerProcess.start(
    {
      command: serverCommand(planted),
      env: {
        ...ALWAYS,
        ...WINDOWS[world],
        LATCHKEY_LOG_KIND: 'redis',
        LATCHKEY_LOG_URL: `redis://127.0.0.1:${link.port}`,
      },
      onMessage: (message) => faults?.onMessage(message),
    },
    scope,
  );
  const proxy = await FaultProxy.start(server.port);
  scope.after(() => proxy.close());
  const target = new ServerTarget(random.fork(), pace);
  // Clocks jump by an hour at most: the log's own time is that of the Redis.
  const judged = { isNarrow: false, isAlone: false };
  faults = new Faults({ server, proxy, target, recorder, random: random.fork(), ...judged });
  target.raise(proxy.url);
  return { server, target, faults, link, proxy };
}

/** A lease of what is due outlives a node that was killed. */
const REST_MS = 60_000;
/** Each look reads whole journals. */
const DUE_POLL_MS = 250;

/** Resolves with the last version when nothing changes by itself any more, and every watcher has been told everything. */
async function comeToRest(
  servers: readonly ServerProcess[],
  watchers: ReturnType<typeof startWatchers>,
  restMs: number,
): Promise<string> {
  const journals = servers.map(journalOf);
  const isStill = () => waitingForTime(journals).length === 0;
  await alive(servers, until(isStill, 'end of what expires and becomes stale', restMs, DUE_POLL_MS));
  return alive(servers, settle(servers[0] as ServerProcess, watchers, restMs));
}

export async function runNodes(options: NodesOptions): Promise<RunResult> {
  const { acksPerRoundMax, nodeCount = NODES_DEFAULT, planted, restMs = REST_MS, rounds, seed, world } = options;
  const random = new Random(seed);
  const pace = new Pace();
  const recorder = new Recorder(world === 'narrow');
  await using cleanup = new AsyncDisposableStack();
  const scope: Scope = { after: (done) => cleanup.defer(async () => void (await done())) };
  const primary = await startRedis(scope, LOSSLESS);
  const replica = await startRedis(scope, { ...LOSSLESS, replicaOf: primary });
  const setting = { scope, pace, recorder, world, redisPort: primary.port };
  const nodes = await Promise.all(
    Array.from({ length: nodeCount }, (_, index) =>
      startNode({ ...setting, random: random.fork() }, index === 0 ? planted : undefined),
    ),
  );
  const servers = nodes.map(({ server }) => server);
  const targets = nodes.map(({ target }) => target);
  const redis = new RedisFaults({ primary, replica, links: nodes.map(({ link }) => link) });
  const faults = new NodeFaults({ nodes, redis, random: random.fork() });
  const anywhere = () => new RovingTarget(random.fork(), pace, targets);
  const watchers = startWatchers(anywhere, recorder);
  const writers = startWriters({ each: targets, anywhere }, recorder);
  cleanup.defer(async () => {
    pace.stopWriters();
    for (const { link, proxy } of nodes) for (const each of [link, proxy]) each.heal();
    await Promise.all(watchers.map((watcher) => watcher.end()));
  });
  for (const kinds of rounds) {
    await alive(servers, pace.moreAcks(random.between(acksPerRoundMax >> 3, acksPerRoundMax)));
    await sleep(random.next() * 10); // A fault right after an acknowledgement would miss every other instant.
    await faults.cause(kinds);
  }
  await alive(servers, pace.moreAcks(acksPerRoundMax >> 2));
  pace.stopWriters();
  await alive(servers, writers);
  const last = await comeToRest(servers, watchers, restMs);
  const entries = await Promise.all(servers.map(({ url }) => readEntries(url, last)));
  const progress = await progressOf(servers[0]?.url ?? '');
  const { expiring, log, violations } = readJournals(servers.map(journalOf), { areWhole: world === 'complete' });
  const compared = servers.map(({ url }) => compareWithServer(url, log, [...KEYS, ...END_KEYS], last));
  const history = historyOf(recorder, log, contentsOf(entries[0] ?? new Map()));
  const found = [
    ...violations,
    ...nodesAgree(entries, await readPlainKeys(redis.primary)),
    ...(await Promise.all(compared)).flat(),
    ...judge(world, recorder, history, { expiring, progress }),
  ];
  return resultOf(recorder, history, { violations: found, faults: faults.counts, bites: faults.bites, progress });
}
