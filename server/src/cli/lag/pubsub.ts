/** A pub/sub channel: of the writer's own where it writes to a Redis, or of a sink of Latchkey's. */
import { markerOf } from './marker.ts';
import { type PathAdapter, paced } from './path.ts';
import { asRedis, connectRedis, redisFailure } from './redis-connection.ts';

export const observePubsub: PathAdapter = async (place, options) => {
  const { channel, key, onTrouble } = options;
  const redis = asRedis(place);
  const reader = await connectRedis(redis, { onTrouble });
  const events = paced(options, async () => (await reader.get(key)) ?? undefined);
  const listener = await connectRedis(redis, { onTrouble }).catch((error: unknown) => {
    reader.destroy();
    throw error;
  });
  const close = async () => {
    events.close();
    listener.destroy();
    reader.destroy();
  };
  try {
    // A message that only says that something changed has its value read back.
    await listener.subscribe(channel, (text) => events.push(markerOf(text) === undefined ? undefined : text));
  } catch (error) {
    await close();
    throw redisFailure(place, error);
  }
  return { close };
};
