import { Registry } from 'prom-client';
import { DEFAULT_SETTINGS, type Settings } from '../../server/src/config/settings.ts';
import type { Feed } from '../../server/src/feed/feed.ts';
import { cacheEventFormat } from '../../server/src/formats/cache-event.ts';
import { commandFormat } from '../../server/src/formats/commands.ts';
import type { Format } from '../../server/src/formats/format.ts';
import { kvStoreFormat } from '../../server/src/formats/kv-store.ts';
import type { Core } from '../../server/src/gateways/gateway.ts';
import type { LogState } from '../../server/src/log/log.ts';
import { openAccess } from '../../server/src/shared/access.ts';
import { type Logger, silentLogger } from '../../server/src/shared/logger.ts';
import type { Source, SourceState } from '../../server/src/sources/source.ts';
import { MemoryLog } from './memory-log.ts';

/** Groups of settings to override, each partly. */
export type SettingsPart = {
  readonly [Name in keyof Settings]?: Settings[Name] extends object ? Partial<Settings[Name]> : Settings[Name];
};

export interface MemoryCore extends Core {
  readonly log: MemoryLog;
  /** Faults that somebody handed to `reportFault`. */
  readonly faults: unknown[];
  readonly sourceFormats: Map<string, Format>;
}

/** A core over a log in memory, without a feed and listening on a free port of loopback. */
export function memoryCore(part: SettingsPart = {}, more: Partial<Core> = {}): MemoryCore {
  const settings = settingsOf(part);
  const log = new MemoryLog(settings.limits.valueBytesMax);
  const faults: unknown[] = [];
  const sourceFormats = new Map<string, Format>();
  return {
    settings,
    feed: noFeed,
    access: openAccess,
    clock: { nowMicros: () => log.view.now, monotonicMs: () => performance.now() },
    logger: silentLogger,
    reportFault: (_stage, error) => faults.push(error),
    metrics: new Registry(),
    programVersion: '0.0.0-test',
    formats: {
      command: commandFormat(settings.limits),
      cacheEvent: cacheEventFormat(settings.limits),
      kvStore: kvStoreFormat(settings.limits),
    },
    replayer: { formatOf: (source) => sourceFormats.get(source) },
    sources: [],
    sinks: [],
    ...more,
    log,
    faults,
    sourceFormats,
  };
}

function settingsOf(part: SettingsPart): Settings {
  const settings: Record<string, unknown> = { ...DEFAULT_SETTINGS, http: { ...DEFAULT_SETTINGS.http, port: 0 } };
  for (const [name, value] of Object.entries(part)) {
    const isGroup = typeof value === 'object' && !Array.isArray(value);
    settings[name] = isGroup ? { ...(settings[name] as object), ...value } : value;
  }
  return settings as unknown as Settings;
}

const noFeed: Feed = {
  watch: () => {
    throw new Error('this test has no feed');
  },
  counts: () => ({ watchers: 0, groups: 0, behind: 0 }),
  delivered: () => 0,
  sendAway: () => undefined,
  close: async () => {},
};

/** A logger that keeps its error lines. */
export function keepingLogger(): {
  readonly logger: Logger;
  readonly errors: { fields: Readonly<Record<string, unknown>>; message: string }[];
} {
  const errors: { fields: Readonly<Record<string, unknown>>; message: string }[] = [];
  const logger: Logger = {
    ...silentLogger,
    error: (fields, message) => errors.push({ fields, message }),
    child: () => logger,
  };
  return { logger, errors };
}

export function sourceOf(name: string, state: LogState & Partial<SourceState>): Source {
  const counts = { isHolder: state.isReady, received: 3, applied: 2, deadLettered: 1 };
  return { name, kind: 'redis-pubsub', start() {}, state: () => ({ ...counts, ...state }), close: async () => {} };
}
