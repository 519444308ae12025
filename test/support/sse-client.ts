/**
 * Server-sent events as curl would read them: one socket, no reconnection, every event kept with its id and name. Stands
 * between tests and `node:http`; it does not resume by itself, so a test decides what it sends as `Last-Event-ID`.
 */
import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import { Waiting } from './waiting.ts';

export interface SseEvent {
  /** `message` for an unnamed event. */
  readonly event: string;
  readonly id: string | undefined;
  readonly data: string;
}

export interface SseOptions {
  readonly lastEventId?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly method?: 'GET' | 'POST';
  readonly body?: string;
}

const WAIT_MS = 60_000;

/** Splits the bytes of a stream into events; comments and `retry` are left out. */
export class SseDecoder {
  #rest = '';

  push(text: string): readonly SseEvent[] {
    const blocks = (this.#rest + text).split('\n\n');
    this.#rest = blocks.pop() as string;
    return blocks.flatMap((block) => {
      const fields = new Map<string, string>();
      for (const line of block.split('\n')) {
        const match = /^(event|id|data): ?(.*)$/.exec(line);
        if (match === null) continue;
        const [, name, value] = match as unknown as [string, string, string];
        fields.set(name, name === 'data' && fields.has('data') ? `${fields.get('data')}\n${value}` : value);
      }
      const data = fields.get('data');
      return data === undefined ? [] : [{ event: fields.get('event') ?? 'message', id: fields.get('id'), data }];
    });
  }
}

export class SseClient {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly events: SseEvent[] = [];
  readonly #request: ClientRequest;
  readonly #response: IncomingMessage;
  readonly #waiting = new Waiting(
    WAIT_MS,
    () => JSON.stringify([this.status, this.events.length, this.events.slice(-5), this.body.slice(0, 500)]),
    () => (this.#isEnded ? 'The stream ended' : undefined),
  );
  #isEnded = false;
  #lastEventId: string | undefined;
  body = '';

  private constructor(
    sent: ClientRequest,
    response: IncomingMessage,
    onEvent: ((event: SseEvent) => void) | undefined,
    keepsEvents: boolean,
  ) {
    this.#request = sent;
    this.#response = response;
    this.status = response.statusCode ?? 0;
    this.headers = response.headers;
    const decoder = new SseDecoder();
    const isStream = this.headers['content-type']?.startsWith('text/event-stream') === true;
    response.setEncoding('utf8');
    response.on('data', (text: string) => {
      if (!isStream) this.body += text;
      else {
        for (const event of decoder.push(text)) {
          if (keepsEvents) this.events.push(event);
          if (event.id !== undefined) this.#lastEventId = event.id;
          onEvent?.(event);
        }
      }
      this.#waiting.wake();
    });
    response.on('error', () => {}); // A cut connection is what these tests are about; 'close' follows.
    response.on('close', () => {
      this.#isEnded = true;
      this.#waiting.wake();
    });
  }

  /** Resolves with the response's head. Rejects when there is no connection. With `keepsEvents: false` they only go to `onEvent`. */
  static open(
    url: string,
    options: SseOptions = {},
    onEvent?: (event: SseEvent) => void,
    { keepsEvents = true } = {},
  ): Promise<SseClient> {
    const headers: Record<string, string> = { accept: 'text/event-stream', ...options.headers };
    if (options.lastEventId !== undefined) headers['last-event-id'] = options.lastEventId;
    if (options.body !== undefined) headers['content-type'] ??= 'application/json';
    return new Promise((done, fail) => {
      const sent = request(url, { method: options.method ?? 'GET', headers, agent: false }, (response) =>
        done(new SseClient(sent, response, onEvent, keepsEvents)),
      );
      sent.on('error', fail);
      sent.end(options.body);
    });
  }

  /** The id of the last event that had one: what a curl would send as `Last-Event-ID`. */
  get lastEventId(): string | undefined {
    return this.#lastEventId;
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** Data events (unnamed), parsed. */
  get changes(): readonly Readonly<Record<string, unknown>>[] {
    return this.events.filter(({ event }) => event === 'message').map(({ data }) => JSON.parse(data));
  }

  /** Resolves with the first event, past or future, for which it holds; rejects when the stream ends or time is up. */
  async until(what: string, holds: (event: SseEvent) => boolean): Promise<SseEvent> {
    const found = () => this.events.find(holds);
    await this.#waiting.until(what, () => found() !== undefined);
    return found() as SseEvent;
  }

  named(event: string): Promise<SseEvent> {
    return this.until(`event ${event}`, (each) => each.event === event);
  }

  async changeCount(count: number): Promise<readonly Readonly<Record<string, unknown>>[]> {
    await this.#waiting.until(`${count} changes`, () => this.changes.length >= count);
    return this.changes;
  }

  /** Resolves when the server has ended the stream or the connection broke. */
  async ended(): Promise<void> {
    if (this.#isEnded) return;
    await new Promise<void>((done) => this.#response.once('close', done));
  }

  /** Stops reading, as a slow consumer does; `resume` goes on. */
  pause(): void {
    this.#response.pause();
  }

  resume(): void {
    this.#response.resume();
  }

  close(): void {
    this.#request.destroy();
    this.#response.destroy();
  }
}
