import { isRedisOfLog } from '../config/flow-loops.ts';
import type { SourceSettings } from '../config/flow-settings.ts';
import type { Settings } from '../config/settings.ts';
import type { Format } from '../formats/format.ts';
import type { Log } from '../log/log.ts';
import type { Channels } from '../shared/channels.ts';
import type { Clock } from '../shared/clock.ts';
import type { Logger, ReportFault } from '../shared/logger.ts';
import type { Source } from './source.ts';

export interface SourcesParts {
  readonly log: Log;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly reportFault: ReportFault;
  /** By the name of their source. */
  readonly formats: ReadonlyMap<string, Format>;
  readonly channels: Channels;
}

/** The sources that the settings name, each yet to be started. @throws LatchkeyError `config-invalid` */
export function sourcesOf(settings: Settings, parts: SourcesParts): Promise<readonly Source[]> {
  return Promise.all(settings.sources.map((source) => makeSource(source, settings, parts)));
}

/**
 * What a source asks of its Redis at its start, beyond an answer; nothing is changed there. A line about it; undefined: nothing.
 * @throws LatchkeyError what is missing, and what to do
 */
export async function trySource(source: SourceSettings): Promise<string | undefined> {
  if (source.kind !== 'redis-keyspace') return undefined;
  return (await import('./redis-keyspace/trying-notices.ts')).tryNotices(source);
}

async function makeSource(
  settings: SourceSettings,
  { limits, log: logSettings }: Settings,
  { channels, formats, ...rest }: SourcesParts,
): Promise<Source> {
  const parts = { ...rest, random: Math.random };
  switch (settings.kind) {
    case 'redis-pubsub': {
      const { RedisPubsub } = await import('./redis-pubsub.ts');
      const format = formats.get(settings.name) as Format;
      const { PlainValues } = await import('./plain-values.ts');
      // The log `redis` keeps each value at its own key, for every Redis client.
      const isKept = settings.validate && logSettings.kind === 'redis';
      const kept = isKept ? new PlainValues(logSettings, `latchkey-validate-${settings.name}`) : undefined;
      return new RedisPubsub({ ...parts, settings, format, channels, kept });
    }
    case 'redis-stream': {
      const { RedisStream } = await import('./redis-stream.ts');
      return new RedisStream({ ...parts, settings, format: formats.get(settings.name) as Format });
    }
    case 'redis-keyspace': {
      const { RedisKeyspace } = await import('./redis-keyspace.ts');
      return new RedisKeyspace({ ...parts, settings, limits, isOfLog: isRedisOfLog(logSettings, settings) });
    }
  }
}
