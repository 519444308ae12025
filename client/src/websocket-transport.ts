import type { Transport, TransportRequest, TransportSetup } from './transport.ts';
import type { WatchEvent } from './watch-event.ts';
import { frameEvents } from './websocket-frame.ts';
import { WebsocketLink } from './websocket-link.ts';

/** Watches over one WebSocket that they share; another one is opened when it is over. */
export class WebsocketTransport implements Transport {
  readonly name = 'websocket';
  readonly #setup: TransportSetup;
  readonly #openSocket: (url: string) => WebSocket;
  #link: WebsocketLink | undefined;

  constructor(setup: TransportSetup, openSocket: (url: string) => WebSocket) {
    this.#setup = setup;
    this.#openSocket = openSocket;
  }

  async *open(request: TransportRequest, signal: AbortSignal): AsyncGenerator<readonly WatchEvent[], void, undefined> {
    let position = request.from;
    // Each turn is one watch of the protocol; a reader who was too slow for it goes on behind what it was handed.
    for (;;) {
      if (signal.aborted) return;
      if (this.#link === undefined || this.#link.isOver) this.#link = new WebsocketLink(this.#setup, this.#openSocket);
      const channel = this.#link.watch({ ...request, from: position });
      const close = () => channel.close();
      signal.addEventListener('abort', close);
      try {
        for (;;) {
          const frame = await channel.next();
          if (frame === 'behind') break;
          if (frame === undefined) return;
          const events = frameEvents(frame, position);
          position = events.at(-1)?.position ?? position;
          if (events.length > 0) yield events;
          // The server has ended this watch; the socket stays while others are on it.
          if (frame.op === 'bye') return;
        }
      } finally {
        signal.removeEventListener('abort', close);
        close();
      }
    }
  }
}
