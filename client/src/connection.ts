/**
 * One server as this program talks to it: where it is, by which transport it was reached, and when to try again. Watches share it;
 * it runs none of them itself.
 *
 * Invariant: `#worked` names the transport that delivered last, so that a way which is blocked is not tried before one that works.
 */
import { Backoff } from './backoff.ts';
import { LatchkeyError } from './error.ts';
import type { Endpoint, Reviver } from './exchange.ts';
import { SseTransport } from './sse-transport.ts';
import type { Transport, TransportName } from './transport.ts';
import { quote } from './version.ts';
import { pageWake, type WakeSource } from './wake.ts';
import { WebsocketTransport } from './websocket-transport.ts';

export interface ConnectionOptions {
  /** Where the server is, e.g. `http://127.0.0.1:23333`; a path is kept, for servers behind a proxy. */
  readonly server: string;
  /** Sent as `Authorization: Bearer`. A WebSocket of a browser can't send it, so watches go over SSE, unless `openWebSocket` is given. */
  readonly token?: string;
  /** What carries watches. `auto` (default): WebSocket, or SSE where that does not come through. */
  readonly transport?: 'auto' | TransportName;
  /** Remembers across page loads which transport came through, e.g. `localStorage`. Absent: it is remembered as long as this lives. */
  readonly storage?: Pick<Storage, 'getItem' | 'setItem'>;
  /** Stands in for the global `fetch`. */
  readonly fetch?: typeof fetch;
  /** Stands in for `new WebSocket(url)`, e.g. to send headers where that is possible. */
  readonly openWebSocket?: (url: string) => WebSocket;
  /** Has its say on every JSON value that the server sends, e.g. to keep numbers that JavaScript would round. */
  readonly reviver?: Reviver;
  /** A connection that is silent for longer is given up as half-open. Default 60,000; the server speaks at least every 15,000. */
  readonly silenceMaxMs?: number;
  /** Tells when a network may be back. Default: `online` and `visibilitychange` of the page or worker. */
  readonly wake?: WakeSource;
  /** Takes what a handler of yours threw. Default: it is reported as an uncaught error. */
  readonly onHandlerError?: (error: unknown) => void;
  /** Randomness of the waits, 0 ≤ x < 1. */
  readonly random?: () => number;
}

const SILENCE_MAX_MS = 60_000;
/** A server that restarts must not drive its clients to another transport. */
const FAILURES_BEFORE_OTHER = 3;

/** What `connect` gives: hand it to `watch` and `mirror`, and close it when nothing of it is needed any more. */
export class Connection implements AsyncDisposable {
  /** @internal */
  readonly endpoint: Endpoint;
  /** @internal */
  readonly backoff: Backoff;
  readonly #options: ConnectionOptions;
  readonly #transports: readonly Transport[];
  readonly #closing = new AbortController();
  #worked: TransportName | undefined;
  #hasWorked = false;

  /** @internal Others call `connect`. @throws LatchkeyError `usage` where `server` is no http(s) URL */
  constructor(options: ConnectionOptions) {
    const { openWebSocket, random = Math.random, silenceMaxMs = SILENCE_MAX_MS, token, wake = pageWake } = options;
    this.#options = options;
    this.endpoint = {
      base: baseOf(options.server),
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
      // Looked up at each call, and not called as a method: a browser's fetch refuses another `this`.
      fetch: options.fetch ?? ((input, init) => fetch(input, init)),
      reviver: options.reviver,
    };
    this.backoff = new Backoff(random, wake);
    const setup = { endpoint: this.endpoint, silenceMaxMs, wake, backoff: this.backoff };
    const openSocket = openWebSocket ?? (canOpenWebSocket(token) ? (url: string) => new WebSocket(url) : undefined);
    const transports: Transport[] = [new SseTransport(setup)];
    if (openSocket !== undefined) transports.unshift(new WebsocketTransport(setup, openSocket));
    const wanted = options.transport ?? 'auto';
    this.#transports = wanted === 'auto' ? transports : transports.filter(({ name }) => name === wanted);
    if (this.#transports.length === 0) {
      const message =
        'transport is websocket, but this runtime has none, or none that sends a token; give openWebSocket.';
      throw new LatchkeyError('usage', message, { field: 'transport' });
    }
    this.#worked = this.#remembered();
  }

  /** @internal Aborts when this is closed. */
  get signal(): AbortSignal {
    return this.#closing.signal;
  }

  /** @internal Whether any watch was ever delivered something: then an answer that is not Latchkey's is a fault of what is between. */
  get hasWorked(): boolean {
    return this.#hasWorked;
  }

  /** @internal What to try now, in this order. The second one only while the first may be blocked. */
  candidates(): readonly Transport[] {
    const first = this.#transports.find(({ name }) => name === this.#worked);
    if (first === undefined) return this.#transports;
    if (this.backoff.failures < FAILURES_BEFORE_OTHER) return [first];
    return [first, ...this.#transports.filter((other) => other !== first)];
  }

  /** @internal The transport delivered something. */
  worked(name: TransportName): void {
    this.#hasWorked = true;
    if (this.#worked === name) return;
    this.#worked = name;
    try {
      this.#options.storage?.setItem(this.#storageKey, name);
    } catch {
      // A full or forbidden storage only means that the next page finds it out again.
    }
  }

  /** @internal Calls what its user handed in; what that throws concerns nobody here. */
  call<Result>(handler: () => Result): Result | undefined {
    try {
      return handler();
    } catch (error) {
      this.report(error);
      return undefined;
    }
  }

  /** @internal Hands on what a handler threw. */
  report(error: unknown): void {
    const { onHandlerError } = this.#options;
    // Thrown where nothing of ours is under way, it is as uncaught as it would be in a listener of the platform's.
    const rethrow = () => {
      throw error;
    };
    if (onHandlerError === undefined) queueMicrotask(rethrow);
    else queueMicrotask(() => onHandlerError(error));
  }

  /** Ends every watch and mirror of it, for good. Idempotent. */
  close(): void {
    this.#closing.abort(new LatchkeyError('closing', 'This client was closed.'));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }

  get #storageKey(): string {
    return `latchkey.transport ${this.endpoint.base.href}`;
  }

  #remembered(): TransportName | undefined {
    try {
      const name = this.#options.storage?.getItem(this.#storageKey);
      return name === 'sse' || name === 'websocket' ? name : undefined;
    } catch {
      return undefined;
    }
  }
}

/**
 * A server to watch, without the rest of `LatchkeyClient`: what a page loads that only calls `watch` or `mirror`. Opens nothing.
 * @throws LatchkeyError `usage` where `server` is no http(s) URL
 * @example
 * const connection = connect({ server: 'http://127.0.0.1:23333' });
 * const watching = watch(connection, { prefixes: ['sensor.'] }, (event) => console.log(event.op, event.position));
 */
export function connect(options: ConnectionOptions): Connection {
  return new Connection(options);
}

function canOpenWebSocket(token: string | undefined): boolean {
  return token === undefined && typeof WebSocket === 'function';
}

function baseOf(server: string): URL {
  if (!URL.canParse(server) || !/^https?:$/.test(new URL(server).protocol)) {
    throw new LatchkeyError('usage', `server takes a URL like http://127.0.0.1:23333, but got ${quote(server)}.`, {
      field: 'server',
    });
  }
  const base = new URL(server);
  if (!base.pathname.endsWith('/')) base.pathname += '/';
  base.search = '';
  base.hash = '';
  return base;
}
