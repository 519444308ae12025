import { connect, type Socket } from 'node:net';
import { SseDecoder, type SseEvent } from '../test/support/sse-client.ts';

/** One watch over a raw socket in this process: what it costs to read stays small beside what is measured. */
export class SseWatcher {
  /** Of the last event: where to go on. */
  lastEventId: string | undefined;
  readonly #socket: Socket;
  readonly #decoder = new SseDecoder();
  readonly #onEvent: (event: SseEvent) => void;
  #waiting: { readonly event: string; readonly done: () => void } | undefined;

  /** `path` with its query; `onEvent` is called for each event, control events too. */
  constructor(port: number, path: string, onEvent: (event: SseEvent) => void, lastEventId?: string) {
    this.#onEvent = onEvent;
    this.lastEventId = lastEventId;
    this.#socket = connect({ port, host: '127.0.0.1' });
    const resume = lastEventId === undefined ? '' : `last-event-id: ${lastEventId}\r\n`;
    this.#socket.write(`GET ${path} HTTP/1.1\r\nhost: localhost\r\n${resume}\r\n`);
    // The head of the answer is no event: it has no line with data.
    this.#socket.setEncoding('latin1').on('data', (text: string) => {
      for (const event of this.#decoder.push(text)) this.#take(event);
    });
    this.#socket.on('error', () => {}); // Its end shows as events that do not come.
  }

  /** Resolves with the next event of that name. */
  async until(event: string, timeoutMs = 60_000): Promise<void> {
    await new Promise<void>((done, fail) => {
      const timer = setTimeout(() => fail(new Error(`No ${event} came within ${timeoutMs} ms.`)), timeoutMs);
      this.#waiting = {
        event,
        done: () => {
          clearTimeout(timer);
          done();
        },
      };
    });
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(event: SseEvent): void {
    if (event.id !== undefined) this.lastEventId = event.id;
    this.#onEvent(event);
    if (this.#waiting?.event !== event.event) return;
    const { done } = this.#waiting;
    this.#waiting = undefined;
    done();
  }
}
