import { LatchkeyError, quote } from '@latchkey/client';
import type { RedisKeyspaceSettings } from '../../config/flow-settings.ts';
import { describePlace, replyCode } from '../../shared/redis/error.ts';
import { type Reply, textOfReply } from '../../shared/redis/reply.ts';
import { neededFlags } from './notification-flags.ts';

const SETTING = 'notify-keyspace-events';

/**
 * Whether a Redis tells of every change of a string or hash: `enough`; `set`, where it was made so by `setNotifications`; `unchecked`
 * where the user may not ask.
 * @throws LatchkeyError `unavailable` where it does not, with what to do
 */
export async function ensureNotifications(
  send: (args: readonly string[]) => Promise<Reply>,
  settings: RedisKeyspaceSettings,
): Promise<'enough' | 'set' | 'unchecked'> {
  const flags = await flagsOf(send);
  if (flags === undefined) return 'unchecked';
  const needed = neededFlags(flags);
  if (needed === undefined) return 'enough';
  if (!settings.setNotifications) throw notEnough(settings, flags, needed, 'or set setNotifications: true');
  try {
    await send(['CONFIG', 'SET', SETTING, needed]);
    return 'set';
  } catch (error) {
    if (!isRefused(error)) throw error;
    throw notEnough(settings, flags, needed, 'for this user may not, whatever setNotifications says');
  }
}

async function flagsOf(send: (args: readonly string[]) => Promise<Reply>): Promise<string | undefined> {
  try {
    const reply = await send(['CONFIG', 'GET', SETTING]);
    return Array.isArray(reply) ? textOfReply(reply[1]) : undefined;
  } catch (error) {
    if (isRefused(error)) return undefined;
    throw error;
  }
}

/** CONFIG may be forbidden, or renamed by who runs the server. */
function isRefused(error: unknown): boolean {
  return ['NOPERM', 'ERR'].includes(replyCode(error) ?? '');
}

function notEnough(settings: RedisKeyspaceSettings, flags: string, needed: string, otherwise: string): LatchkeyError {
  return new LatchkeyError(
    'unavailable',
    `${describePlace(settings)} does not tell of every write: ${SETTING} is ${quote(flags)} there. Run CONFIG SET ${SETTING} ${needed} on it and keep it in its redis.conf, ${otherwise}.`,
    { field: 'setNotifications' },
  );
}
