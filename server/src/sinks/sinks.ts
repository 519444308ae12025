import type { Settings } from '../config/settings.ts';
import type { Log } from '../log/log.ts';
import type { Clock } from '../shared/clock.ts';
import type { Logger } from '../shared/logger.ts';
import { makeRedisSink } from './redis.ts';
import type { Sink } from './sink.ts';

export interface SinkParts {
  readonly log: Log;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The sinks that the settings name, each yet to be started. @throws LatchkeyError `config-invalid` */
export function sinksOf(
  { log: { name: logName }, sinks }: Settings,
  { clock, log, logger }: SinkParts,
): readonly Sink[] {
  return sinks.map((settings) => makeRedisSink({ settings, logName, log, clock, logger, random: Math.random }));
}
