/**
 * One watch over as many connections as it takes: each resumes after the last position that its reader was handed. It stands
 * between the transports and one reader, a loop or a handler. It does not fold changes and keeps no entries.
 *
 * Nothing of it runs inside a transport: the reader is handed one event at a time by a loop of the watch's own, which looks before
 * each whether it is closed. So a handler may close, throw, and watch again at any point.
 *
 * Invariant: `position` is that of the last event handed out, set just before; nothing after it was, and nothing before it will be.
 */

import { DELAY_MAX_MS } from './backoff.ts';
import type { Connection } from './connection.ts';
import { type ErrorCode, LatchkeyError } from './error.ts';
import type { Filter } from './filter.ts';
import type { Transport } from './transport.ts';
import type { WatchEvent } from './watch-event.ts';
import type { WatchStatus } from './watch-status.ts';

export interface WatchOptions {
  /** `start` (default): what is there now, then everything new. `now`: only what is new. Or a position seen before. */
  readonly from?: string;
  /** `false` leaves values out of the changes. Default `true`. */
  readonly values?: boolean;
  /** Ends the watch quietly. */
  readonly signal?: AbortSignal;
  /** Told every change of `status`. */
  readonly onStatus?: (status: WatchStatus) => void;
  /** A connection could not be made or was lost; the next one is tried after `afterMs`, or sooner when the network comes back. */
  readonly onRetry?: (error: LatchkeyError, afterMs: number) => void;
}

/** A watch that runs. */
export interface Watch extends AsyncDisposable {
  readonly status: WatchStatus;
  /** Where a later watch goes on: after the last event that was handed out. Absent before the first one, unless `from` was one. */
  readonly position: string | undefined;
  /** Resolves when the watch is over: with an error where the server refused it. Never rejects. */
  readonly closed: Promise<LatchkeyError | undefined>;
  /** Ends it; nothing is handed out from here on, not even the rest of what has arrived. Idempotent. */
  close(): void;
}

/** A watch that is read by a loop, which sets its pace: it asks for nothing while nobody asks for the next event. */
export interface WatchIterator<Value = unknown>
  extends Watch,
    AsyncIterableIterator<WatchEvent<Value>, undefined, undefined> {
  [Symbol.asyncIterator](): WatchIterator<Value>;
  /** Closes the watch and resolves when its connection is let go of; leaving the loop calls it. */
  return(): Promise<IteratorResult<WatchEvent<Value>, undefined>>;
}

/**
 * Called once for each event, one at a time and in order. Where it gives a promise, the next event waits for it. What it throws
 * goes to `onHandlerError`; the watch goes on with the next event.
 */
export type WatchHandler<Value = unknown> = (event: WatchEvent<Value>) => unknown;

export class WatchStream<Value> implements WatchIterator<Value> {
  readonly closed: Promise<LatchkeyError | undefined>;
  readonly #connection: Connection;
  readonly #filter: Filter;
  readonly #options: WatchOptions;
  readonly #ending = new AbortController();
  readonly #close = () => this.close();
  #resolveClosed: (error: LatchkeyError | undefined) => void = () => {};
  #from: string;
  #status: WatchStatus = { kind: 'idle' };
  #byeAfterMs: number | undefined;
  #events: AsyncGenerator<WatchEvent<Value>, undefined, undefined> | undefined;

  constructor(connection: Connection, filter: Filter, options: WatchOptions) {
    this.#connection = connection;
    this.#filter = filter;
    this.#options = options;
    this.#from = options.from ?? 'start';
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
    for (const signal of [options.signal, connection.signal]) {
      if (signal?.aborted === true) this.close();
      else signal?.addEventListener('abort', this.#close, { once: true });
    }
  }

  get status(): WatchStatus {
    return this.#status;
  }

  get position(): string | undefined {
    return this.#from === 'start' || this.#from === 'now' ? undefined : this.#from;
  }

  close(): void {
    this.#end(undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  [Symbol.asyncIterator](): WatchIterator<Value> {
    return this;
  }

  /** @throws LatchkeyError where the server refuses the watch */
  async next(): Promise<IteratorResult<WatchEvent<Value>, undefined>> {
    this.#events ??= this.#read();
    return await this.#events.next();
  }

  async return(): Promise<IteratorResult<WatchEvent<Value>, undefined>> {
    this.close();
    // A `next` that waits ends by the close; only then is there a generator to leave.
    return (await this.#events?.return(undefined)) ?? { done: true, value: undefined };
  }

  /** Hands every event to the handler until the watch is over. Never rejects. */
  async push(handler: WatchHandler<Value>): Promise<void> {
    // Whoever began it has it in hand before anything of theirs is called.
    await undefined;
    try {
      for await (const events of this.#deliveries()) {
        for (const event of events) {
          if (this.#isOver) return;
          this.#take(event);
          const result = this.#connection.call(() => handler(event));
          if (isThenable(result)) await this.#settled(result);
        }
      }
    } catch (error) {
      this.#end(asError(error));
    }
  }

  async *#read(): AsyncGenerator<WatchEvent<Value>, undefined, undefined> {
    try {
      for await (const events of this.#deliveries()) {
        for (const event of events) {
          if (this.#isOver) return;
          this.#take(event);
          yield event;
        }
      }
    } catch (thrown) {
      const error = asError(thrown);
      this.#end(error);
      throw error;
    } finally {
      this.close();
    }
  }

  async #settled(result: PromiseLike<unknown>): Promise<void> {
    try {
      await result;
    } catch (error) {
      this.#connection.report(error);
    }
  }

  /** What arrives, over one connection after the other. @throws LatchkeyError what waiting would not mend */
  async *#deliveries(): AsyncGenerator<readonly WatchEvent<Value>[], void, undefined> {
    while (!this.#isOver) {
      let failure: LatchkeyError | undefined;
      for (const transport of this.#connection.candidates()) {
        if (this.#isOver) return;
        this.#setStatus({ kind: 'connecting', transport: transport.name });
        let hasOpened = false;
        try {
          for await (const events of this.#open(transport)) {
            if (!hasOpened) this.#connection.worked(transport.name);
            hasOpened = true;
            yield events;
          }
          failure = new LatchkeyError('unavailable', `${this.#connection.endpoint.base.origin} ended the stream.`);
        } catch (error) {
          if (this.#isOver) return;
          failure = asError(error);
          if (failure.details.isAnswer && !failure.retryable) throw failure;
        }
        if (hasOpened) break;
      }
      if (this.#isOver || failure === undefined) return;
      if (!failure.retryable && !this.#connection.hasWorked) throw failure;
      await this.#pause(failure);
    }
  }

  #open(transport: Transport): AsyncGenerator<readonly WatchEvent<Value>[], void, undefined> {
    const request = { filter: this.#filter, from: this.#from, values: this.#options.values ?? true };
    // What its values are, the caller says; see `Entry`.
    return transport.open(request, this.#ending.signal) as AsyncGenerator<
      readonly WatchEvent<Value>[],
      void,
      undefined
    >;
  }

  #take(event: WatchEvent<Value>): void {
    this.#from = event.position;
    if (event.op === 'bye') {
      this.#byeAfterMs = event.afterMs;
      return;
    }
    // `opened` alone is no progress: a server that falls over right after it must not be asked again at once, for ever.
    if (event.op !== 'opened') this.#connection.backoff.reset();
    const transport = 'transport' in this.#status ? this.#status.transport : undefined;
    if (transport === undefined) return;
    if (event.op === 'synced') this.#setStatus({ kind: 'live', transport });
    else if (event.op === 'opened' || event.op === 'reset' || event.op === 'conflated') {
      if (this.#status.kind !== 'catching-up') this.#setStatus({ kind: 'catching-up', transport });
    }
  }

  async #pause(error: LatchkeyError): Promise<void> {
    const { backoff } = this.#connection;
    const bye = this.#byeAfterMs;
    this.#byeAfterMs = undefined;
    const exactMs = Number.isFinite(bye) ? Math.min(Math.max(bye as number, 0), DELAY_MAX_MS) : undefined;
    const leastMs = Math.min((error.details.retryAfter ?? 0) * 1000, DELAY_MAX_MS);
    const afterMs = backoff.begin(leastMs, exactMs);
    this.#setStatus({ kind: 'waiting', error, afterMs });
    this.#connection.call(() => this.#options.onRetry?.(error, afterMs));
    await backoff.wait(this.#ending.signal);
  }

  get #isOver(): boolean {
    return this.#status.kind === 'closed';
  }

  #setStatus(status: WatchStatus): void {
    if (this.#isOver) return;
    this.#status = status;
    this.#connection.call(() => this.#options.onStatus?.(status));
  }

  #end(error: LatchkeyError | undefined): void {
    if (this.#isOver) return;
    this.#setStatus(error === undefined ? { kind: 'closed' } : { kind: 'closed', error });
    for (const signal of [this.#options.signal, this.#connection.signal]) {
      signal?.removeEventListener('abort', this.#close);
    }
    this.#ending.abort();
    this.#resolveClosed(error);
  }
}

/**
 * The entries that match, then every change to them, over as many connections as it takes. With a handler it runs at once and
 * hands it every event; without one it is read by `for await`, at the reader's pace. After `reset` forget everything held for the
 * filter; a snapshot follows. Without a term the filter means every key. A refusal is thrown to the loop, or resolves `closed`.
 * It does not end by itself when the server is away: it comes back, and goes on where it was.
 * @example
 * for await (const event of watch(connection, { prefixes: ['sensor.'] })) {
 *   if (isChange(event)) console.log(event.op, event.key, event.value);
 * }
 */
export function watch<Value = unknown>(
  connection: Connection,
  filter: Filter,
  handler: WatchHandler<Value>,
  options?: WatchOptions,
): Watch;
export function watch<Value = unknown>(
  connection: Connection,
  filter?: Filter,
  options?: WatchOptions,
): WatchIterator<Value>;
export function watch<Value>(
  connection: Connection,
  filter: Filter = {},
  handlerOrOptions: WatchHandler<Value> | WatchOptions = {},
  options: WatchOptions = {},
): WatchIterator<Value> {
  if (typeof handlerOrOptions !== 'function') return new WatchStream<Value>(connection, filter, handlerOrOptions);
  const stream = new WatchStream<Value>(connection, filter, options);
  // Never rejects; what went wrong is in its status.
  void stream.push(handlerOrOptions);
  return stream;
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === 'function';
}

function asError(thrown: unknown): LatchkeyError {
  if (thrown instanceof LatchkeyError) return thrown;
  const code: ErrorCode = 'internal';
  return new LatchkeyError(code, 'The client failed on what the server sent; this is a bug of it.', { cause: thrown });
}
