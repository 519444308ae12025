import type { RedisKeyspaceSettings } from '../../config/flow-settings.ts';
import { clientFor, type RawClient } from '../../shared/redis/endpoint.ts';
import { redisError } from '../../shared/redis/error.ts';
import { isTrackingRefused } from './notices.ts';
import { databaseOf, eventPattern } from './notification-flags.ts';
import { lookAtNotifications, unseenNotifications } from './notification-setting.ts';

/**
 * Whether a Redis would tell the source of changes: connects as the source does, and sets nothing there. A line about it.
 * @throws LatchkeyError what is missing, and what to do
 */
export async function tryNotices(settings: RedisKeyspaceSettings): Promise<string> {
  try {
    if (settings.mode !== 'keyevents' && (await tracks(settings))) return 'CLIENT TRACKING tells of every write';
    return await connected(settings, 2, async (client) => {
      const found = await lookAtNotifications((args) => client.sendCommand(args), settings);
      await client.pSubscribe(eventPattern(databaseOf(settings.url)), () => undefined, true);
      if (found.kind === 'unchecked') return unseenNotifications(settings);
      if (found.kind === 'enough') return 'keyspace events tell of every write';
      if (settings.setNotifications) return `${found.says}; the source sets it to ${found.needed} (setNotifications)`;
      throw found.refusal('or set setNotifications: true');
    });
  } catch (error) {
    throw redisError(error, settings, 'asking to be told of changes');
  }
}

/** False where it is refused and keyspace events will do. */
async function tracks(settings: RedisKeyspaceSettings): Promise<boolean> {
  try {
    await connected(settings, 3, (client) => client.sendCommand(['CLIENT', 'TRACKING', 'ON', 'BCAST']));
    return true;
  } catch (error) {
    if (settings.mode === 'tracking' || !isTrackingRefused(error)) throw error;
    return false;
  }
}

async function connected<Result>(
  settings: RedisKeyspaceSettings,
  resp: 2 | 3,
  work: (client: RawClient) => Promise<Result>,
): Promise<Result> {
  const client = await clientFor(settings, { name: 'latchkey-check', isBinary: false, resp });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return await work(client);
  } finally {
    if (client.isReady) client.destroy();
  }
}
