/** Where a Redis, Valkey or KeyDB is, as logs, sources and sinks name one. */
export interface RedisPlace {
  /** `redis://[user[:password]@]host[:port][/database]`, `rediss://` for TLS. With `sentinels` its host and port are not used. */
  readonly url: string;
  /** `host:port` of each Sentinel that is asked for the primary; empty: `url` names it. */
  readonly sentinels: readonly string[];
  /** What the Sentinels call the primary. */
  readonly sentinelName: string;
  /** A PEM file of authorities that TLS trusts; empty: those of the system. */
  readonly caFile: string;
}

/** Settings of the log; what is of Redis alone stands idle for the others. */
export interface LogSettings extends RedisPlace {
  readonly kind: 'local' | 'redis';
  readonly name: string;
  /** Replicas that must have acknowledged a write before its sender is answered (`WAIT`); 0: none. */
  readonly wait: number;
  /** Whether a Redis that came back empty is filled again from the node that knows most. */
  readonly rebuild: boolean;
  /** How long nodes are waited for that may know more, before that. */
  readonly rebuildWaitMs: number;
}

/** Whether a text is such a URL, with nothing behind the number of a database: what would be ignored is refused. */
export function isRedisUrl(text: string): boolean {
  if (!/^rediss?:\/\//.test(text) || !URL.canParse(text)) return false;
  const { password, pathname, hash, search, username } = new URL(text);
  if (search !== '' || hash !== '' || !/^(?:\/[0-9]{0,6})?$/.test(pathname)) return false;
  try {
    decodeURIComponent(username + password);
    return true;
  } catch {
    // A bare % is no part of a URL: it is written %25.
    return false;
  }
}
