/** RESP3 client tracking in broadcasting mode: Redis names keys that changed to whoever follows their prefix. */
import { type PathAdapter, paced } from './path.ts';
import { asRedis, connectRedis, redisFailure } from './redis-connection.ts';

export const observeTracking: PathAdapter = async (place, options) => {
  const { key, onTrouble } = options;
  const stop = await trackPrefix(place, key, onTrouble, (read) => {
    const events = paced(options, () => read(key));
    return { push: (name) => name === key && events.push(), close: events.close.bind(events) };
  });
  return { close: stop };
};

/** Tells every key that begins with the prefix when it changes, until the function that it gives is called. */
export async function trackPrefix(
  place: Parameters<PathAdapter>[0],
  prefix: string,
  onTrouble: (error: unknown) => void,
  listen: (read: (key: string) => Promise<string | undefined>) => { push(key: string): unknown; close(): void },
): Promise<() => Promise<void>> {
  const client = await connectRedis(asRedis(place), { hasPushes: true, onTrouble });
  const heard = listen(async (key) => (await client.get(key)) ?? undefined);
  client.on('invalidate', (key: unknown) => {
    if (key !== null) heard.push(String(key));
  });
  const track = async () => {
    // The client has turned on another mode when it connected.
    await client.sendCommand(['CLIENT', 'TRACKING', 'OFF']);
    await client.sendCommand(['CLIENT', 'TRACKING', 'ON', 'BCAST', 'PREFIX', prefix]);
  };
  const close = async () => {
    heard.close();
    client.destroy();
  };
  try {
    await track();
  } catch (error) {
    await close();
    throw redisFailure(place, error);
  }
  client.on('ready', () => void track().catch(onTrouble));
  return close;
}
