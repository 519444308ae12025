import { LatchkeyError } from '@latchkey/client';
import type { RedisPlace } from '../config/redis-settings.ts';
import { clientFor, type RawClient } from '../shared/redis/endpoint.ts';
import { describePlace, redisError } from '../shared/redis/error.ts';

/** Connects to the Redis that a setting names and asks it something. A line that says so, or what is to be mended; `path` is the setting. */
export async function tryRedis(path: string, place: RedisPlace): Promise<string | LatchkeyError> {
  let client: RawClient | undefined;
  try {
    client = await clientFor(place, { name: 'latchkey-check', isBinary: false, resp: 2 });
    client.on('error', () => undefined);
    await client.connect();
    await client.sendCommand(['PING']);
    return `${path}: ${describePlace(place)} answers`;
  } catch (error) {
    const { code, message } = redisError(error, place, 'connecting');
    return new LatchkeyError(code, `${path}: ${message.replace(/; it is (?:tried|asked) again by itself/, '')}`, {
      field: path,
    });
  } finally {
    if (client !== undefined) closeQuietly(client);
  }
}

function closeQuietly(client: RawClient): void {
  try {
    client.destroy();
  } catch {
    // It never was open.
  }
}
