/** One place as a store of keys: what writers, polls and handshakes do there. */
import { LatchkeyError } from '@latchkey/client';
import { bodyText, keepConnection, send, sendOk } from '../request.ts';
import type { Place } from './plan.ts';

/** What else a write does, so that every path has something to show. */
export interface Announcements {
  readonly channel?: string;
  readonly stream?: string;
}

export interface Store {
  /** Resolves when it is acknowledged. @throws LatchkeyError */
  write(key: string, text: string, announcements?: Announcements): Promise<void>;
  read(key: string): Promise<string | undefined>;
  remove(key: string): Promise<void>;
  close(): Promise<void>;
}

const STREAM_LENGTH_MAX = 1000;

/** @throws LatchkeyError that says what to do */
export async function openStore(place: Place, onTrouble: (error: unknown) => void): Promise<Store> {
  if (place.kind === 'latchkey') return await latchkeyStore(place);
  return await redisStore(place, onTrouble);
}

async function latchkeyStore(place: Place & { readonly kind: 'latchkey' }): Promise<Store> {
  const connection = await keepConnection(place);
  const pathOf = (key: string) => `v1/keys/${encodeURIComponent(key)}`;
  return {
    async write(key, text) {
      const headers = { 'content-type': 'text/plain' };
      await bodyText(await sendOk(place, { method: 'PUT', path: pathOf(key), headers, body: text, connection }));
    },
    async read(key) {
      const response = await send(place, { path: pathOf(key), connection });
      const text = await bodyText(response);
      if (response.statusCode === 200) return text;
      if (response.statusCode === 404) return undefined;
      throw new LatchkeyError('unavailable', `${place.server} answered ${response.statusCode} to a GET of ${key}.`);
    },
    async remove(key) {
      await bodyText(await send(place, { method: 'DELETE', path: pathOf(key), connection }));
    },
    async close() {
      connection.destroy();
    },
  };
}

async function redisStore(
  place: Place & { readonly kind: 'redis' },
  onTrouble: (error: unknown) => void,
): Promise<Store> {
  const { connectRedis, redisFailure } = await import('./redis-connection.ts');
  const client = await connectRedis(place, { onTrouble });
  const orFail = async <Answer>(answer: Promise<Answer>): Promise<Answer> => {
    try {
      return await answer;
    } catch (error) {
      throw redisFailure(place, error);
    }
  };
  return {
    async write(key, text, { channel, stream } = {}) {
      const limit = ['MAXLEN', '~', String(STREAM_LENGTH_MAX)];
      // In one piece, so that no path gets ahead of another by a round trip.
      const answers: Promise<unknown>[] = [client.set(key, text)];
      if (channel !== undefined) answers.push(client.publish(channel, text));
      if (stream !== undefined) answers.push(client.sendCommand(['XADD', stream, ...limit, '*', 'value', text]));
      await orFail(Promise.all(answers));
    },
    async read(key) {
      return (await orFail(client.get(key))) ?? undefined;
    },
    async remove(key) {
      await orFail(client.del(key));
    },
    async close() {
      client.destroy();
    },
  };
}
