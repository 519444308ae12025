/** A Redis with replicas, watched by three sentinels that move its name to a replica when it is down. */
import { setTimeout as sleep } from 'node:timers/promises';
import { startRedis } from './redis.ts';
import { type RedisOptions, RedisProcess } from './redis-process.ts';
import type { Scope } from './server-process.ts';

export interface SentinelOptions {
  /** Default 1. */
  readonly replicas?: number;
  /** Of the primary and each replica. */
  readonly redis?: RedisOptions;
  /** How long one may not answer before a sentinel calls it down; default 1,000. */
  readonly downAfterMs?: number;
}

export interface Sentinels {
  /** By which the sentinels know them. */
  readonly name: string;
  /** As it was at the start. */
  readonly primary: RedisProcess;
  readonly replicas: readonly RedisProcess[];
  readonly sentinels: readonly RedisProcess[];
  /** The one that the sentinels call primary now. */
  current(): Promise<RedisProcess>;
  /** Resolves when all sentinels call another one primary than `before`, and that one takes writes. */
  movedFrom(before: RedisProcess): Promise<RedisProcess>;
}

const NAME = 'latchkey';
const SENTINELS = 3;
const QUORUM = 2;
const FAILOVER_TIMEOUT_MS = 10_000;
/** Sentinels that were not run for two seconds decide nothing for thirty (TILT), and a split vote is repeated after twice the time above. */
const WAIT_MAX_MS = 90_000;
const POLL_MS = 50;

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const deadline = AbortSignal.timeout(WAIT_MAX_MS);
  while (!(await holds())) {
    if (deadline.aborted) throw new Error(`Not within ${WAIT_MAX_MS / 1000} s: ${what}`);
    await sleep(POLL_MS);
  }
}

/** The fields of a sentinel's answer, a map in RESP3 and a list of names and values in RESP2. */
async function fieldsOf(sentinel: RedisProcess): Promise<Readonly<Record<string, unknown>>> {
  const reply = await sentinel.command('SENTINEL', 'MASTER', NAME);
  if (!Array.isArray(reply)) return reply as Readonly<Record<string, unknown>>;
  return Object.fromEntries(reply.flatMap((name, at) => (at % 2 === 0 ? [[String(name), reply[at + 1]]] : [])));
}

function sentinel(scope: Scope, primary: RedisProcess, options: SentinelOptions): Promise<RedisProcess> {
  const config = [
    `sentinel monitor ${NAME} 127.0.0.1 ${primary.port} ${QUORUM}`,
    `sentinel down-after-milliseconds ${NAME} ${options.downAfterMs ?? 1000}`,
    `sentinel failover-timeout ${NAME} ${FAILOVER_TIMEOUT_MS}`,
    ...primary.login.map((line) => `sentinel ${line.replace(' ', ` ${NAME} `)}`),
  ];
  const { program } = options.redis ?? {};
  return RedisProcess.start({ isSentinel: true, config, ...(program === undefined ? {} : { program }) }, scope);
}

/** Resolves when the replicas hold what the primary does, and every sentinel knows all the others. */
export async function startSentinels(scope: Scope, options: SentinelOptions = {}): Promise<Sentinels> {
  const count = options.replicas ?? 1;
  const primary = await startRedis(scope, options.redis);
  const replicas = await Promise.all(
    Array.from({ length: count }, () => startRedis(scope, { ...options.redis, replicaOf: primary })),
  );
  for (const replica of replicas) {
    await until(`${replica.url} follows`, async () => (await replica.info('master_link_status')) === 'up');
  }
  const sentinels = await Promise.all(Array.from({ length: SENTINELS }, () => sentinel(scope, primary, options)));
  const nodes = [primary, ...replicas];
  const called = async (asked: RedisProcess): Promise<RedisProcess> => {
    const port = Number((await fieldsOf(asked)).port);
    const found = nodes.find((node) => node.port === port);
    if (found === undefined) throw new Error(`${asked.url} calls port ${port} primary, which is none of ours`);
    return found;
  };
  for (const asked of sentinels) {
    await until(`${asked.url} knows the others`, async () => {
      const fields = await fieldsOf(asked);
      return Number(fields['num-other-sentinels']) === SENTINELS - 1 && Number(fields['num-slaves']) === count;
    });
  }
  return {
    name: NAME,
    primary,
    replicas,
    sentinels,
    current: () => called(sentinels[0] as RedisProcess),
    async movedFrom(before) {
      await until(`another primary than ${before.url}`, async () => {
        const all = await Promise.all(sentinels.map(called));
        return all.every((each) => each === all[0] && each !== before);
      });
      const now = await called(sentinels[0] as RedisProcess);
      await until(`${now.url} takes writes`, async () => (await now.info('role')) === 'master');
      return now;
    },
  };
}
