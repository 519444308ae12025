import { requireRedis, startRedis } from '../test/support/redis.ts';
import { cpuMicrosOf, runToEnd } from '../test/support/server-process.ts';
import type { Effort, Figure } from './figures.ts';
import { latchkeyWith, withServer } from './servers.ts';

const CONNECTIONS = 20;
const KEYS = 1000;
const VALUE_BYTES = 200;
const TIMEOUT_MS = 120_000;

interface Load {
  readonly command: 'get' | 'set';
  readonly pipeline: number;
  /** About what either of the two answers at most, so that a run is as long as it is meant to be. */
  readonly perSecond: { readonly latchkey: number; readonly redis: number };
  readonly goal?: { readonly shareOfFloor: number };
}

const LOADS: readonly Load[] = [
  { command: 'get', pipeline: 1, perSecond: { latchkey: 100_000, redis: 100_000 }, goal: { shareOfFloor: 0.5 } },
  { command: 'get', pipeline: 16, perSecond: { latchkey: 700_000, redis: 1_000_000 }, goal: { shareOfFloor: 0.3 } },
  { command: 'set', pipeline: 16, perSecond: { latchkey: 70_000, redis: 100_000 } },
];

interface Cost {
  readonly perSecond: number;
  readonly cpu: number;
}

interface Target {
  readonly port: number;
  readonly pid: number;
  readonly kind: 'latchkey' | 'redis';
}

/** What `redis-benchmark` counts, of requests for keys out of a thousand. It comes with the redis-server that is the floor. */
async function measure({ kind, pid, port }: Target, load: Load, seconds: number): Promise<Cost> {
  const requests = Math.round(load.perSecond[kind] * seconds);
  const cpuBefore = cpuMicrosOf(pid);
  const place = ['-h', '127.0.0.1', '-p', String(port), '-c', String(CONNECTIONS), '-P', String(load.pipeline)];
  const what = ['-t', load.command, '-r', String(KEYS), '-d', String(VALUE_BYTES), '-n', String(requests), '--csv'];
  const { code, stderr, stdout } = await runToEnd(['redis-benchmark', ...place, ...what], { timeoutMs: TIMEOUT_MS });
  const perSecond = Number(/^"(?:GET|SET)","([0-9.]+)"/m.exec(stdout)?.[1]);
  if (code !== 0 || !(perSecond > 0))
    throw new Error(
      `redis-benchmark ended with ${code} and printed ${JSON.stringify(stdout + stderr)}; Debian has it in redis-tools.`,
    );
  return { perSecond, cpu: (cpuMicrosOf(pid) - cpuBefore) / requests };
}

async function withRedis<T>(use: (redis: Target) => Promise<T>): Promise<T> {
  requireRedis();
  const ends: (() => unknown)[] = [];
  try {
    // It answers a write when that is flushed, as Latchkey does.
    const redis = await startRedis(
      { after: (end) => ends.push(end) },
      { appendonly: true, config: ['appendfsync always'] },
    );
    return await use({ port: redis.port, pid: redis.pid, kind: 'redis' });
  } finally {
    for (const end of ends) await end();
  }
}

/** `redis-benchmark` against the Redis gateway and against a redis-server, in turns. */
export async function resp({ seconds }: Effort): Promise<readonly Figure[]> {
  return withServer(latchkeyWith({ args: ['--resp', '127.0.0.1:0'] }), (server) =>
    withRedis(async (redis) => {
      const told = server.records.find(({ message }) => String(message).startsWith('resp: listening'));
      const latchkey: Target = { port: Number(told?.port), pid: server.pid, kind: 'latchkey' };
      const set = LOADS.find(({ command }) => command === 'set') as Load;
      for (const target of [latchkey, redis]) await measure(target, set, seconds / 5);
      const figures: Figure[] = [];
      for (const load of LOADS) {
        const own = await measure(latchkey, load, seconds / 2);
        const floor = await measure(redis, load, seconds / 2);
        figures.push(...figuresOf(load, own, floor));
      }
      return figures;
    }),
  );
}

function figuresOf({ command, goal, pipeline }: Load, latchkey: Cost, floor: Cost): readonly Figure[] {
  const common = {
    name: `redis-benchmark -t ${command} -c ${CONNECTIONS} -P ${pipeline}`,
    floorIs: 'redis-server, appendfsync always',
  };
  return [
    {
      ...common,
      unit: 'requests/s',
      isLowerBetter: false,
      latchkey: latchkey.perSecond,
      floor: floor.perSecond,
      ...(goal === undefined ? {} : { goal }),
    },
    { ...common, unit: 'µs CPU/request', isLowerBetter: true, latchkey: latchkey.cpu, floor: floor.cpu },
  ];
}
