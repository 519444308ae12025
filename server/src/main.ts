/**
 * Puts the stages together, in the order of the data's path. It is the only file that names adapters, and imports those lazily that
 * a setting chooses.
 */
import { createRequire } from 'node:module';
import { LatchkeyError } from '@latchkey/client';
import { collectDefaultMetrics, Registry } from 'prom-client';
import type { Settings } from './config/settings.ts';
import type { Feed } from './feed/feed.ts';
import { type FeedSetup, makeFeed } from './feed/live-feed.ts';
import { cacheEventFormat } from './formats/cache-event.ts';
import { commandFormat } from './formats/commands.ts';
import { kvStoreFormat } from './formats/kv-store.ts';
import { dashboardGateway } from './gateways/dashboard.ts';
import { eventsGateway } from './gateways/events.ts';
import type { Core, Gateway } from './gateways/gateway.ts';
import { type HttpListener, makeHttp } from './gateways/http.ts';
import { kvStoreGateway } from './gateways/kv-store.ts';
import { makeKvStoreSubscribeGateway } from './gateways/kv-store-subscribe.ts';
import { restGateway } from './gateways/rest.ts';
import { makeSseGateway } from './gateways/sse.ts';
import { statusGateway } from './gateways/status.ts';
import { makeWebsocketGateway } from './gateways/websocket.ts';
import { backupDataDirectory, type CopyReport, restoreDataDirectory } from './log/backup.ts';
import type { Log } from './log/log.ts';
import { type Access, openAccess } from './shared/access.ts';
import { type Clock, systemClock } from './shared/clock.ts';
import { faultReporter, type Logger } from './shared/logger.ts';
import { isLoopback } from './shared/loopback.ts';
import type { LmdbViewOptions } from './view/lmdb.ts';
import type { WritableView } from './view/view.ts';

export interface RunningServer {
  /** Where it listens, e.g. `http://127.0.0.1:23333`. */
  readonly url: string;
  /** Finishes writes, tells watchers to come back, and releases everything. Idempotent. */
  close(): Promise<void>;
  /** Resolves once everything is released. */
  readonly closed: Promise<void>;
}

export interface ServerParts {
  readonly logger: Logger;
  readonly clock?: Clock;
  /** Stands in for `LmdbView.open`: how the guarantee harness has its failpoints in the store. */
  readonly openView?: (options: LmdbViewOptions) => Promise<WritableView>;
  /** Stands in for `makeFeed`: how the harness plants bugs that its checkers must find. */
  readonly makeFeed?: (setup: FeedSetup) => Feed;
}

/** Requests under way get this long to end when the server stops. */
const CLOSE_DEADLINE_MS = 5000;

/**
 * @throws LatchkeyError `data-unwritable`, `data-in-use`, `data-newer`, `data-corrupt`, `storage-full`, `address-in-use`,
 *   `address-refused`, `insecure-listen`; nothing is left open then.
 */
export async function startServer(settings: Settings, parts: ServerParts): Promise<RunningServer> {
  const { logger } = parts;
  const clock = parts.clock ?? systemClock;
  const access = openAccess;
  const reportFault = faultReporter(logger);
  const { host, port } = settings.http;
  if (!isLoopback(host) && !settings.insecure) throw insecureListen(host, port);
  const log = await openLog(settings, { access, clock, logger, openView: parts.openView });
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
  const core: Core = {
    settings,
    log,
    feed,
    access,
    clock,
    logger,
    reportFault,
    metrics: makeMetrics(settings),
    programVersion: programVersion(),
    formats: {
      command: commandFormat(settings.limits),
      cacheEvent: cacheEventFormat(settings.limits),
      kvStore: kvStoreFormat(settings.limits),
    },
    // Sources with dead letters of their own come with the Redis and Kafka adapters.
    replayer: { formatOf: () => undefined },
    sources: [],
  };
  try {
    const http = await makeHttp(core, gateways());
    const address = await http.listen();
    return running(core, http, address);
  } catch (error) {
    await feed.close();
    await log.close();
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
  parts: {
    readonly access: Access;
    readonly clock: Clock;
    readonly logger: Logger;
    readonly openView: ServerParts['openView'] | undefined;
  },
): Promise<Log> {
  const reportFault = faultReporter(parts.logger);
  const { LmdbView } = await import('./view/lmdb.ts');
  const { LocalLog } = await import('./log/local.ts');
  const openView = parts.openView ?? ((options) => LmdbView.open(options));
  const view = await openView({ directory: settings.data, settings, clock: parts.clock, reportFault });
  return LocalLog.open({ view, access: parts.access, clock: parts.clock, settings, reportFault });
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

function running(
  core: Core,
  http: HttpListener,
  address: { readonly host: string; readonly port: number },
): RunningServer {
  let closing: Promise<void> | undefined;
  let release: () => void = () => undefined;
  const closed = new Promise<void>((resolve) => {
    release = resolve;
  });
  const close = async () => {
    await http.stopAccepting();
    // Watchers are told where to come back before the writes that are under way end: those go on below.
    await core.feed.close();
    await http.close(CLOSE_DEADLINE_MS);
    await core.log.close();
    release();
  };
  const host = address.host.includes(':') ? `[${address.host}]` : address.host;
  return {
    url: `http://${host}:${address.port}`,
    close: () => {
      closing ??= close();
      return closing;
    },
    closed,
  };
}

function makeMetrics(settings: Settings): Registry {
  const metrics = new Registry();
  if (settings.clusterLabel !== '') metrics.setDefaultLabels({ cluster: settings.clusterLabel });
  collectDefaultMetrics({ register: metrics });
  return metrics;
}

function programVersion(): string {
  const read = createRequire(import.meta.url);
  return (read('../package.json') as { version: string }).version;
}
