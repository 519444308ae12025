/** The way back: an observer answers each value under a key of its own, and who wrote hears of it. */
import { LatchkeyClient } from '@latchkey/client';
import type { Open } from './path.ts';
import type { Place } from './plan.ts';

/** The key itself where one observer answers, a key below it for each of several. */
export function handshakeKey(key: string, index: number, observers: number): string {
  return observers === 1 ? key : `${key}.${index + 1}`;
}

/** Hears every answer: by tracking on a Redis, which needs no setting there, by WebSocket from Latchkey. @throws LatchkeyError */
export async function hearHandshakes(
  place: Place,
  key: string,
  hear: (key: string, text: string) => void,
  onTrouble: (error: unknown) => void,
): Promise<Open> {
  if (place.kind === 'latchkey') return await hearByWatch(place, key, hear);
  const { trackPrefix } = await import('./tracking.ts');
  const close = await trackPrefix(place, key, onTrouble, (read) => ({
    push: (name) => {
      void read(name).then((text) => text !== undefined && hear(name, text), onTrouble);
    },
    close: () => {},
  }));
  return { close };
}

async function hearByWatch(
  { server, token }: Place & { readonly kind: 'latchkey' },
  key: string,
  hear: (key: string, text: string) => void,
): Promise<Open> {
  const client = new LatchkeyClient({ server, ...(token === undefined ? {} : { token }) });
  const live = Promise.withResolvers<void>();
  const watch = client.watch(
    { prefixes: [key] },
    (event) => {
      if (event.op === 'synced') live.resolve();
      if (event.op === 'put' && typeof event.value === 'string') hear(event.key, event.value);
    },
    { from: 'now', onRetry: (error) => live.reject(error) },
  );
  void watch.closed.then((error) => live.reject(error ?? new Error('closed')));
  try {
    await live.promise;
  } catch (error) {
    client.close();
    throw error;
  }
  return { close: async () => client.close() };
}
