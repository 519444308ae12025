import type { SinkSettings, SourceSettings } from './flow-settings.ts';
import type { LogSettings } from './redis-settings.ts';

/**
 * Every setting, resolved: bytes as numbers, durations in milliseconds. Names are those of `latchkey.yaml`; a duration's text
 * form (`15s`) becomes `…Ms` here.
 */
export interface Settings {
  readonly http: {
    readonly host: string;
    readonly port: number;
    readonly corsOrigins: readonly string[];
    readonly trustedHosts: readonly string[];
  };
  /** The Redis protocol gateway: where it listens, `HOST:PORT`; empty: nowhere. `password`: what AUTH takes; empty: none is asked for. */
  readonly resp: { readonly listen: string; readonly password: string };
  /** Data directory. */
  readonly data: string;
  readonly log: LogSettings;
  readonly limits: Limits;
  readonly history: { readonly changesMax: number; readonly bytesMax: number; readonly ageMaxMs: number };
  readonly tombstones: { readonly ageMaxMs: number };
  readonly deadLetters: {
    readonly countMax: number;
    readonly bytesMax: number;
    readonly ageMaxMs: number;
    readonly replaysMax: number;
  };
  readonly idempotency: { readonly countMax: number; readonly ageMaxMs: number };
  readonly deciding: { readonly maxFutureSkewMs: number };
  readonly feed: FeedSettings;
  /** Processes that serve beside the one that owns the log; 0: that one serves. */
  readonly workers: number;
  readonly sources: readonly SourceSettings[];
  readonly sinks: readonly SinkSettings[];
  readonly clusterLabel: string;
  readonly keyPrefix: string;
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error';
  readonly logFormat: 'json' | 'text';
  /** Listening beyond loopback without authentication was asked for. */
  readonly insecure: boolean;
  /** The kv-store preset: CORS `*` on its four routes. */
  readonly presets: readonly ('kv-store' | 'kvupdater' | 'redis-cache-sync' | 'redis-backend-ms' | 'keydb-poc')[];
}

export interface Limits {
  readonly keyBytesMax: number;
  readonly valueBytesMax: number;
  readonly bodyBytesMax: number;
  /** 0: no limit. */
  readonly storeBytesMax: number;
  readonly connectionsMax: number;
  /** Keys, prefixes and patterns of one filter together. */
  readonly filterTermsMax: number;
  readonly watchesPerConnectionMax: number;
  /** Commands waiting for the log, by count and bytes; beyond either, writes are answered `429`. */
  readonly pendingCommandsMax: number;
  readonly pendingBytesMax: number;
}

export interface FeedSettings {
  readonly tickMaxMs: number;
  readonly progressIntervalMs: number;
  readonly catchUpChangesMax: number;
  readonly stalledTimeoutMs: number;
  readonly pinnedBytesMax: number;
}

const SECOND = 1000;
const HOUR = 3600 * SECOND;
const MIB = 1024 * 1024;

export const DEFAULT_SETTINGS: Settings = {
  http: { host: '127.0.0.1', port: 23333, corsOrigins: [], trustedHosts: [] },
  resp: { listen: '', password: '' },
  data: './latchkey-data',
  log: {
    kind: 'local',
    name: 'main',
    url: 'redis://localhost:6379/0',
    sentinels: [],
    sentinelName: 'mymaster',
    caFile: '',
    wait: 0,
    rebuild: false,
    rebuildWaitMs: 10 * SECOND,
  },
  limits: {
    keyBytesMax: 1024,
    valueBytesMax: MIB,
    bodyBytesMax: 8 * MIB,
    storeBytesMax: 0,
    connectionsMax: 50_000,
    filterTermsMax: 1000,
    watchesPerConnectionMax: 1000,
    pendingCommandsMax: 100_000,
    pendingBytesMax: 64 * MIB,
  },
  history: { changesMax: 100_000, bytesMax: 256 * MIB, ageMaxMs: 24 * HOUR },
  tombstones: { ageMaxMs: 7 * 24 * HOUR },
  deadLetters: { countMax: 100_000, bytesMax: 256 * MIB, ageMaxMs: 30 * 24 * HOUR, replaysMax: 5 },
  idempotency: { countMax: 100_000, ageMaxMs: 24 * HOUR },
  deciding: { maxFutureSkewMs: HOUR },
  feed: {
    tickMaxMs: 5,
    progressIntervalMs: 15 * SECOND,
    catchUpChangesMax: 10_000,
    stalledTimeoutMs: 300 * SECOND,
    pinnedBytesMax: 64 * MIB,
  },
  workers: 0,
  sources: [],
  sinks: [],
  clusterLabel: '',
  keyPrefix: '',
  logLevel: 'info',
  logFormat: 'json',
  insecure: false,
  presets: [],
};
