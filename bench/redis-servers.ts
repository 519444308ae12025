import { type RedisProcess, startRedis } from '../test/support/redis.ts';
import { latchkeyWith, type StartServer } from './servers.ts';

/** Runs with a Redis of its own, without persistence: what is measured is not its disk. */
export async function withRedis<T>(use: (redis: RedisProcess) => Promise<T>): Promise<T> {
  const ends: (() => unknown)[] = [];
  try {
    return await use(await startRedis({ after: (end) => ends.push(end) }));
  } finally {
    for (const end of ends) await end();
  }
}

export const startNode = (redis: RedisProcess): StartServer =>
  latchkeyWith({ args: ['--log', 'redis'], env: { LATCHKEY_LOG_URL: redis.url } });
