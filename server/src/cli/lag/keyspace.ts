/** Keyspace events of a Redis, as the programs of keyDB-POC listen: the event names the key, its value is read back. */
import { LatchkeyError, quote } from '@latchkey/client';
import { type Open, type PathAdapter, paced } from './path.ts';
import { type Place, shownPlace } from './plan.ts';
import { asRedis, connectRedis, databaseOf, type RedisConnection, redisFailure } from './redis-connection.ts';

/** Checks that the Redis sends such events. */
export const observeKeyspace: PathAdapter = async (place, options) => {
  const restore = await ensureNotifications(place, options.setsNotifications);
  try {
    const open = await observeEvents(place, options, 3);
    return {
      async close() {
        await open.close();
        await restore();
      },
    };
  } catch (error) {
    await restore();
    throw error;
  }
};

/** The Redis port of a Latchkey server, which always sends them; RESP2, as the oldest clients speak it. */
export const observeResp: PathAdapter = (place, options) => observeEvents(place, options, 2);

async function observeEvents(place: Place, options: Parameters<PathAdapter>[1], resp: 2 | 3): Promise<Open> {
  const redis = asRedis(place);
  const { key, onTrouble } = options;
  const reader = await connectRedis(redis, { resp, onTrouble });
  const listener = await connectRedis(redis, { resp, onTrouble }).catch((error: unknown) => {
    reader.destroy();
    throw error;
  });
  const events = paced(options, async () => (await reader.get(key)) ?? undefined);
  const close = async () => {
    events.close();
    listener.destroy();
    reader.destroy();
  };
  try {
    await listener.subscribe(`__keyevent@${databaseOf(redis)}__:set`, (name) => {
      if (name === key) events.push();
    });
  } catch (error) {
    await close();
    throw redisFailure(place, error);
  }
  return { close };
}

/** The class `set` events belong to, and the form in which they are sent. */
const hasSetEvents = (flags: string) => flags.includes('E') && /[A$]/.test(flags);

/**
 * Puts what was there before back when it is called.
 * @throws LatchkeyError `config-invalid` where the Redis sends no such events and may not be changed
 */
async function ensureNotifications(place: Place, sets: boolean): Promise<() => Promise<void>> {
  const redis = asRedis(place);
  const client = await connectRedis(redis);
  try {
    const before = await notifications(client);
    // Where CONFIG is forbidden, the first write tells.
    if (before === undefined || hasSetEvents(before)) return async () => {};
    if (!sets) {
      throw new LatchkeyError(
        'config-invalid',
        `${shownPlace(place)} sends no keyspace events of writes (notify-keyspace-events is ${quote(before)}). Run ` +
          '`CONFIG SET notify-keyspace-events KEA` there, or give --set-notifications, which sets it for this run and puts it back.',
      );
    }
    await client.configSet('notify-keyspace-events', `${before}E$`);
    return async () => {
      const again = await connectRedis(redis);
      await again.configSet('notify-keyspace-events', before).finally(() => again.destroy());
    };
  } catch (error) {
    throw redisFailure(place, error);
  } finally {
    client.destroy();
  }
}

async function notifications(client: RedisConnection): Promise<string | undefined> {
  try {
    return (await client.configGet('notify-keyspace-events'))['notify-keyspace-events'];
  } catch {
    return undefined;
  }
}
