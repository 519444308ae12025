/** A watch of a Latchkey server by its own client, over one of its two transports, by a handler or by a loop. */
import { LatchkeyClient, LatchkeyError, type WatchEvent, type WatchOptions } from '@latchkey/client';
import type { PathAdapter } from './path.ts';

export const observeSse: PathAdapter = (place, options) => observeWatch('sse', place, options);
export const observeWebsocket: PathAdapter = (place, options) => observeWatch('websocket', place, options);

/** Node's WebSocket sends headers, unlike a browser's. */
function loginBy(token: string) {
  const headers = { authorization: `Bearer ${token}` };
  return { token, openWebSocket: (url: string) => new WebSocket(url, { headers }) };
}

async function observeWatch(
  transport: 'sse' | 'websocket',
  place: Parameters<PathAdapter>[0],
  { hear, key, onTrouble, style }: Parameters<PathAdapter>[1],
) {
  if (place.kind !== 'latchkey') throw new LatchkeyError('internal', `${place.url} was to be watched as a Latchkey.`);
  const { server, token } = place;
  const client = new LatchkeyClient({ server, transport, ...(token === undefined ? {} : loginBy(token)) });
  const live = Promise.withResolvers<void>();
  const take = (event: WatchEvent) => {
    if (event.op === 'put') hear(typeof event.value === 'string' ? event.value : JSON.stringify(event.value));
    if (event.op === 'synced') live.resolve();
  };
  let isLive = false;
  const options: WatchOptions = {
    from: 'now',
    onRetry: (error) => {
      if (isLive) onTrouble(error);
      else live.reject(error);
    },
  };
  if (style === 'callback') {
    const watch = client.watch({ keys: [key] }, take, options);
    void watch.closed.then((error) => live.reject(error ?? new Error('closed')));
  } else {
    const watch = client.watch({ keys: [key] }, options);
    void (async () => {
      for await (const event of watch) take(event);
    })().catch((error: unknown) => live.reject(error));
  }
  try {
    await live.promise;
  } catch (error) {
    client.close();
    throw error;
  }
  isLive = true;
  return { close: async () => client.close() };
}
