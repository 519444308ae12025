import type { RedisPlace } from './redis-settings.ts';

/** How a source reads its messages; `server/src/formats/format-kinds.ts` makes the format of it. */
export type FormatChoice =
  | { readonly kind: 'command' | 'kv-store' }
  | { readonly kind: 'kvupdater' | 'cache-event' }
  | {
      readonly kind: 'json';
      /** The key of what a message tells, e.g. `battery:{battery_id}:data`. */
      readonly key: string;
      readonly omit: readonly string[];
      readonly write: 'put' | 'merge';
      readonly as: 'string' | 'hash';
      readonly updated?: string;
      /** Seconds. */
      readonly ttl?: number;
    }
  | { readonly kind: 'raw'; readonly key: string; readonly contentType?: string };

interface SourceBase {
  readonly name: string;
  /** Put before every key that the source writes. */
  readonly keyPrefix: string;
}

interface MessageSource extends SourceBase {
  readonly format: FormatChoice;
  /** `accept`: arrival order wins, an older `updated` is not late. */
  readonly late: 'refuse' | 'accept';
  /** An equal result is recorded as a change all the same. */
  readonly recordEqual: boolean;
}

/** `url: resp` hears what is published at this process's own Redis gateway. */
export interface RedisPubsubSettings extends MessageSource, RedisPlace {
  readonly kind: 'redis-pubsub';
  readonly channels: readonly string[];
  readonly patterns: readonly string[];
  /** Each value is read back where it was written, and repaired and counted where it differs. */
  readonly validate: boolean;
}

export interface RedisStreamSettings extends MessageSource, RedisPlace {
  readonly kind: 'redis-stream';
  readonly streams: readonly string[];
  readonly group: string;
  /** The field of an entry that holds the message; empty: the entry's fields are the message, as a JSON object. */
  readonly field: string;
}

export interface RedisKeyspaceSettings extends SourceBase, RedisPlace {
  readonly kind: 'redis-keyspace';
  readonly patterns: readonly string[];
  readonly mode: 'auto' | 'keyevents' | 'tracking';
  /** Sets `notify-keyspace-events` on that Redis where it is not enough, instead of saying so. */
  readonly setNotifications: boolean;
}

export type SourceSettings = RedisPubsubSettings | RedisStreamSettings | RedisKeyspaceSettings;

/** A set beside the values that names what there is. */
export interface IndexSet {
  readonly key: string;
  /** Of which keys, e.g. `battery:{battery_id}:data`. */
  readonly fromKey: string;
  /** What of such a key is a member, e.g. `{battery_id}`. */
  readonly member: string;
}

export interface RedisSinkSettings extends RedisPlace {
  readonly name: string;
  readonly kind: 'redis';
  /** Which changes: those whose key is one of `keys`, begins with one of `prefixes` or matches one of `patterns`; all empty: every one. */
  readonly keys: readonly string[];
  readonly prefixes: readonly string[];
  readonly patterns: readonly string[];
  /** The channel, a template of `{key}`; empty: nothing is published. */
  readonly channel: string;
  /** `updates`: that word; `kvupdater`: the message that made the entry; `change`: the change as JSON; `value`: its value; else a template of `{key}`. */
  readonly payload: string;
  readonly indexSet: IndexSet | null;
}

export type SinkSettings = RedisSinkSettings;
