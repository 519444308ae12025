import type { z } from 'zod';
import { compileGlob } from '../shared/glob.ts';
import type { FormatChoice, SinkSettings, SourceSettings } from './flow-settings.ts';
import { isRedisUrl } from './redis-settings.ts';
import { choice, flag, group, item, list, many, one, required, seconds, text } from './schema-parts.ts';
import { DEFAULT_SETTINGS } from './settings.ts';

const NO_CONTROLS = /^[^\u0000-\u001f\u007f]*$/;
const NAME = /^[A-Za-z0-9._-]{1,64}$/;
const HOST_AND_PORT = /^(?:[a-z0-9_.-]{1,253}|\[[0-9a-f:.]{2,45}\]):[0-9]{1,5}$/i;
const NAME_TAKES = '1 to 64 letters, digits, dots, dashes or underscores';

const isText = (value: string) => value.length <= 512 && NO_CONTROLS.test(value);
const TEXT_TAKES = 'at most 512 characters without control characters';
const isNamed = (value: string) => value !== '' && isText(value);

/** How a setting names a Redis. `resp` is for the source that may hear this process's own gateway. */
export function redisPlace({ url, takesResp = false }: { readonly url: string; readonly takesResp?: boolean }) {
  return {
    url: text(
      url,
      'Where the Redis, Valkey or KeyDB is; `rediss://` for TLS. User and password stand in it, best by a reference.',
      {
        takes: `a URL such as redis://user:password@host:6379/0 or rediss://host:6380${takesResp ? ', or resp for the gateway of this process' : ''}`,
        accepts: (value) => (takesResp && value === 'resp') || isRedisUrl(value),
      },
    ),
    sentinels: list([], 'Sentinels that are asked for the primary; empty: `url` names it.', {
      takes: 'a list of host:port',
      accepts: (value) => HOST_AND_PORT.test(value),
    }),
    sentinelName: text(DEFAULT_SETTINGS.log.sentinelName, 'What the Sentinels call the primary.', {
      takes: TEXT_TAKES,
      accepts: isNamed,
    }),
    caFile: text('', 'PEM file of authorities that TLS trusts; empty: those of the system.', {
      takes: 'a path',
      accepts: (value) => !value.includes('\u0000'),
    }),
  };
}

const taking = {
  late: choice(
    ['refuse', 'accept'],
    'refuse',
    '`accept`: arrival order wins, a message older than the entry is not late.',
  ),
  recordEqual: flag(false, 'A message that changes nothing is recorded as a change all the same.'),
};
const name = required('Name of it, by which progress, dead letters and leases are kept.', {
  takes: NAME_TAKES,
  accepts: (value) => NAME.test(value),
});
const keyPrefix = text('', 'Put before every key that it writes.', { takes: TEXT_TAKES, accepts: isText });
const keyTemplate = {
  takes: 'a template of the message’s fields, such as battery:{battery_id}:data, or of its own key, {$key}',
  accepts: isNamed,
};

const plainFormat = <const Kind extends FormatChoice['kind']>(kind: Kind, about: string) => item(kind, about, {});

const formats = one('How a message is read.', [
  plainFormat('command', 'Commands as `POST /v1/commands` takes them.'),
  plainFormat('kvupdater', 'Messages with `type`, `updated`, `valid` and `values`; the key is the type.'),
  plainFormat('cache-event', 'Events `SET`, `DELETE` and `DELETE_PATTERN` with `data` and `ttl`.'),
  plainFormat('kv-store', 'Objects with `Key` and `Value`.'),
  item('json', 'One JSON message is one value, under a key made of its fields.', {
    key: required('The key of what a message tells.', keyTemplate),
    omit: list([], 'Top-level fields that are not stored.', { takes: 'a list of field names', accepts: isText }),
    write: choice(
      ['put', 'merge'],
      'put',
      '`put` replaces the value, `merge` changes the fields that the message has.',
    ),
    as: choice(['string', 'hash'], 'string', 'What a Redis keeps the value as.'),
    updated: text('', 'The field that says when the fact was true; empty: the time of arrival.', {
      takes: 'a field such as time or meta.time',
      accepts: isText,
    }),
    ttl: seconds('How long the entry lives; left out: for ever.'),
  }),
  item('raw', 'The body as it is, under the message’s own key.', {
    key: text('{$key}', 'The key.', keyTemplate),
    contentType: text('', 'What the bodies are; empty: JSON, text or bytes, whatever the body is.', {
      takes: 'a media type such as text/plain',
      accepts: isText,
    }),
  }),
]);

const channels = list([], 'Channels that are subscribed to.', { takes: 'a list of channel names', accepts: isNamed });
const globs = { takes: 'a list of globs such as cache:*', accepts: (value: string) => isNamed(value) && isGlob(value) };

export const sources = many('Where messages come from beside HTTP.', [
  item('redis-pubsub', 'Messages published on a Redis, or at the `resp` gateway of this process.', {
    name,
    ...redisPlace({ url: DEFAULT_SETTINGS.log.url, takesResp: true }),
    channels,
    patterns: list([], 'Globs of channels that are subscribed to.', globs),
    format: formats,
    ...taking,
    validate: flag(
      false,
      'Each value is read back where it was written; what differs is counted, logged and repaired.',
    ),
    keyPrefix,
  }),
  item('redis-stream', 'Entries of Redis streams, read as a consumer group.', {
    name,
    ...redisPlace({ url: DEFAULT_SETTINGS.log.url }),
    streams: list([], 'Keys of the streams.', { takes: 'a list of keys', accepts: isNamed }),
    group: text('latchkey', 'The consumer group, which is made where it is not there.', {
      takes: TEXT_TAKES,
      accepts: isNamed,
    }),
    field: text(
      '',
      'The field that holds the message; empty: the entry’s fields are the message, as a JSON object of texts.',
      {
        takes: TEXT_TAKES,
        accepts: isText,
      },
    ),
    format: formats,
    ...taking,
    keyPrefix,
  }),
  item('redis-keyspace', 'The keys of a Redis that others write, as they are.', {
    name,
    ...redisPlace({ url: DEFAULT_SETTINGS.log.url }),
    patterns: list(['*'], 'Globs of the keys.', globs),
    mode: choice(
      ['auto', 'keyevents', 'tracking'],
      'auto',
      'How it is told of changes: keyspace events, RESP3 tracking, or `auto`: tracking where that Redis and user have it.',
    ),
    setNotifications: flag(false, 'Sets `notify-keyspace-events` there where it is not enough, instead of saying so.'),
    keyPrefix,
  }),
]);

export const sinks = many('Where changes are written beside the feed.', [
  item('redis', 'Publishes each change on a Redis, and keeps a set of what there is.', {
    name,
    ...redisPlace({ url: DEFAULT_SETTINGS.log.url }),
    keys: list([], 'Keys whose changes it takes. With `prefixes` and `patterns` empty too: all.', {
      takes: 'a list of keys',
      accepts: isNamed,
    }),
    prefixes: list([], 'Beginnings of keys whose changes it takes.', { takes: 'a list of prefixes', accepts: isNamed }),
    patterns: list([], 'Globs of keys whose changes it takes.', globs),
    channel: text('{key}', 'The channel; empty: nothing is published.', {
      takes: 'a template of {key}',
      accepts: isText,
    }),
    payload: text(
      'change',
      'What is published: `change` (the change as JSON), `value`, `kvupdater` (its message), or a text.',
      {
        takes: 'change, value, kvupdater, or a template of {key}, such as updates',
        accepts: isText,
      },
    ),
    indexSet: group('A set beside the values that names what there is; without a key there is none.', {
      key: text('', 'The key of the set; empty: none.', { takes: TEXT_TAKES, accepts: isText }),
      fromKey: text('', 'Of which keys it names something.', {
        takes: 'a template such as battery:{battery_id}:data',
        accepts: isText,
      }),
      member: text('', 'What of such a key is a member.', {
        takes: 'a template such as {battery_id}',
        accepts: isText,
      }),
    }),
  }),
]);

/** What is left empty becomes what is not there. */
export function sourcesOf(given: z.output<typeof sources>): readonly SourceSettings[] {
  return given.map((source) => ('format' in source ? { ...source, format: formatOf(source.format) } : source));
}

export function sinksOf(given: z.output<typeof sinks>): readonly SinkSettings[] {
  return given.map(({ indexSet, ...sink }) => ({ ...sink, indexSet: indexSet.key === '' ? null : indexSet }));
}

function isGlob(value: string): boolean {
  try {
    compileGlob(value);
    return true;
  } catch {
    return false;
  }
}

function formatOf(format: z.output<typeof formats>): FormatChoice {
  if (format.kind === 'json') {
    const { ttl, updated, ...same } = format;
    return { ...same, ...(updated === '' ? {} : { updated }), ...(ttl === undefined ? {} : { ttl }) };
  }
  if (format.kind === 'raw') {
    const { contentType, ...same } = format;
    return { ...same, ...(contentType === '' ? {} : { contentType }) };
  }
  return format;
}
