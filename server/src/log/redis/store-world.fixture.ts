/** A Redis, nodes around it and a look at all that it holds, for the tests of the store. */
import { setTimeout as sleep } from 'node:timers/promises';
import { LatchkeyError } from '@latchkey/client';
import { type RedisOptions, type RedisProcess, startRedis } from '../../../../test/support/redis.ts';
import type { Scope } from '../../../../test/support/server-process.ts';
import { RedisConnection } from '../../shared/redis/connection.ts';
import { listOfReply, type Reply } from '../../shared/redis/reply.ts';
import { openRedisStore, type RedisStoreOptions } from './store.ts';
import { Writer } from './writer.fixture.ts';

export const UP_MS = 10_000;

export interface StoreWorld {
  readonly redis: RedisProcess;
  /** A node of its own, connected. `url`: absent, that of the Redis. */
  open(options?: Partial<RedisStoreOptions> & { readonly url?: string }): Promise<Writer>;
  /** Of every key its bytes and whether it expires, so that two are equal where nothing was written in between. */
  everything(): Promise<ReadonlyMap<string, string>>;
}

export const placeOf = (url: string, caFile = '') => ({ url, sentinels: [], sentinelName: '', caFile });

export async function storeWorld(scope: Scope, options: RedisOptions = {}): Promise<StoreWorld> {
  const redis = await startRedis(scope, options);
  const admin = redis.needsLogin ? 'test-admin:test-admin@' : '';
  return {
    redis,
    async open({ url = redis.url, ...rest } = {}) {
      const store = openRedisStore({ place: placeOf(url), name: 'main', ...rest });
      scope.after(() => store.close());
      await store.up(UP_MS);
      return new Writer(store);
    },
    async everything() {
      const place = placeOf(`redis://${admin}127.0.0.1:${redis.port}`);
      const probe = new RedisConnection({ place, name: 'probe', isBinary: true });
      try {
        await probe.up(UP_MS);
        const keys = listOfReply(await probe.send(['KEYS', '*'])) as readonly Buffer[];
        const found = keys.map(async (key): Promise<[string, string]> => {
          const [dump, ttl] = await Promise.all([probe.send(['DUMP', key]), probe.send(['PTTL', key])]);
          return [key.toString(), `${hex(dump)} ${Number(ttl) >= 0 ? 'expires' : 'stays'}`];
        });
        return new Map((await Promise.all(found)).sort(([one], [other]) => (one < other ? -1 : 1)));
      } finally {
        probe.close();
      }
    },
  };
}

function hex(reply: Reply): string {
  return Buffer.isBuffer(reply) ? reply.toString('hex') : '';
}

/** Asks again until it holds. */
export async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const deadline = AbortSignal.timeout(UP_MS);
  while (!(await holds())) {
    if (deadline.aborted) throw new Error(`Not within ${UP_MS} ms: ${what}`);
    await sleep(5);
  }
}

/** Asked until it is answered, for as long as the Redis can't be reached. */
export async function persistently<Result>(ask: () => Promise<Result>): Promise<Result> {
  const deadline = AbortSignal.timeout(UP_MS);
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof LatchkeyError && error.code === 'not-ready') || deadline.aborted) throw error;
      await sleep(5);
    }
  }
}
