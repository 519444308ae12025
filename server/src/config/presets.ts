import type { Tree } from './layer.ts';

/** What the seeds' own settings say: their variables, and for `kvupdater` its `config.py`. */
export interface SeedSettings {
  /** As `seedRedisUrl` made it of the variables and what the preset has. */
  readonly redisUrl: (byDefault: string) => string;
  readonly channel?: string | undefined;
  readonly validate?: boolean | undefined;
  /** Nobody said where a Redis is, the log is this process's own, and it listens for Redis clients itself. */
  readonly isAlone?: boolean | undefined;
  /** What was said of the log beside the preset. */
  readonly log?: Tree | undefined;
}

/** What says where a Redis is. */
function redisPlaceOf(log: Tree): Tree {
  const names = ['url', 'sentinels', 'sentinelName', 'caFile'];
  return Object.fromEntries(Object.entries(log).filter(([name]) => names.includes(name)));
}

const LOCALHOST = 'redis://localhost:6379/0';

/** What each preset sets, below everything else. `kv-store` sets nothing here: its routes read `presets`. */
export const PRESETS: Readonly<Record<string, (seed: SeedSettings) => Tree>> = {
  'kv-store': () => ({}),
  kvupdater({ channel = 'update', isAlone = false, redisUrl, validate = true }) {
    const url = isAlone ? 'resp' : redisUrl('redis://redis.redis:6379/0');
    const format = { kind: 'kvupdater' };
    const sources = [{ name: 'kvupdater', kind: 'redis-pubsub', url, channels: [channel], format, validate }];
    return isAlone ? { sources } : { log: { kind: 'redis', url }, sources };
  },
  'redis-cache-sync'({ log = {}, redisUrl }) {
    const place = { url: redisUrl(LOCALHOST) };
    // Its events are about whatever that Redis holds, also what was there before and what others write.
    const cache = { name: 'cache', kind: 'redis-keyspace', ...place, ...redisPlaceOf(log) };
    return { log: { kind: 'redis', ...place }, sources: log.kind === 'local' ? [] : [cache] };
  },
  'redis-backend-ms'({ redisUrl }) {
    const url = redisUrl(LOCALHOST);
    const indexSet = { key: 'info:batteries:ids', fromKey: 'battery:{battery_id}:data', member: '{battery_id}' };
    const notify = { name: 'notify', kind: 'redis', url, patterns: ['battery:*:data'], channel: '{key}' };
    return { log: { kind: 'redis', url }, sinks: [{ ...notify, payload: 'updates', indexSet }] };
  },
  'keydb-poc': () => ({ resp: { listen: '127.0.0.1:6379' } }),
};
