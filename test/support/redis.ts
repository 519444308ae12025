/** Redis for tests. Importing this module is how a test file says that it needs it (scripts/service/redis.ts). */
import { type RedisOptions, RedisProcess } from './redis-process.ts';
import type { Scope } from './server-process.ts';

export { type RedisProgram, redisPrograms, requireRedis } from '../../scripts/service/redis.ts';
export type { RedisOptions, RedisProcess } from './redis-process.ts';

/** A Redis of the test's own, which answers. */
export function startRedis(scope: Scope, options: RedisOptions = {}): Promise<RedisProcess> {
  return RedisProcess.start(options, scope);
}
