import { compileGlob } from '../shared/glob.ts';
import type { Fault } from './fault.ts';
import type { SinkSettings, SourceSettings } from './flow-settings.ts';
import type { RedisPlace } from './redis-settings.ts';
import type { Settings } from './settings.ts';

type PubsubSource = Extract<SourceSettings, { readonly kind: 'redis-pubsub' }>;

/**
 * Sinks that publish what a source of this server hears on the same Redis: each message would make the next. A channel of `{key}` is
 * judged by keys that the sink names; where it names none, only a source that hears every channel is taken for a loop.
 */
export function loopFaults({ resp, sinks, sources }: Pick<Settings, 'resp' | 'sinks' | 'sources'>): Fault[] {
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
