import type { RedisProcess } from '../test/support/redis.ts';
import { runToEnd } from '../test/support/server-process.ts';
import type { Effort, Figure } from './figures.ts';
import { measureIngest, type Rate } from './ingest.ts';
import { startNode, withRedis } from './redis-servers.ts';
import { appendFloorCommand, withServer } from './servers.ts';

const BATCH = 1000;
/** As the log: one is carried out while the next is decided. */
const DEPTH = 1;

async function floorOf(redis: RedisProcess, { seconds }: Effort): Promise<Rate> {
  const command = [...appendFloorCommand, redis.url, String(seconds), String(BATCH), String(DEPTH)];
  const finished = await runToEnd(command, { timeoutMs: 120_000 });
  if (finished.code !== 0) throw new Error(`The floor of redis-ingest failed: ${finished.stderr}`);
  const result = JSON.parse(finished.stdout) as { count: number; seconds: number; cpuMicros: number };
  return { perSecond: result.count / result.seconds, cpu: result.cpuMicros / result.count };
}

/** As `ingest`, into the log `redis` on a Redis beside it. */
export async function redisIngest(effort: Effort): Promise<readonly Figure[]> {
  const { floor, latchkey } = await withRedis(async (redis) => ({
    latchkey: await withServer(startNode(redis), (server) => measureIngest(server, effort)),
    floor: await floorOf(redis, effort),
  }));
  const common = { name: 'NDJSON → log redis → view', floorIs: 'the append script alone, 1,000 changes a call' };
  return [
    {
      ...common,
      unit: 'changes/s',
      isLowerBetter: false,
      latchkey: latchkey.perSecond,
      floor: floor.perSecond,
      goal: 110_000,
    },
    { ...common, unit: 'µs CPU/change', isLowerBetter: true, latchkey: latchkey.cpu, floor: floor.cpu, goal: 9 },
  ];
}
