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
  const found = await lookAtNotifications(send, settings);
  if (found.kind !== 'lacking') return found.kind;
  if (!settings.setNotifications) throw found.refusal('or set setNotifications: true');
  try {
    await send(['CONFIG', 'SET', SETTING, found.needed]);
    return 'set';
  } catch (error) {
    if (!isRefused(error)) throw error;
    throw found.refusal('for this user may not, whatever setNotifications says');
  }
}

export type FoundNotifications =
  | { readonly kind: 'enough' }
  | { readonly kind: 'unchecked' }
  | {
      readonly kind: 'lacking';
      /** What it has to be. */
      readonly needed: string;
      readonly says: string;
      /** `otherwise`: what else can be done than to set it there. */
      readonly refusal: (otherwise: string) => LatchkeyError;
    };

/** What there is of the setting, which is left as it is. */
export async function lookAtNotifications(
  send: (args: readonly string[]) => Promise<Reply>,
  settings: RedisKeyspaceSettings,
): Promise<FoundNotifications> {
  const flags = await flagsOf(send);
  if (flags === undefined) return { kind: 'unchecked' };
  const needed = neededFlags(flags);
  if (needed === undefined) return { kind: 'enough' };
  const says = `${describePlace(settings)} does not tell of every write: ${SETTING} is ${quote(flags)} there`;
  const refusal = (otherwise: string) =>
    new LatchkeyError(
      'unavailable',
      `${says}. Run CONFIG SET ${SETTING} ${needed} on it and keep it in its redis.conf, ${otherwise}.`,
      { field: 'setNotifications' },
    );
  return { kind: 'lacking', needed, says, refusal };
}

/** What `unchecked` means. */
export function unseenNotifications(settings: RedisKeyspaceSettings): string {
  return `${describePlace(settings)} does not let this user see ${SETTING}; without ${neededFlags('')} in it nothing is noticed between scans`;
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
