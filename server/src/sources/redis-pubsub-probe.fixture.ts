import { createClient } from '@redis/client';
import { PAIRS, type SourceProbe } from '../../../test/conformance/source.suite.ts';
import { type RedisProcess, startRedis } from '../../../test/support/redis.ts';
import type { RedisPubsubSettings } from '../config/flow-settings.ts';
import type { Log } from '../log/log.ts';
import { Channels } from '../shared/channels.ts';
import { systemClock } from '../shared/clock.ts';
import { type Logger, silentLogger } from '../shared/logger.ts';
import { RedisPubsub, type RedisPubsubParts } from './redis-pubsub.ts';

export interface PubsubProbe extends SourceProbe {
  readonly redis: RedisProcess;
  /** Every line that the sources wrote: the level and the message. */
  readonly lines: string[];
  makeSource(
    log: Log,
    leaseTtlMs?: number,
    settings?: Partial<RedisPubsubSettings>,
    parts?: Partial<RedisPubsubParts>,
  ): RedisPubsub;
  publish(channel: string, message: string): Promise<number>;
}

/** A Redis of its own, and somebody who publishes there. */
export async function makePubsubProbe(): Promise<PubsubProbe> {
  const ends: (() => unknown)[] = [];
  const redis = await startRedis({ after: (done) => void ends.push(done) });
  const lines: string[] = [];
  const faults: unknown[] = [];
  const tell = (level: string) => (_: unknown, message: string) => void lines.push(`${level} ${message}`);
  const logger: Logger = { ...silentLogger, info: tell('INFO'), warn: tell('WARN'), error: tell('ERROR') };
  const publisherOf = async () => {
    const client = createClient({ url: redis.url, socket: { reconnectStrategy: false } });
    client.on('error', () => undefined);
    await client.connect();
    return client;
  };
  let publisher = await publisherOf();
  return {
    redis,
    lines,
    poison: { message: 'no pair', coordinate: 'channel' },
    isForgetful: true,
    makeSource(log, leaseTtlMs, settings = {}, parts = {}) {
      const place = { url: redis.url, sentinels: [], sentinelName: 'mymaster', caFile: '' };
      const taking = { format: { kind: 'command' }, late: 'refuse', recordEqual: false, keyPrefix: '' } as const;
      const own = { name: 's', kind: 'redis-pubsub', channels: ['update'], patterns: [], validate: false } as const;
      return new RedisPubsub({
        settings: { ...place, ...taking, ...own, ...settings },
        format: PAIRS,
        log,
        clock: systemClock,
        logger,
        reportFault: (_, error) => void faults.push(error),
        random: Math.random,
        channels: new Channels({ reportFault: (_, error) => void faults.push(error) }),
        heartbeatMs: 50,
        // As of a log that several nodes share, which they do here.
        yieldMs: (leaseTtlMs ?? 10_000) / 2,
        ...(leaseTtlMs === undefined ? {} : { leaseTtlMs }),
        ...parts,
      });
    },
    async send(...messages) {
      for (const message of messages) await publisher.publish('update', message);
    },
    publish: (channel, message) => publisher.publish(channel, message),
    async cut() {
      await redis.kill9();
    },
    async restore() {
      await redis.restart({ withData: true });
      publisher = await publisherOf();
    },
    async close() {
      publisher.destroy();
      for (const end of ends) await end();
      if (faults.length > 0) throw new AggregateError(faults, 'faults were reported');
    },
  };
}
