import { compileGlob } from '../shared/glob.ts';
import type { Fault } from './fault.ts';
import type { SinkSettings, SourceSettings } from './flow-settings.ts';
import type { LogSettings, RedisPlace } from './redis-settings.ts';
import type { Settings } from './settings.ts';

type PubsubSource = Extract<SourceSettings, { readonly kind: 'redis-pubsub' }>;

/** Sources that would take what comes of what they took. */
export function loopFaults(settings: Pick<Settings, 'log' | 'resp' | 'sinks' | 'sources'>): Fault[] {
  return [...channelLoops(settings), ...keyLoops(settings)];
}

/** Keys that a source follows where the log puts the copies that it makes of them: each would make the next. */
function keyLoops({ log, sources }: Pick<Settings, 'log' | 'sources'>): Fault[] {
  return sources.flatMap((source, index) => {
    if (source.kind !== 'redis-keyspace' || source.keyPrefix === '' || !isRedisOfLog(log, source)) return [];
    const { keyPrefix } = source;
    const follows = source.patterns
      .map(compileGlob)
      .some(({ literalPrefix }) => literalPrefix.startsWith(keyPrefix) || keyPrefix.startsWith(literalPrefix));
    if (!follows) return [];
    const says = `is ${keyPrefix}, and the source follows such keys of the Redis that the log writes to, so that each key would make the next; leave it out`;
    return [{ path: `sources[${index}].keyPrefix`, says }];
  });
}

/** Whether that is the database where the log keeps its values, as far as names tell. */
export function isRedisOfLog(log: LogSettings, place: RedisPlace): boolean {
  const databaseOf = ({ url }: RedisPlace) => Number(new URL(url).pathname.slice(1)) || 0;
  return log.kind === 'redis' && placeOf(log) === placeOf(place) && databaseOf(log) === databaseOf(place);
}

/**
 * Sinks that publish what a source of this server hears on the same Redis: each message would make the next. A channel of `{key}` is
 * judged by keys that the sink names; where it names none, only a source that hears every channel is taken for a loop.
 */
function channelLoops({ resp, sinks, sources }: Pick<Settings, 'resp' | 'sinks' | 'sources'>): Fault[] {
  const listeners = sources.filter((source) => source.kind === 'redis-pubsub');
  return sinks.flatMap((sink, index) => {
    const heard = listeners.find((source) => isSamePlace(sink, source, resp.listen) && hears(source, sink));
    if (heard === undefined) return [];
    const says = `is ${sink.channel}, which the source ${heard.name} hears on the same Redis, so that each message would make the next; give it another`;
    return [{ path: `sinks[${index}].channel`, says }];
  });
}

/**
 * What can't be this server's own Redis port: a log, which has to be somewhere else, and what would write or follow the entries that it is
 * made of.
 */
export function ownPortFaults(settings: Pick<Settings, 'log' | 'resp' | 'sinks' | 'sources'>): Fault[] {
  const { log, resp, sinks, sources } = settings;
  if (resp.listen === '') return [];
  const places: [string, RedisPlace][] = [
    ...(log.kind === 'redis' ? [['log.url', log] as [string, RedisPlace]] : []),
    ...sources.flatMap((source, index) =>
      source.kind === 'redis-pubsub' ? [] : [[`sources[${index}].url`, source] as [string, RedisPlace]],
    ),
    ...sinks.map((sink, index) => [`sinks[${index}].url`, sink] as [string, RedisPlace]),
  ];
  return places
    .filter(([, place]) => placeOf(place) === local(resp.listen))
    .map(([path]) => ({ path, says: 'is this server’s own Redis port (resp.listen); name a Redis, Valkey or KeyDB' }));
}

function hears(source: PubsubSource, sink: SinkSettings): boolean {
  if (sink.channel === '') return false;
  const channels = sink.channel.includes('{key}')
    ? keysOf(sink).map((key) => sink.channel.replaceAll('{key}', () => key))
    : [sink.channel];
  const globs = source.patterns.map(compileGlob);
  if (globs.some(({ kind }) => kind === 'all')) return true;
  return channels.some((channel) => source.channels.includes(channel) || globs.some((glob) => glob.matches(channel)));
}

/** Some keys of those that it takes. */
function keysOf({ keys, patterns, prefixes }: SinkSettings): readonly string[] {
  const some = patterns.map(compileGlob).flatMap(({ kind, literalPrefix }) => {
    if (kind === 'exact') return [literalPrefix];
    return kind === 'prefix' ? [`${literalPrefix}x`] : [];
  });
  return [...keys, ...prefixes.map((prefix) => `${prefix}x`), ...some];
}

function isSamePlace(sink: RedisPlace, source: PubsubSource, respListen: string): boolean {
  return placeOf(sink) === (source.url === 'resp' ? local(respListen) : placeOf(source));
}

/** Pub/sub knows no databases. */
function placeOf({ sentinelName, sentinels, url }: RedisPlace): string {
  if (sentinels.length > 0) return `${sentinelName} ${sentinels.toSorted().join()}`;
  const { hostname, port } = new URL(url);
  return local(`${hostname.toLowerCase()}:${port === '' ? 6379 : port}`);
}

function local(place: string): string {
  return place.replace(/^(?:localhost|\[::1\]|0\.0\.0\.0)(?=:)/, '127.0.0.1');
}
