import type { Effort, Figure } from './figures.ts';
import { fill } from './load.ts';
import { startNode, withRedis } from './redis-servers.ts';
import { withServer } from './servers.ts';

const KEYS = 1_000_000;
const LOOK_MS = 20;

/** How long `GET` of another client takes at the worst but 1 % while it is filled, in milliseconds. */
function looking(ask: () => Promise<unknown>): { readonly end: () => Promise<number> } {
  const took: number[] = [];
  let isEnding = false;
  const asking = (async () => {
    while (!isEnding) {
      const started = performance.now();
      await ask();
      took.push(performance.now() - started);
      await new Promise((done) => setTimeout(done, LOOK_MS));
    }
  })();
  return {
    end: async () => {
      isEnding = true;
      await asking;
      took.sort((one, other) => one - other);
      return took[Math.floor(took.length * 0.99)] ?? Number.NaN;
    },
  };
}

/** A new node beside one that has a million keys, from its start until it is ready, the stream being long trimmed. */
export async function redisFill({ isQuick }: Effort): Promise<readonly Figure[]> {
  const keys = isQuick ? KEYS / 20 : KEYS;
  const { p99, seconds } = await withRedis((redis) =>
    withServer(startNode(redis), async (server) => {
      await fill(server.port, { keys, changes: keys });
      await redis.command('XTRIM', 'latchkey:main:changes', 'MAXLEN', '1');
      const others = looking(() => redis.command('GET', 'bench.7'));
      const started = performance.now();
      const took = await withServer(startNode(redis), async () => (performance.now() - started) / 1000);
      return { seconds: took, p99: await others.end() };
    }),
  );
  const common = { name: `a new node fills its view with ${keys} keys from the Redis`, isLowerBetter: true };
  return [
    { ...common, unit: 's', latchkey: seconds, floorIs: 'none', goal: 20 },
    { ...common, unit: 'ms p99 of GET meanwhile', latchkey: p99, floorIs: 'none', goal: 3 },
  ];
}
