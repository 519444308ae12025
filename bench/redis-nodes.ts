import type { ServerProcess } from '../test/support/server-process.ts';
import { type Effort, type Figure, percentile } from './figures.ts';
import { makeFolder, removeFolder } from './folders.ts';
import { openLoop } from './load.ts';
import { NumberedPuts } from './numbered-puts.ts';
import { startNode, withRedis } from './redis-servers.ts';

const NODES = 3;
/** On every node; the first is what two cores have room for. */
const LIGHT_PER_SECOND = 1500;
const PER_SECOND = 5000;
/** One PUT each would measure how many requests two cores can carry. */
const PUTS_PER_REQUEST = 10;

/** A few puts a request, at a fixed rate on every node; how long each was on its way, in milliseconds. */
async function writeOn(server: ServerProcess, node: number, rate: number, seconds: number): Promise<readonly number[]> {
  const took: number[] = [];
  const puts = new NumberedPuts(`${node}.`, PUTS_PER_REQUEST);
  await openLoop(server.port, rate / PUTS_PER_REQUEST, seconds, puts.request, (ms) => took.push(ms));
  return took;
}

/** Three nodes around one Redis, all writing at once: from the moment before a request is sent to its answer. */
export async function redisNodes({ seconds }: Effort): Promise<readonly Figure[]> {
  const [light, full] = await withRedis(async (redis) => {
    const folders = Array.from({ length: NODES }, () => makeFolder('data'));
    const servers = await Promise.all(folders.map((folder) => startNode(redis)(folder)));
    try {
      const write = async (rate: number, length: number) =>
        (await Promise.all(servers.map((server, node) => writeOn(server, node, rate, length)))).flat();
      await write(PER_SECOND, seconds / 3);
      return [await write(LIGHT_PER_SECOND, seconds), await write(PER_SECOND, seconds)] as const;
    } finally {
      await Promise.all(servers.map((server) => server.dispose()));
      for (const folder of folders) removeFolder(folder);
    }
  });
  return [...figuresOf(LIGHT_PER_SECOND, light), ...figuresOf(PER_SECOND, full, 2, 15)];
}

function figuresOf(rate: number, took: readonly number[], p50Goal?: number, p99Goal?: number): readonly Figure[] {
  const name = `${NODES} nodes around one Redis, ${rate} puts/s each`;
  const common = { name, isLowerBetter: true, floorIs: 'none: the bare script alone takes 0.6 ms' };
  return [
    { ...common, unit: 'ms p50', latchkey: percentile(took, 0.5), goal: p50Goal },
    { ...common, unit: 'ms p99', latchkey: percentile(took, 0.99), goal: p99Goal },
  ];
}
