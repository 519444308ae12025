/**
 * One watch over as many connections as it takes: each resumes after the last position that its caller was given.
 *
 * Between connections it waits with full jitter, from the server's `retry:` up to 30 s, without end; what the caller can fix
 * (a refusal) is thrown. It does not fold changes and keeps no entries.
 *
 * Invariant: `#from` is the position of the last event handed out, so nothing is skipped and nothing asked for twice.
 */
import type { ControlEvent } from './control.ts';
import type { Change } from './entry.ts';
import { LatchkeyError } from './error.ts';
import { type Endpoint, exchange } from './exchange.ts';
import type { Filter } from './filter.ts';
import { type SseEvent, SseParser } from './sse-parser.ts';
import { quote } from './version.ts';

/** A change or control event as a watch hands it out; `position` is where a later watch resumes after it. */
export type WatchChange = Change & { readonly position: string };
export type WatchControl = ControlEvent & { readonly position: string };
export type WatchEvent = WatchChange | WatchControl;

export interface WatchOptions {
  /** `start` (default): what is there now, then everything new. `now`: only what is new. Or a position seen before. */
  readonly from?: string;
  /** `false` leaves values out of the changes. Default `true`. */
  readonly values?: boolean;
  /** Ends the watch quietly. */
  readonly signal?: AbortSignal;
  /** A connection could not be made or was lost; the next one is tried after `afterMs`. */
  readonly onRetry?: (error: LatchkeyError, afterMs: number) => void;
  /** A connection that is silent for longer is given up as half-open. Default 60,000; the server speaks at least every 15,000. */
  readonly silenceMaxMs?: number;
  /** Randomness of the waits, 0 ≤ x < 1. */
  readonly random?: () => number;
}

const DELAY_MAX_MS = 30_000;
const RETRY_DEFAULT_MS = 1000;
// Servers and proxies take request lines of 8 KiB at least; beyond half of that the filter goes as a body.
const QUERY_LENGTH_MAX = 4000;

export class WatchStream {
  readonly #endpoint: Endpoint;
  readonly #filter: Filter;
  readonly #options: WatchOptions;
  #from: string;
  #retryMs = RETRY_DEFAULT_MS;
  #attempt = 0;
  #byeAfterMs: number | undefined;

  constructor(endpoint: Endpoint, filter: Filter, options: WatchOptions) {
    this.#endpoint = endpoint;
    this.#filter = filter;
    this.#options = options;
    this.#from = options.from ?? 'start';
  }

  /** @throws LatchkeyError where the server refuses the watch */
  async *events(): AsyncGenerator<WatchEvent, void, undefined> {
    const { signal } = this.#options;
    const isOver = () => signal?.aborted === true;
    while (!isOver()) {
      let error: LatchkeyError;
      try {
        yield* this.#connection();
        error = new LatchkeyError('unavailable', `${this.#endpoint.base.origin} ended the stream.`);
      } catch (thrown) {
        if (isOver()) return;
        if (!(thrown instanceof LatchkeyError) || !thrown.retryable) throw thrown;
        error = thrown;
      }
      const afterMs = this.#delayMs(error);
      this.#options.onRetry?.(error, afterMs);
      await sleep(afterMs, signal);
    }
  }

  async *#connection(): AsyncGenerator<WatchEvent, void, undefined> {
    const connection = new AbortController();
    const { signal, silenceMaxMs = 60_000 } = this.#options;
    const stop = () => connection.abort();
    signal?.addEventListener('abort', stop, { once: true });
    let silence = setTimeout(stop, silenceMaxMs);
    try {
      const response = await this.#open(connection.signal);
      const reader = (response.body as ReadableStream<Uint8Array>).getReader();
      const parser = new SseParser();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        clearTimeout(silence);
        silence = setTimeout(stop, silenceMaxMs);
        for (const event of parser.push(value)) yield this.#take(event);
        this.#retryMs = parser.retryMs ?? this.#retryMs;
      }
    } catch (cause) {
      if (cause instanceof LatchkeyError) throw cause;
      const why = connection.signal.aborted ? `was silent for ${silenceMaxMs} ms` : 'broke';
      throw new LatchkeyError('unavailable', `The connection to ${this.#endpoint.base.origin} ${why}.`, { cause });
    } finally {
      clearTimeout(silence);
      signal?.removeEventListener('abort', stop);
      // Also when the caller leaves its loop: the socket is not kept by a reader that nobody reads.
      stop();
    }
  }

  async #open(signal: AbortSignal): Promise<Response> {
    const { keys = [], patterns = [], prefixes = [] } = this.#filter;
    const from = this.#from;
    const values = this.#options.values ?? true;
    const query = new URLSearchParams();
    for (const key of keys) query.append('key', key);
    for (const prefix of prefixes) query.append('prefix', prefix);
    for (const pattern of patterns) query.append('pattern', pattern);
    query.set('from', from);
    if (!values) query.set('values', 'false');
    const headers = { accept: 'text/event-stream' };
    const isLong = query.toString().length > QUERY_LENGTH_MAX;
    const response = await exchange(
      this.#endpoint,
      'v1/watch',
      isLong
        ? { method: 'POST', body: { keys, prefixes, patterns, from, values }, headers, signal }
        : { query, headers, signal },
    );
    if (response.body !== null && /^text\/event-stream\b/i.test(response.headers.get('content-type') ?? ''))
      return response;
    throw new LatchkeyError(
      'invalid-request',
      `${this.#endpoint.base.href} answered ${quote(response.headers.get('content-type'))} instead of an event stream; is it a Latchkey server?`,
    );
  }

  #take(event: SseEvent): WatchEvent {
    let data: Record<string, unknown>;
    try {
      data = JSON.parse(event.data) as Record<string, unknown>;
    } catch (cause) {
      throw new LatchkeyError('invalid-json', `The server sent an event that is not JSON: ${quote(event.data)}.`, {
        cause,
      });
    }
    const isChange = event.type === 'message';
    const position = event.id === '' ? this.#from : event.id;
    this.#from = position;
    if (event.type === 'bye') this.#byeAfterMs = Number(data.afterMs);
    // `opened` alone is no progress: a server that falls over right after it must not be asked again at once, for ever.
    else if (event.type !== 'opened') this.#attempt = 0;
    return { ...data, ...(isChange ? {} : { op: event.type }), position } as WatchEvent;
  }

  #delayMs(error: LatchkeyError): number {
    const random = this.#options.random ?? Math.random;
    const afterMs = this.#byeAfterMs;
    this.#byeAfterMs = undefined;
    if (afterMs !== undefined && Number.isFinite(afterMs)) return Math.min(Math.max(afterMs, 0), DELAY_MAX_MS);
    const ceilingMs = Math.min(DELAY_MAX_MS, this.#retryMs * 2 ** this.#attempt);
    this.#attempt = Math.min(this.#attempt + 1, 16);
    const leastMs = Math.min((error.details.retryAfter ?? 0) * 1000, DELAY_MAX_MS);
    return leastMs + Math.floor(random() * ceilingMs);
  }
}

function sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    if (signal?.aborted === true) end();
    else signal?.addEventListener('abort', end, { once: true });
  });
}
