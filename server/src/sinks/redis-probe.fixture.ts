import { createClient } from '@redis/client';
import type { SinkChoice, SinkProbe } from '../../../test/conformance/sink.suite.ts';
import { type RedisProcess, startRedis } from '../../../test/support/redis.ts';
import { Waiting } from '../../../test/support/waiting.ts';
import type { RedisSinkSettings } from '../config/flow-settings.ts';
import { silentLogger } from '../shared/logger.ts';
import { makeRedisSink } from './redis.ts';
import type { Sink } from './sink.ts';

export interface Message {
  readonly channel: string;
  readonly payload: string;
}

export interface RedisSinkProbe extends SinkProbe {
  readonly redis: RedisProcess;
  readonly messages: readonly Message[];
  makeSink(choice: SinkChoice, settings?: Partial<RedisSinkSettings>): Sink;
}

const WAIT_MS = 20_000;
const LOOK_MS = 5;

/** A Redis of its own, a sink that publishes there, and a witness that hears everything. */
export async function makeRedisProbe(): Promise<RedisSinkProbe> {
  const ends: (() => unknown)[] = [];
  const redis = await startRedis({ after: (done) => void ends.push(done) });
  const messages: Message[] = [];
  const seen: string[] = [];
  const waiting = new Waiting(
    WAIT_MS,
    () => JSON.stringify(messages.slice(-10)),
    () => undefined,
  );
  let witness: ReturnType<typeof createClient>;
  const listen = async () => {
    witness = createClient({ url: redis.url, socket: { reconnectStrategy: false } }) as typeof witness;
    witness.on('error', () => undefined);
    await witness.connect();
    await witness.pSubscribe('*', (payload, channel) => {
      messages.push({ channel, payload });
      seen.push(lineOf(payload));
      waiting.wake();
    });
  };
  await listen();
  return {
    redis,
    messages,
    seen,
    makeSink({ keys = [], patterns = [], prefixes = [], ...choice }, settings = {}) {
      const place = { url: redis.url, sentinels: [], sentinelName: 'mymaster', caFile: '' };
      const own = { ...place, name: 'notify', kind: 'redis', keys, prefixes, patterns } as const;
      return makeRedisSink({
        settings: { ...own, channel: '{key}', payload: 'change', indexSet: null, ...settings },
        logName: 'main',
        logger: silentLogger,
        random: Math.random,
        ...choice,
      });
    },
    async until(what, holds) {
      const timer = setInterval(() => waiting.wake(), LOOK_MS);
      await waiting.until(what, holds).finally(() => clearInterval(timer));
    },
    async cut() {
      await redis.kill9();
    },
    async restore() {
      await redis.restart({ withData: true });
      await listen();
    },
    freeze: () => redis.pause(),
    thaw: () => redis.resume(),
    async close() {
      witness.destroy();
      for (const end of ends) await end();
    },
  };
}

function lineOf(payload: string): string {
  try {
    const { key, op, value } = JSON.parse(payload) as { op: string; key: string; value: unknown };
    return op === 'remove' ? key : `${key}=${value}`;
  } catch {
    return payload;
  }
}
