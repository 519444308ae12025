import { readFileSync } from 'node:fs';
import { LatchkeyError } from '@latchkey/client';
import { createClient, RESP_TYPES } from '@redis/client';
import type { RedisPlace } from '../../config/redis-settings.ts';
import type { Argument, Reply } from './reply.ts';

const CONNECT_TIMEOUT_MS = 5000;

export interface RawClient {
  connect(): Promise<unknown>;
  /** As `pSubscribe`, to exactly those channels. */
  subscribe(
    channels: string[],
    listener: (message: Buffer, channel: Buffer) => unknown,
    isBinary: true,
  ): Promise<unknown>;
  destroy(): void;
  readonly isReady: boolean;
  sendCommand(args: readonly Argument[], options?: object): Promise<Reply>;
  /** `invalidate` tells a key that changed, or null for all of them; of a client with `hasInvalidations`. */
  on(event: 'error' | 'end' | 'invalidate', listener: (told?: unknown) => void): unknown;
  /** The listener is given bytes. */
  pSubscribe(
    pattern: string,
    listener: (message: Buffer, channel: Buffer) => unknown,
    isBinary: true,
  ): Promise<unknown>;
}

export interface ClientChoices {
  /** `CLIENT SETNAME`; shown in the server's `CLIENT LIST`. */
  readonly name: string;
  /** Bulk strings as `Buffer`s. */
  readonly isBinary: boolean;
  /** 3 where pushes (`CLIENT TRACKING`) are wanted. */
  readonly resp: 2 | 3;
  /** Whether it takes invalidations; needs `resp: 3`, and a user who may turn tracking on. */
  readonly hasInvalidations?: boolean;
  /** Whoever uses it watches for commands that are not answered; the library's own timer for each costs as much as the command. */
  readonly isWatched?: boolean;
}

const BINARY = { [RESP_TYPES.BLOB_STRING]: Buffer };

/** A client for the one endpoint that the place means now; it does not reconnect by itself. The primary is asked of the Sentinels first. */
export async function clientFor(place: RedisPlace, choices: ClientChoices): Promise<RawClient> {
  const url = new URL(place.url);
  const tls = url.protocol === 'rediss:' ? tlsOf(place, url) : {};
  const target =
    place.sentinels.length > 0 ? await primaryOf(place, tls) : { host: hostOf(url), port: Number(url.port || 6379) };
  return makeClient(target, tls, choices, {
    ...(url.username === '' ? {} : { username: decodeURIComponent(url.username) }),
    ...(url.password === '' ? {} : { password: decodeURIComponent(url.password) }),
    database: Number(url.pathname.slice(1) || 0),
  });
}

interface HostAndPort {
  readonly host: string;
  readonly port: number;
}

function makeClient(target: HostAndPort, tls: object, choices: ClientChoices, options: object): RawClient {
  const client = createClient({
    ...options,
    name: choices.name,
    RESP: choices.resp,
    ...(choices.hasInvalidations === true ? { emitInvalidate: true } : {}),
    disableOfflineQueue: true,
    disableClientInfo: true,
    socket: {
      ...target,
      ...tls,
      connectTimeout: CONNECT_TIMEOUT_MS,
      reconnectStrategy: false,
      noDelay: true,
      keepAlive: true,
    },
    commandOptions: {
      ...(choices.isBinary ? { typeMapping: BINARY } : {}),
      ...(choices.isWatched === true ? { timeout: 0 } : {}),
    },
  } as Parameters<typeof createClient>[0]);
  return client as unknown as RawClient;
}

function hostOf(url: URL): string {
  return url.hostname.startsWith('[') ? url.hostname.slice(1, -1) : url.hostname || '127.0.0.1';
}

function tlsOf(place: RedisPlace, url: URL): object {
  const host = hostOf(url);
  const servername = /^[\d.]+$|:/.test(host) ? {} : { servername: host };
  return { tls: true, ...servername, ...(place.caFile === '' ? {} : { ca: authoritiesOf(place.caFile) }) };
}

function authoritiesOf(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
    throw new LatchkeyError(
      'config-invalid',
      `caFile ${file} can't be read (${code}); name a PEM file of authorities.`,
      { field: 'caFile', cause: error },
    );
  }
}

/** The first Sentinel that answers with a primary which says that it is one. */
async function primaryOf(place: RedisPlace, tls: object): Promise<HostAndPort> {
  let failure: unknown;
  for (const sentinel of place.sentinels) {
    const colon = sentinel.lastIndexOf(':');
    const target = { host: sentinel.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(sentinel.slice(colon + 1)) };
    const client = makeClient(target, tls, { name: 'latchkey', isBinary: false, resp: 2 }, {});
    client.on('error', () => undefined);
    try {
      await client.connect();
      const reply = await client.sendCommand(['SENTINEL', 'get-master-addr-by-name', place.sentinelName]);
      if (Array.isArray(reply)) return { host: String(reply[0]), port: Number(reply[1]) };
      failure = new Error('unknown primary');
    } catch (error) {
      failure = error;
    } finally {
      client.destroy();
    }
  }
  const names = place.sentinels.join(', ');
  throw new LatchkeyError(
    'not-ready',
    `No Sentinel of ${names} names a primary ${place.sentinelName}; it is asked again by itself.`,
    { retryAfter: 1, cause: failure },
  );
}
