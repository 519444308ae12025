import type { RedisSinkSettings } from '../config/flow-settings.ts';
import type { Log } from '../log/log.ts';
import type { Clock } from '../shared/clock.ts';
import { compileKeyFilter } from '../shared/key-filter.ts';
import type { Logger } from '../shared/logger.ts';
import { Delivery, type DeliverySetup } from './delivery.ts';
import { ConnectedCalls } from './redis-calls.ts';
import { RedisTarget } from './redis-target.ts';
import type { Sink } from './sink.ts';

export interface RedisSinkSetup extends Pick<DeliverySetup, 'leaseTtlMs' | 'keepMs'> {
  readonly settings: RedisSinkSettings;
  /** The setting `log.name`. */
  readonly logName: string;
  readonly log: Log;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: () => number;
}

/** The sink `redis`: publishes each change on a Redis, and keeps a set of what there is. @throws LatchkeyError `config-invalid` */
export function makeRedisSink({ logName, settings, ...rest }: RedisSinkSetup): Sink {
  const redis = new ConnectedCalls(settings, `latchkey-sink-${settings.name}`);
  const target = new RedisTarget({ settings, logName, view: rest.log.view, redis });
  return new Delivery({ ...rest, name: settings.name, kind: 'redis', takes: compileKeyFilter(settings), target });
}
