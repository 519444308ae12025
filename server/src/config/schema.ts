import { z } from 'zod';
import { redisPlace, sinks, sinksOf, sources, sourcesOf } from './flow-schema.ts';
import { bytes, choice, count, duration, flag, group, list, TIMER_MAX_MS, text } from './schema-parts.ts';
import { DEFAULT_SETTINGS, type Settings } from './settings.ts';

const DEFAULTS = DEFAULT_SETTINGS;
/** Each holds up to three of the 126 places for readers of the store. */
const WORKERS_MAX = 32;
export const PRESET_NAMES = ['kv-store', 'kvupdater', 'redis-cache-sync', 'redis-backend-ms', 'keydb-poc'] as const;

const HOST = /^(?:[a-z0-9_.-]{1,253}|\[?[0-9a-f:.]{2,45}\]?)$/i;
const HOST_AND_PORT = /^(?:[a-z0-9_.-]{1,253}|\[[0-9a-f:.]{2,45}\])(?::[0-9]{1,5})?$/i;
const NO_CONTROLS = /^[^\u0000-\u001f\u007f]*$/;

/** `HOST:PORT` of what is one, or of a port alone. */
function respAddress(value: string): string | undefined {
  const address = /^[0-9]+$/.test(value) ? `127.0.0.1:${value}` : value;
  const port = Number(/:([0-9]{1,5})$/.exec(address)?.[1] ?? Number.NaN);
  return HOST_AND_PORT.test(address) && port <= 65_535 ? address : undefined;
}

function isOrigin(value: string): boolean {
  return value === '*' || value === 'null' || (URL.canParse(value) && new URL(value).origin === value);
}

/**
 * The settings as `latchkey.yaml` writes them: durations and sizes as text, every name optional, no name unknown. Group by group
 * in the order of the reference page, which is made from this file.
 */
export const userForm = z.strictObject({
  http: group('The one HTTP listener.', {
    host: text(
      DEFAULTS.http.host,
      'Address to listen on. Anything beyond loopback needs `insecure` as long as there is no authentication.',
      {
        takes: 'an address or host name without scheme and port, such as 127.0.0.1, ::1 or 0.0.0.0',
        accepts: (value) => HOST.test(value),
      },
    ),
    port: count(DEFAULTS.http.port, 'Port to listen on; 0 takes a free one, which the first log line names.', {
      min: 0,
      max: 65_535,
    }),
    corsOrigins: list(
      DEFAULTS.http.corsOrigins,
      'Origins whose pages may read, write and watch; `*` means every page on the web.',
      {
        takes: 'a list of origins such as https://example.org (no path, no trailing slash), or *',
        accepts: isOrigin,
      },
    ),
    trustedHosts: list(
      DEFAULTS.http.trustedHosts,
      'Names accepted in the Host header beside loopback and `http.host`; `*` means any, which gives up the guard against DNS rebinding.',
      {
        takes: 'a list of host names such as latchkey.example.org or cache:23333, or *',
        accepts: (value) => value === '*' || HOST_AND_PORT.test(value),
      },
    ),
  }),
  resp: group('The Redis protocol gateway: redis-cli and Redis clients on top of any log.', {
    listen: text(
      DEFAULTS.resp.listen,
      'Where it listens; empty: nowhere. Beyond loopback it needs a password or `insecure`.',
      {
        takesNumbers: true,
        takes: 'HOST:PORT such as 127.0.0.1:6380, or a port, which is then of 127.0.0.1',
        accepts: (value) => value === '' || respAddress(value) !== undefined,
      },
    ),
    password: text(DEFAULTS.resp.password, 'What `AUTH` takes; empty: it asks for none. Best by a reference.', {
      takes: 'at most 512 characters without control characters',
      accepts: (value) => value.length <= 512 && NO_CONTROLS.test(value),
    }),
  }),
  data: text(DEFAULTS.data, 'Data directory, relative to where the server is started.', {
    takes: 'a path',
    accepts: (value) => value !== '' && !value.includes('\u0000'),
  }),
  log: group('Orders changes and makes them durable.', {
    kind: choice(
      ['local', 'redis'],
      DEFAULTS.log.kind,
      'Which log: `local` keeps everything in the data directory; with `redis` the values are plain keys of a Redis, Valkey or KeyDB that any number of nodes share.',
    ),
    name: text(DEFAULTS.log.name, 'Name of this log among several.', {
      takes: '1 to 64 letters, digits, dots, dashes or underscores',
      accepts: (value) => /^[A-Za-z0-9._-]{1,64}$/.test(value),
    }),
    ...redisPlace({ url: DEFAULTS.log.url }),
    wait: count(DEFAULTS.log.wait, 'Replicas that must have a write before its sender is answered (`WAIT`).', {
      min: 0,
      max: 10,
    }),
    rebuild: flag(
      DEFAULTS.log.rebuild,
      'Fills a Redis that came back empty from the node that knows most; without it the log begins anew.',
    ),
    rebuildWait: duration(
      DEFAULTS.log.rebuildWaitMs,
      'How long nodes are waited for that may know more, before that.',
      {
        max: TIMER_MAX_MS,
      },
    ),
  }),
  limits: group('What one client may ask for. Beyond a limit a request is refused; nothing is cut.', {
    keyBytesMax: count(DEFAULTS.limits.keyBytesMax, 'Longest key, in bytes of UTF-8.', { min: 1, max: 1900 }),
    valueBytesMax: bytes(DEFAULTS.limits.valueBytesMax, 'Biggest value.', { max: 256 * 1024 * 1024 }),
    bodyBytesMax: bytes(DEFAULTS.limits.bodyBytesMax, 'Biggest request body or WebSocket frame.', {
      max: 512 * 1024 * 1024,
    }),
    storeBytesMax: bytes(
      DEFAULTS.limits.storeBytesMax,
      'Biggest store; beyond it new keys are refused. 0 means no limit.',
      { min: 0 },
    ),
    connectionsMax: count(DEFAULTS.limits.connectionsMax, 'Connections held at a time.'),
    filterTermsMax: count(
      DEFAULTS.limits.filterTermsMax,
      'Keys, prefixes and patterns of one filter together. A pattern counts once for each text between two of its stars, and a text with `?` or classes once more for each 32 characters.',
    ),
    watchesPerConnectionMax: count(DEFAULTS.limits.watchesPerConnectionMax, 'Watches on one WebSocket.'),
    pendingCommandsMax: count(
      DEFAULTS.limits.pendingCommandsMax,
      'Commands waiting for the log; beyond it writes are answered 429.',
    ),
    pendingBytesMax: bytes(
      DEFAULTS.limits.pendingBytesMax,
      'Bytes of the commands waiting for the log; beyond it writes are answered 429.',
    ),
  }),
  history: group('The window in which every change is kept; behind it only the last change of each key.', {
    changesMax: count(DEFAULTS.history.changesMax, 'Changes in the window.'),
    bytesMax: bytes(DEFAULTS.history.bytesMax, 'Bytes in the window.'),
    ageMax: duration(DEFAULTS.history.ageMaxMs, 'Age of the oldest change in the window.'),
  }),
  tombstones: group('What is left of a removed key, and guards it from late puts.', {
    ageMax: duration(DEFAULTS.tombstones.ageMaxMs, 'Age at which tombstones are collected.'),
  }),
  deadLetters: group('Messages that could not be decoded or decided. The oldest go first.', {
    countMax: count(DEFAULTS.deadLetters.countMax, 'Dead letters kept.'),
    bytesMax: bytes(DEFAULTS.deadLetters.bytesMax, 'Bytes of dead letters kept.'),
    ageMax: duration(DEFAULTS.deadLetters.ageMaxMs, 'Age at which a dead letter goes.'),
    replaysMax: count(DEFAULTS.deadLetters.replaysMax, 'How often one dead letter may be replayed.'),
  }),
  idempotency: group('Idempotency keys remembered with their outcomes.', {
    countMax: count(DEFAULTS.idempotency.countMax, 'Keys remembered.'),
    ageMax: duration(DEFAULTS.idempotency.ageMaxMs, 'How long a key is remembered.'),
  }),
  deciding: group('How commands become changes.', {
    maxFutureSkew: duration(DEFAULTS.deciding.maxFutureSkewMs, 'How far `updated` may be ahead of this server.', {
      min: 0,
    }),
  }),
  feed: group('Live streams.', {
    tickMaxMs: count(
      DEFAULTS.feed.tickMaxMs,
      'Longest wait, in milliseconds, in which changes are gathered before they are sent.',
      { min: 0, max: 1000 },
    ),
    progressInterval: duration(
      DEFAULTS.feed.progressIntervalMs,
      'A watch without changes is told its position this often.',
      { max: TIMER_MAX_MS },
    ),
    catchUpChangesMax: count(
      DEFAULTS.feed.catchUpChangesMax,
      'A watch further behind gets the last value per key instead of every change.',
    ),
    stalledTimeout: duration(
      DEFAULTS.feed.stalledTimeoutMs,
      'A watcher that reads nothing for this long is told to come back.',
      { max: TIMER_MAX_MS },
    ),
    pinnedBytesMax: bytes(DEFAULTS.feed.pinnedBytesMax, 'Bytes that slow sockets may hold together.'),
  }),
  workers: count(
    DEFAULTS.workers,
    'Processes that serve clients beside the one that writes; 0 means that one process does both.',
    { min: 0, max: WORKERS_MAX },
  ),
  sources,
  sinks,
  clusterLabel: text(DEFAULTS.clusterLabel, 'A label on every log line and metric.', {
    takes: 'at most 200 characters without control characters',
    accepts: (value) => value.length <= 200 && NO_CONTROLS.test(value),
  }),
  keyPrefix: text(
    DEFAULTS.keyPrefix,
    'Put before every key that sources beside HTTP write, and before the `keyPrefix` of the source.',
    {
      takes: 'at most 512 characters without control characters',
      accepts: (value) => value.length <= 512 && NO_CONTROLS.test(value),
    },
  ),
  logLevel: choice(['debug', 'info', 'warn', 'error'], DEFAULTS.logLevel, 'Least severe line that is logged.'),
  logFormat: choice(['json', 'text'], DEFAULTS.logFormat, 'Form of log lines: one JSON object, or one line to read.'),
  insecure: flag(DEFAULTS.insecure, 'Allows listening beyond loopback without authentication.'),
  presets: list(
    DEFAULTS.presets,
    'What the systems that Latchkey replaces had for settings; each has its page, `docs/coming-from-….md`.',
    {
      takes: `a list of presets: ${PRESET_NAMES.join(', ')}`,
      accepts: (value) => (PRESET_NAMES as readonly string[]).includes(value),
    },
  ),
});

/** Takes the user's form, defaults what is left out, and results in `Settings`. */
export const settingsSchema = userForm.transform((given): Settings => {
  const { history, tombstones, deadLetters, idempotency, deciding, feed, presets, ...same } = given;
  const { rebuildWait, ...log } = given.log;
  return {
    ...same,
    log: { ...log, rebuildWaitMs: rebuildWait },
    resp: { ...given.resp, listen: respAddress(given.resp.listen) ?? '' },
    sources: sourcesOf(given.sources),
    sinks: sinksOf(given.sinks),
    history: { changesMax: history.changesMax, bytesMax: history.bytesMax, ageMaxMs: history.ageMax },
    tombstones: { ageMaxMs: tombstones.ageMax },
    deadLetters: {
      countMax: deadLetters.countMax,
      bytesMax: deadLetters.bytesMax,
      ageMaxMs: deadLetters.ageMax,
      replaysMax: deadLetters.replaysMax,
    },
    idempotency: { countMax: idempotency.countMax, ageMaxMs: idempotency.ageMax },
    deciding: { maxFutureSkewMs: deciding.maxFutureSkew },
    feed: {
      tickMaxMs: feed.tickMaxMs,
      progressIntervalMs: feed.progressInterval,
      catchUpChangesMax: feed.catchUpChangesMax,
      stalledTimeoutMs: feed.stalledTimeout,
      pinnedBytesMax: feed.pinnedBytesMax,
    },
    presets: presets as Settings['presets'],
  };
});
