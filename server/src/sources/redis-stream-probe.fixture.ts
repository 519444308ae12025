import { PAIRS, type SourceProbe } from '../../../test/conformance/source.suite.ts';
import { type RedisOptions, type RedisProcess, startRedis } from '../../../test/support/redis.ts';
import type { RedisStreamSettings } from '../config/flow-settings.ts';
import type { Log } from '../log/log.ts';
import { systemClock } from '../shared/clock.ts';
import { type Logger, silentLogger } from '../shared/logger.ts';
import { RedisStream } from './redis-stream.ts';
import type { MessageSourceParts } from './source.ts';

export interface StreamProbe extends SourceProbe {
  readonly redis: RedisProcess;
  /** What the sources told. */
  readonly told: readonly string[];
  makeSource(
    log: Log,
    leaseTtlMs?: number,
    settings?: Partial<RedisStreamSettings>,
    parts?: Partial<MessageSourceParts<RedisStreamSettings>>,
  ): RedisStream;
}

/** A Redis of its own, whose stream `s` holds a message in the field `m` of each entry. */
export async function makeStreamProbe(options: RedisOptions = {}): Promise<StreamProbe> {
  const ends: (() => unknown)[] = [];
  const redis = await startRedis({ after: (done) => void ends.push(done) }, { appendonly: true, ...options });
  const told: string[] = [];
  const tell = (_fields: unknown, message: string) => void told.push(message);
  const logger: Logger = { ...silentLogger, info: tell, warn: tell, error: tell };
  return {
    redis,
    told,
    poison: { message: 'no pair', coordinate: 'id' },
    makeSource(log, leaseTtlMs, settings = {}, parts = {}) {
      const place = { url: redis.url, sentinels: [], sentinelName: 'mymaster', caFile: '' };
      const taking = { format: { kind: 'command' }, late: 'refuse', recordEqual: false, keyPrefix: '' } as const;
      const own = { name: 'orders', kind: 'redis-stream', streams: ['s'], group: 'latchkey', field: 'm' } as const;
      return new RedisStream({
        settings: { ...place, ...taking, ...own, ...settings },
        ...{ log, logger, format: PAIRS, clock: systemClock, random: Math.random },
        reportFault: () => undefined,
        ...(leaseTtlMs === undefined ? {} : { leaseTtlMs }),
        ...parts,
      });
    },
    async send(...messages) {
      for (const message of messages) await redis.command('XADD', 's', '*', 'm', message);
    },
    async cut() {
      await redis.kill9();
    },
    async restore() {
      await redis.restart({ withData: true });
    },
    async close() {
      redis.resume();
      for (const end of ends) await end();
    },
  };
}
