/** Connections to a Redis, and what its failures mean to whoever runs the command. */
import { LatchkeyError, quote } from '@latchkey/client';
import { createClient } from '@redis/client';
import { type Place, shownPlace } from './plan.ts';

const CONNECT_TIMEOUT_MS = 5000;
const RECONNECT_MS = 200;

function create(url: string, resp: 2 | 3, hasPushes: boolean, mayComeBack: () => boolean) {
  return createClient({
    url,
    RESP: resp,
    disableOfflineQueue: true,
    ...(hasPushes ? { emitInvalidate: true } : {}),
    socket: { connectTimeout: CONNECT_TIMEOUT_MS, reconnectStrategy: () => (mayComeBack() ? RECONNECT_MS : false) },
  });
}

export type RedisConnection = ReturnType<typeof create>;

/** Comes back by itself once it was there. @throws LatchkeyError that says what to do */
export async function connectRedis(
  place: Place & { readonly kind: 'redis' },
  options: { readonly resp?: 2 | 3; readonly hasPushes?: boolean; readonly onTrouble?: (error: unknown) => void } = {},
): Promise<RedisConnection> {
  let wasThere = false;
  const client = create(place.url, options.resp ?? 3, options.hasPushes === true, () => wasThere);
  client.on('error', (error: unknown) => {
    if (wasThere) options.onTrouble?.(error);
  });
  try {
    await client.connect();
  } catch (cause) {
    client.destroy();
    throw redisFailure(place, cause);
  }
  wasThere = true;
  return client;
}

export function asRedis(place: Place): Place & { readonly kind: 'redis' } {
  if (place.kind === 'redis') return place;
  throw new LatchkeyError('internal', `${place.server} was to be spoken to as a Redis.`);
}

/** The number of the database that the URL names. */
export function databaseOf(place: Place & { readonly kind: 'redis' }): number {
  return Number(new URL(place.url).pathname.slice(1)) || 0;
}

export function redisFailure(place: Place, cause: unknown): LatchkeyError {
  if (cause instanceof LatchkeyError) return cause;
  const at = shownPlace(place);
  const text = cause instanceof Error ? cause.message : String(cause);
  const says = (code: 'not-ready' | 'forbidden', message: string) => new LatchkeyError(code, message, { cause });
  if (/^(NOAUTH|WRONGPASS)/.test(text)) {
    return says('forbidden', `${at} wants a login: write it into the URL, such as redis://USER:PASSWORD@HOST:PORT.`);
  }
  if (text.startsWith('NOPERM')) {
    return says(
      'forbidden',
      `${at} does not let this user do so (${quote(text, 200)}): give one who may, or leave this path out.`,
    );
  }
  if (/^ERR unknown (?:sub)?command/.test(text)) {
    return says(
      'not-ready',
      `${at} does not have what this path needs (${quote(text, 200)}): take another path there, such as resp, or name a Redis 6 or newer.`,
    );
  }
  if (text.startsWith('READONLY')) {
    return says(
      'not-ready',
      `${at} is a read-only replica: name its primary as --writer, and leave --handshake out on replicas.`,
    );
  }
  const code = (cause as { code?: string }).code;
  if (code !== undefined || /closed|timeout|timed out/i.test(text)) {
    return says(
      'not-ready',
      `No answer from ${at} (${code ?? text}): is a Redis running there, and with ${at.startsWith('rediss') ? '' : 'or without '}TLS (rediss://)?`,
    );
  }
  return says('not-ready', `${at} answered ${quote(text, 200)}.`);
}
