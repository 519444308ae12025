/** A Redis stream, read from where it ends now. */
import { type PathAdapter, paced } from './path.ts';
import { asRedis, connectRedis, type RedisConnection, redisFailure } from './redis-connection.ts';

const BLOCK_MS = 1000;
const READ_MAX = 1000;
const AGAIN_MS = 200;

type StreamEntry = readonly [id: string, fields: readonly string[]];

export const observeStream: PathAdapter = async (place, options) => {
  const { onTrouble, stream } = options;
  // RESP2 answers the same lists on every version.
  const client = await connectRedis(asRedis(place), { resp: 2, onTrouble });
  const events = paced(options, async () => undefined);
  let isOpen = true;
  let last: string;
  try {
    const newest = await client.sendCommand<readonly StreamEntry[]>(['XREVRANGE', stream, '+', '-', 'COUNT', '1']);
    last = newest[0]?.[0] ?? '0-0';
  } catch (error) {
    client.destroy();
    throw redisFailure(place, error);
  }
  const follow = async () => {
    while (isOpen) {
      try {
        for (const [id, fields] of await next(client, stream, last)) {
          last = id;
          events.push(fields[1] ?? '');
        }
      } catch (error) {
        if (!isOpen) return;
        onTrouble(error);
        await new Promise((done) => setTimeout(done, AGAIN_MS));
      }
    }
  };
  void follow();
  return {
    async close() {
      isOpen = false;
      events.close();
      client.destroy();
    },
  };
};

async function next(client: RedisConnection, stream: string, last: string): Promise<readonly StreamEntry[]> {
  const limits = ['COUNT', String(READ_MAX), 'BLOCK', String(BLOCK_MS)];
  const answer = await client.sendCommand<readonly [readonly [string, readonly StreamEntry[]]] | null>([
    ...['XREAD', ...limits, 'STREAMS', stream, last],
  ]);
  return answer?.[0][1] ?? [];
}
