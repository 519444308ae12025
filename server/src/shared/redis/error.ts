import { LatchkeyError } from '@latchkey/client';
import type { RedisPlace } from '../../config/redis-settings.ts';

/** Where a Redis is, for messages: never with a user or password. */
export function describePlace(place: RedisPlace): string {
  if (place.sentinels.length > 0) return `${place.sentinelName} (Sentinel ${place.sentinels.join(', ')})`;
  try {
    const { host, protocol } = new URL(place.url);
    return `${protocol}//${host}`;
  } catch {
    return 'the Redis';
  }
}

/** The first word of an error reply (`READONLY`, `NOAUTH`, `OOM`, …); undefined where the server said nothing. */
export function replyCode(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  return /^([A-Z][A-Z0-9]+)(?: |$)/.exec(error.message)?.[1];
}

/** The name of a permission or key must not be told on, nor anything that was sent: only the reply's code is. */
export function redisError(error: unknown, place: RedisPlace, doing: string): LatchkeyError {
  if (error instanceof LatchkeyError) return error;
  const where = describePlace(place);
  const cause = { cause: error };
  const retry = { ...cause, retryAfter: 1 };
  switch (replyCode(error)) {
    case 'NOAUTH':
    case 'WRONGPASS':
      return new LatchkeyError(
        'not-ready',
        `${where} refuses the user or password (${doing}); set them in the url.`,
        retry,
      );
    case 'NOPERM':
      // Redis 6.2 has CLIENT, which every connection begins with, among what `-@dangerous` takes away.
      return new LatchkeyError(
        'not-ready',
        `${where} does not permit ${doing} to this user; widen its ACL${doing === 'connecting' ? ', by +@connection first' : ''}.`,
        retry,
      );
    case 'OOM':
      return new LatchkeyError('storage-full', `${where} has reached maxmemory (${doing}); raise it, or remove keys.`, {
        ...cause,
        retryAfter: 5,
      });
    case 'MISCONF':
      return new LatchkeyError(
        'storage-full',
        `${where} can't save to its disk and takes no writes (${doing}); see its log.`,
        { ...cause, retryAfter: 5 },
      );
    case 'READONLY':
      return new LatchkeyError(
        'not-ready',
        `${where} is a read-only replica (${doing}); name the primary, or its Sentinels.`,
        retry,
      );
    case 'LOADING':
      return new LatchkeyError('not-ready', `${where} is still loading its data.`, retry);
    case undefined: {
      const code = (error as NodeJS.ErrnoException)?.code;
      const reason = typeof code === 'string' ? code : error instanceof Error ? error.name : 'unknown';
      return new LatchkeyError(
        'not-ready',
        `${where} can't be reached (${reason}, ${doing}); it is tried again by itself.`,
        retry,
      );
    }
    default:
      return new LatchkeyError(
        'not-ready',
        `${where} answered ${replyCode(error)} to ${doing}; see that it is a Redis 6.2 or newer, Valkey or KeyDB, and what its log says.`,
        retry,
      );
  }
}
