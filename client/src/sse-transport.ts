/**
 * A watch over server-sent events, read from `fetch`: one request a watch. What its reader does not take stays in the socket, so
 * a slow reader slows the server's sending to it and nothing else. It does not come back by itself.
 *
 * Invariant: the request lives as long as the generator; the clock of silence runs only while it waits for bytes.
 */
import { LatchkeyError } from './error.ts';
import { exchange, type Reviver } from './exchange.ts';
import { type SseEvent, SseParser } from './sse-parser.ts';
import type { Transport, TransportRequest, TransportSetup } from './transport.ts';
import { quote } from './version.ts';
import type { WatchEvent } from './watch-event.ts';

// Servers and proxies take request lines of 8 KiB at least; beyond half of that the filter goes as a body.
const QUERY_LENGTH_MAX = 4000;

export class SseTransport implements Transport {
  readonly name = 'sse';
  readonly #setup: TransportSetup;

  constructor(setup: TransportSetup) {
    this.#setup = setup;
  }

  async *open(request: TransportRequest, signal: AbortSignal): AsyncGenerator<readonly WatchEvent[], void, undefined> {
    const { backoff, endpoint, silenceMaxMs, wake } = this.#setup;
    const connection = new AbortController();
    const stop = () => connection.abort();
    let why = 'broke';
    const giveUp = (reason: string) => {
      why = reason;
      stop();
    };
    // A stream can't be asked whether it lives, and to resume costs little.
    const stopListening = wake((reason) => reason === 'online' && giveUp('was given up when the network came back'));
    signal.addEventListener('abort', stop);
    const heard = async <T>(promise: Promise<T>): Promise<T> => {
      const timer = setTimeout(() => giveUp(`was silent for ${silenceMaxMs} ms`), silenceMaxMs);
      return await promise.finally(() => clearTimeout(timer));
    };
    try {
      if (signal.aborted) return;
      const body = await heard(this.#request(request, connection.signal));
      const reader = body.getReader();
      // A stream that does not know of the signal, from a `fetch` of the caller's own, is let go of all the same.
      connection.signal.addEventListener('abort', () => void reader.cancel().catch(() => {}));
      const parser = new SseParser();
      let position = request.from;
      for (;;) {
        const { done, value } = await heard(reader.read());
        connection.signal.throwIfAborted();
        if (done) return;
        const events = parser.push(value).map((event) => {
          const taken = eventOf(event, position, endpoint.reviver);
          position = taken.position;
          return taken;
        });
        backoff.baseMs = parser.retryMs ?? backoff.baseMs;
        if (events.length > 0) yield events;
      }
    } catch (cause) {
      if (signal.aborted) return;
      if (cause instanceof LatchkeyError) throw cause;
      throw new LatchkeyError('unavailable', `The connection to ${endpoint.base.origin} ${why}.`, { cause });
    } finally {
      signal.removeEventListener('abort', stop);
      stopListening();
      // Also when its reader leaves: the socket is not kept by a stream that nobody reads.
      stop();
    }
  }

  async #request(request: TransportRequest, signal: AbortSignal): Promise<ReadableStream<Uint8Array>> {
    const { endpoint } = this.#setup;
    const { from, values } = request;
    const { keys = [], patterns = [], prefixes = [] } = request.filter;
    const query = new URLSearchParams();
    for (const key of keys) query.append('key', key);
    for (const prefix of prefixes) query.append('prefix', prefix);
    for (const pattern of patterns) query.append('pattern', pattern);
    query.set('from', from);
    if (!values) query.set('values', 'false');
    const headers = { accept: 'text/event-stream' };
    const isLong = query.toString().length > QUERY_LENGTH_MAX;
    const body = { keys, prefixes, patterns, from, values };
    const response = await exchange(
      endpoint,
      'v1/watch',
      isLong ? { method: 'POST', body, headers, signal } : { query, headers, signal },
    );
    const contentType = response.headers.get('content-type');
    if (response.body !== null && /^text\/event-stream\b/i.test(contentType ?? '')) return response.body;
    const message = `${endpoint.base.href} answered ${quote(contentType)} instead of an event stream; is it a Latchkey server?`;
    throw new LatchkeyError('invalid-request', message);
  }
}

function eventOf(event: SseEvent, before: string, reviver: Reviver | undefined): WatchEvent {
  let data: Record<string, unknown>;
  try {
    data = JSON.parse(event.data, reviver as never) as Record<string, unknown>;
  } catch (cause) {
    const message = `The server sent an event that is not JSON: ${quote(event.data)}.`;
    throw new LatchkeyError('invalid-json', message, { cause });
  }
  const op = event.type === 'message' ? {} : { op: event.type };
  return { ...data, ...op, position: event.id === '' ? before : event.id } as WatchEvent;
}
