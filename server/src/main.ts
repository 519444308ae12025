/**
 * Puts the stages together, in the order of the data's path. It is the only file that names adapters, and imports those lazily that
 * a setting chooses.
 */
import type { Socket } from 'node:net';
import { LatchkeyError } from '@latchkey/client';
import { collectDefaultMetrics, Registry } from 'prom-client';
import type { Settings } from './config/settings.ts';
import type { Feed } from './feed/feed.ts';
import { type FeedSetup, makeFeed } from './feed/live-feed.ts';
import { cacheEventFormat } from './formats/cache-event.ts';
import { commandFormat } from './formats/commands.ts';
import { kvStoreFormat } from './formats/kv-store.ts';
import { sourceFormats } from './formats/source-format.ts';
import { dashboardGateway } from './gateways/dashboard.ts';
import { eventsGateway } from './gateways/events.ts';
import { addFlowMetrics } from './gateways/flow-metrics.ts';
import { flowReports } from './gateways/flow-reports.ts';
import type { Core, Gateway, Workers } from './gateways/gateway.ts';
import { type BoundSocket, type HttpListener, listenError, makeHttp } from './gateways/http.ts';
import { kvStoreGateway } from './gateways/kv-store.ts';
import { makeKvStoreSubscribeGateway } from './gateways/kv-store-subscribe.ts';
import type { RespGateway, RespParts } from './gateways/resp/resp.ts';
import { restGateway } from './gateways/rest.ts';
import { makeSseGateway } from './gateways/sse.ts';
import { statusGateway } from './gateways/status.ts';
import { makeWebsocketGateway } from './gateways/websocket.ts';
import { backupDataDirectory, type CopyReport, restoreDataDirectory } from './log/backup.ts';
import type { LocalLog } from './log/local.ts';
import type { Log } from './log/log.ts';
import type { RedisStore } from './log/redis/redis-store.ts';
import type { RedisLog } from './log/redis.ts';
import { openAccess } from './shared/access.ts';
import { Channels } from './shared/channels.ts';
import { type Clock, systemClock } from './shared/clock.ts';
import { faultReporter, type Logger } from './shared/logger.ts';
import { isLoopback } from './shared/loopback.ts';
import { programVersion } from './shared/program-version.ts';
import { type ListenAddress, type RunningServer, running } from './shared/running-server.ts';
import type { Sink } from './sinks/sink.ts';
import type { Source } from './sources/source.ts';
import type { LmdbViewOptions } from './view/lmdb.ts';
import type { WritableView } from './view/view.ts';
import { type OwnerFrame, portable, type WorkerFrame } from './workers/frames.ts';
import { type StartOrder, shareOf } from './workers/start-order.ts';

export type { BoundSocket } from './gateways/http.ts';
export type { RunningServer } from './shared/running-server.ts';
export { trySource } from './sources/sources.ts';
export type { StartOrder } from './workers/start-order.ts';

export interface ServerParts {
  readonly logger: Logger;
  readonly clock?: Clock;
  /** Stands in for `LmdbView.open`: how the guarantee harness has its failpoints in the store. */
  readonly openView?: (options: LmdbViewOptions) => Promise<WritableView>;
  /** Stands between the log and its Redis, for the same. */
  readonly wrapStore?: (store: RedisStore) => RedisStore;
  /** Stands in for `makeFeed`: how the harness plants bugs that its checkers must find. Workers have feeds of their own. */
  readonly makeFeed?: (setup: FeedSetup) => Feed;
}

/** Requests under way get this long to end when the server stops. */
const CLOSE_DEADLINE_MS = 5000;
/** Until a worker may read: the next step of the log tells it how far, at the latest. */
const OPENED_MS = 10_000;

/**
 * @throws LatchkeyError `data-unwritable`, `data-in-use`, `data-newer`, `data-corrupt`, `storage-full`, `address-in-use`,
 *   `address-refused`, `insecure-listen`; nothing is left open then.
 */
export async function startServer(settings: Settings, parts: ServerParts): Promise<RunningServer> {
  const { host, port } = settings.http;
  if (!isLoopback(host) && !settings.insecure) throw insecureListen(host, port);
  return settings.workers === 0 ? startAlone(settings, parts) : startOwner(settings, parts);
}

/** What no single setting tells: whether messages can be read as the sources say. @throws LatchkeyError `config-invalid` */
export function checkSettings(settings: Settings): void {
  sourceFormats(settings);
}

/** Asks the Redis of the log whether it can be kept there, with whatever a start would ask. A line about it; undefined: it needs none. */
export async function tryLog(settings: Settings): Promise<string | undefined> {
  if (settings.log.kind !== 'redis') return undefined;
  return (await import('./log/redis/open.ts')).tryRedisLog(settings.log);
}

async function startAlone(settings: Settings, parts: ServerParts): Promise<RunningServer> {
  const clock = parts.clock ?? systemClock;
  const log = await openLog(settings, { ...parts, clock });
  const channels = new Channels({ reportFault: faultReporter(parts.logger) });
  const metrics = makeMetrics(settings);
  let resp: RespGateway | undefined;
  try {
    resp = await openResp(settings, { ...parts, clock, log, metrics, channels });
    const flows = await makeFlows(settings, { ...parts, log, clock, channels });
    const { address, stop } = await serve({ ...parts, settings, log, clock, metrics, flows });
    flows.start();
    return running(address, resp, async () => {
      await Promise.all([stop(), resp?.close(CLOSE_DEADLINE_MS)]);
      await flows.close();
      await log.close();
    });
  } catch (error) {
    await resp?.close(0);
    await log.close();
    throw error;
  }
}

/** The Redis protocol gateway, where one is asked for: it listens before the others do, so that a port that is taken ends the start. */
async function openResp(
  settings: Settings,
  parts: Pick<RespParts, 'logger' | 'clock' | 'log' | 'metrics' | 'channels'>,
): Promise<RespGateway | undefined> {
  if (settings.resp.listen === '') return undefined;
  const { RespGateway } = await import('./gateways/resp/resp.ts');
  const reportFault = faultReporter(parts.logger);
  const gateway = new RespGateway({
    ...parts,
    settings,
    access: openAccess,
    reportFault,
    programVersion: programVersion(),
  });
  const { host, port } = await gateway.listen();
  parts.logger.info({ host, port }, `resp: listening for Redis clients on ${host}:${port}`);
  return gateway;
}

/** Owns the data directory and the log, and serves through workers. */
async function startOwner(settings: Settings, parts: ServerParts): Promise<RunningServer> {
  const { logger } = parts;
  const clock = parts.clock ?? systemClock;
  const { startWorkers } = await import('./workers/owner.ts');
  let wake = () => {};
  const log = await openLog(settings, { ...parts, clock, onStep: () => wake() });
  const channels = new Channels({ reportFault: faultReporter(logger) });
  const metrics = makeMetrics(settings);
  let resp: RespGateway | undefined;
  try {
    resp = await openResp(settings, { ...parts, clock, log, metrics, channels });
    const flows = await makeFlows(settings, { log, clock, logger, channels });
    addFlowMetrics(metrics, { ...flows, log });
    const workers = await startWorkers({
      settings,
      log,
      flows: () => flowReports(flows),
      view: log.view,
      metrics,
      clock,
      logger,
      reportFault: faultReporter(logger),
      listenError,
      onMade: (made) => {
        wake = made;
      },
    });
    flows.start();
    const server = running(workers.address, resp, async () => {
      await Promise.all([workers.stop(), resp?.close(CLOSE_DEADLINE_MS)]);
      await flows.close();
      await log.close();
    });
    workers.hopeless.then(() => server.close()).catch((error: unknown) => faultReporter(logger)('workers', error));
    return server;
  } catch (error) {
    await resp?.close(0);
    await log.close();
    throw error;
  }
}

export interface WorkerParts {
  readonly order: StartOrder;
  /** Bound by the owner of the log, and shared with the other workers. */
  readonly port: BoundSocket;
  /** To the owner of the log. */
  readonly socket: Socket;
  readonly logger: Logger;
  readonly onOwnerGone: () => void;
}

/**
 * Serves until the owner of the log says to stop.
 * @throws LatchkeyError what kept it from starting; the owner has been told
 */
export async function startWorker(parts: WorkerParts): Promise<void> {
  const { logger, order, port, socket } = parts;
  const { Follower } = await import('./view/follower.ts');
  const { ForwardingLog } = await import('./log/forwarding.ts');
  const { Channel } = await import('./workers/channel.ts');
  const { OwnerLink } = await import('./workers/owner-link.ts');
  const settings = shareOf(order.settings);
  const clock = systemClock;
  const reportFault = faultReporter(logger);
  const told = Promise.withResolvers<void>();
  const channel = new Channel<OwnerFrame, WorkerFrame>(socket, (frame) => link.take(frame), parts.onOwnerGone);
  let serving: Serving | undefined;
  let follower: InstanceType<typeof Follower> | undefined;
  const tellShown = () => {
    if (settings.workers > 1 && follower?.isOpen === true) link.tellShown(follower.step);
  };
  const link = new OwnerLink({
    channel,
    state: order.state,
    onNews: ({ nowMicros, step }) => {
      follower?.announce(step, nowMicros);
      tellShown();
    },
    onStop: () => told.resolve(),
    report: async () => ({
      connections: serving?.http.connections() ?? 0,
      feed: serving?.core.feed.counts() ?? { watchers: 0, groups: 0, behind: 0 },
      metrics: await serving?.core.metrics.getMetricsAsJSON(),
    }),
  });
  try {
    follower = new Follower({ directory: settings.data, clock, reportFault, step: order.step });
    await follower.opened(OPENED_MS);
    tellShown();
    const log = new ForwardingLog({ kind: order.kind, owner: link, view: follower, limits: settings.limits });
    serving = await serve({ settings, log, clock, logger, workers: link, bound: port });
    channel.send({ kind: 'ready' });
    await told.promise;
    await serving.stop();
    await log.close();
  } catch (error) {
    if (!(error instanceof LatchkeyError)) reportFault('workers', error);
    channel.send({ kind: 'failed', error: portable(error) });
    await channel.end();
    throw error;
  }
}

interface Serving {
  readonly core: Core;
  readonly http: HttpListener;
  readonly address: ListenAddress;
  /** Takes no new connection, tells watchers to come back, and ends what is under way. The log stays open. */
  readonly stop: () => Promise<void>;
}

/** Feed, gateways and listener over a log, which stays open where they could not start. */
async function serve(parts: {
  readonly settings: Settings;
  readonly log: Log;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly makeFeed?: ServerParts['makeFeed'];
  /** Where they run in this process. */
  readonly flows?: Flows;
  readonly metrics?: Registry;
  readonly workers?: Workers;
  readonly bound?: BoundSocket;
}): Promise<Serving> {
  const { clock, log, logger, settings } = parts;
  const access = openAccess;
  const reportFault = faultReporter(logger);
  const feed = (parts.makeFeed ?? makeFeed)({
    view: log.view,
    access,
    settings,
    clock,
    node: log.node,
    logger,
    reportFault,
    random: Math.random,
  });
  const formats = sourceFormats(settings);
  log.onUnfit?.(() => feed.sendAway());
  const core: Core = {
    settings,
    log,
    feed,
    access,
    clock,
    logger,
    reportFault,
    metrics: parts.metrics ?? makeMetrics(settings),
    programVersion: programVersion(),
    formats: {
      command: commandFormat(settings.limits),
      cacheEvent: cacheEventFormat(settings.limits),
      kvStore: kvStoreFormat(settings.limits),
    },
    replayer: { formatOf: (source) => formats.get(source) },
    sources: parts.flows?.sources ?? [],
    sinks: parts.flows?.sinks ?? [],
    workers: parts.workers,
  };
  try {
    const http = await makeHttp(core, gateways());
    const address = await http.listen(parts.bound);
    const stop = async () => {
      await http.stopAccepting();
      // Watchers are told where to come back before the writes that are under way end: those go on below.
      await feed.close();
      await http.close(CLOSE_DEADLINE_MS);
    };
    return { core, http, address, stop };
  } catch (error) {
    await feed.close();
    throw error;
  }
}

function insecureListen(host: string, port: number): LatchkeyError {
  return new LatchkeyError(
    'insecure-listen',
    `Listening on ${host}:${port} would let anybody in the network read and write; say --insecure if that is meant, or use --host 127.0.0.1.`,
    { field: 'http.host' },
  );
}

/** `latchkey backup`: copies the store of a data directory into a file, also while a server has it open. */
export async function backupDirectory(directory: string, destination: string): Promise<CopyReport> {
  const { directoryCopies } = await import('./view/directory-copies.ts');
  return backupDataDirectory(directory, destination, directoryCopies);
}

/** `latchkey restore`: makes a data directory of a backup. */
export async function restoreDirectory(source: string, directory: string): Promise<CopyReport> {
  const { directoryCopies } = await import('./view/directory-copies.ts');
  return restoreDataDirectory(source, directory, directoryCopies);
}

async function openLog(
  settings: Settings,
  parts: ServerParts & { readonly clock: Clock; readonly onStep?: () => void },
): Promise<LocalLog | RedisLog> {
  const { clock, onStep } = parts;
  const reportFault = faultReporter(parts.logger);
  const { LmdbView } = await import('./view/lmdb.ts');
  const openView = parts.openView ?? ((options) => LmdbView.open(options));
  if (settings.log.kind === 'redis') {
    const { openRedisLog } = await import('./log/redis/open.ts');
    return openRedisLog({ ...parts, settings, openView, access: openAccess, reportFault });
  }
  const { LocalLog } = await import('./log/local.ts');
  const view = await openView({ directory: settings.data, settings, clock, reportFault, onStep });
  return LocalLog.open({ view, access: openAccess, clock, settings, reportFault });
}

/** What brings messages in and carries changes out, in the process that owns the log. */
interface Flows {
  readonly sources: readonly Source[];
  readonly sinks: readonly Sink[];
  start(): void;
  close(): Promise<void>;
}

/** Nothing is there yet where it throws. @throws LatchkeyError `config-invalid` */
async function makeFlows(
  settings: Settings,
  parts: Pick<Core, 'log' | 'clock' | 'logger'> & { readonly channels: Channels },
): Promise<Flows> {
  let sinks: readonly Sink[] = [];
  if (settings.sinks.length > 0) {
    const { sinksOf } = await import('./sinks/sinks.ts');
    sinks = sinksOf(settings, parts);
  }
  let sources: readonly Source[] = [];
  if (settings.sources.length > 0) {
    const { sourcesOf } = await import('./sources/sources.ts');
    const reportFault = faultReporter(parts.logger);
    sources = await sourcesOf(settings, { ...parts, reportFault, formats: sourceFormats(settings) });
  }
  const flows = [...sources, ...sinks];
  const start = () => {
    for (const flow of flows) flow.start();
  };
  // What sources take while they end is carried on by the sinks.
  const close = async () => {
    await Promise.all(sources.map((source) => source.close()));
    await Promise.all(sinks.map((sink) => sink.close()));
  };
  return { sources, sinks, start, close };
}

function gateways(): readonly Gateway[] {
  return [
    restGateway,
    makeSseGateway(),
    makeWebsocketGateway(),
    kvStoreGateway,
    makeKvStoreSubscribeGateway(),
    eventsGateway,
    statusGateway,
    dashboardGateway,
  ];
}

function makeMetrics(settings: Settings): Registry {
  const metrics = new Registry();
  if (settings.clusterLabel !== '') metrics.setDefaultLabels({ cluster: settings.clusterLabel });
  collectDefaultMetrics({ register: metrics });
  return metrics;
}
