import type { Command, Conditions, OutcomeOf, OutcomesOf, Refused, Written } from './command.ts';
import { Connection, type ConnectionOptions } from './connection.ts';
import type { Entry } from './entry.ts';
import { LatchkeyError } from './error.ts';
import { exchange, isErrorCode, jsonOf } from './exchange.ts';
import type { Filter } from './filter.ts';
import { type Mirror, type MirrorOptions, mirror } from './mirror.ts';
import { isRepeatable, repeatWrite } from './repeated-write.ts';
import { quote } from './version.ts';
import { pageWake } from './wake.ts';
import { type Watch, type WatchHandler, type WatchIterator, type WatchOptions, watch } from './watch.ts';

export interface ClientOptions extends ConnectionOptions {
  /** How long a write with an `idempotencyKey` is repeated while the server can't be reached. Default 30,000; 0: not at all. */
  readonly retryForMs?: number;
}

export interface CallOptions {
  /** Ends the call with the signal's own reason; whether a write was carried out is then not known. */
  readonly signal?: AbortSignal;
}

export interface ListOptions extends CallOptions {
  readonly prefix?: string;
  readonly pattern?: string;
  /** Entries of one page; the server's default is 100. */
  readonly limit?: number;
  /** Of the page before. */
  readonly cursor?: string;
}

/** Entries in the byte order of their keys. `cursor` is given while there may be more; `position` is a place to watch from. */
export interface EntryPage<Value = unknown> {
  readonly entries: readonly Entry<Value>[];
  readonly cursor?: string;
  readonly position: string;
}

const RETRY_FOR_MS = 30_000;
const PENDING_MAX = 1000;

/**
 * A client of one server: browsers, workers, Node, Deno and Bun. Calls go over `fetch`; watches share one WebSocket, or go over SSE
 * where none comes through. Nothing is opened before the first call. Every wait takes an `AbortSignal`, whose reason is thrown when
 * it aborts.
 * @example
 * const client = new LatchkeyClient({ server: 'http://127.0.0.1:23333' });
 * await client.put('sensor.1', { temp: 21.5 });
 * for await (const event of client.watch({ prefixes: ['sensor.'] })) console.log(event.op, event.position);
 */
export class LatchkeyClient implements AsyncDisposable {
  readonly #connection: Connection;
  readonly #options: ClientOptions;
  #pending = 0;

  /** @throws LatchkeyError `usage` where `server` is no http(s) URL */
  constructor(options: ClientOptions) {
    this.#connection = new Connection(options);
    this.#options = options;
  }

  /**
   * The entry, or undefined where there is none. `minPosition` waits until the server has reached that write.
   * @throws LatchkeyError `key-invalid`, `position-ahead` where it did not in time, `unavailable`
   * @example
   * const { version } = await client.put('a', 1);
   * const entry = await otherNode.get('a', { minPosition: version });
   */
  async get<Value = unknown>(
    key: string,
    options: CallOptions & { readonly minPosition?: string } = {},
  ): Promise<Entry<Value> | undefined> {
    const { minPosition, signal } = options;
    // Every URL parser folds these two into the path, however they are escaped.
    if (key === '.' || key === '..') return (await this.#read(key, options)) as Entry<Value> | undefined;
    const path = pathOf(key);
    const query = new URLSearchParams({ meta: 'true', ...(minPosition === undefined ? {} : { minPosition }) });
    try {
      return await this.#call<Entry<Value>>(signal, async (endpoint) => exchange(endpoint, path, { query, signal }));
    } catch (error) {
      if (error instanceof LatchkeyError && error.code === 'not-found') return undefined;
      throw error;
    }
  }

  /**
   * Writes the whole value. Sent once, unless it has an `idempotencyKey`: then it is repeated until it is answered.
   * @throws LatchkeyError with the refusal's code; `unavailable` where no answer came, and a write without a key may have been
   * carried out. `late`, `conflict` and `duplicate` are outcomes, not errors
   * @example
   * const outcome = await client.put('sensor.1', { temp: 21.5 }, { ttl: 60, idempotencyKey: crypto.randomUUID() });
   * if (outcome.outcome === 'applied') console.log(outcome.version);
   */
  put(key: string, value: unknown, conditions: Conditions = {}, options: CallOptions = {}): Promise<Written> {
    return this.#command({ op: 'put', key, value, ...conditions }, options);
  }

  /** Applies a JSON merge patch (RFC 7386); null removes a member. @throws as `put` */
  merge(
    key: string,
    value: Readonly<Record<string, unknown>>,
    conditions: Conditions = {},
    options: CallOptions = {},
  ): Promise<Written> {
    return this.#command({ op: 'merge', key, value, ...conditions }, options);
  }

  /** Removes one key; `duplicate` where there was nothing. @throws as `put` */
  remove(
    key: string,
    conditions: Pick<Conditions, 'updated' | 'ifVersion' | 'idempotencyKey'> = {},
    options: CallOptions = {},
  ): Promise<Written> {
    return this.#command({ op: 'remove', key, ...conditions }, options);
  }

  /**
   * Decided one by one, in order; refusals are outcomes in their places. `atomic`: all or nothing. Repeated where every write of
   * them has an `idempotencyKey`.
   * @throws LatchkeyError `unavailable`, `overloaded`, and where the request as a whole is refused, e.g. `body-too-big`
   * @example
   * const [put, read] = await client.commands([{ op: 'put', key: 'a', value: 1 }, { op: 'read', key: 'a' }]);
   */
  async commands<const Commands extends readonly Command[]>(
    commands: Commands,
    options: CallOptions & { readonly atomic?: boolean } = {},
  ): Promise<OutcomesOf<Commands>> {
    const { atomic, signal } = options;
    const query = atomic === true ? { query: new URLSearchParams({ atomic: 'true' }) } : {};
    const send = () =>
      this.#call<OutcomesOf<Commands>>(signal, async (endpoint) =>
        exchange(endpoint, 'v1/commands', { method: 'POST', body: commands, signal, ...query }),
      );
    if (!isRepeatable(commands)) return await send();
    const { random = Math.random, retryForMs = RETRY_FOR_MS, wake = pageWake } = this.#options;
    const { signal: closing } = this.#connection;
    const ending = signal === undefined ? closing : AbortSignal.any([closing, signal]);
    return await repeatWrite(send, { retryForMs, random, wake, signal: ending });
  }

  /** One page of entries. */
  async list<Value = unknown>(options: ListOptions = {}): Promise<EntryPage<Value>> {
    const { signal, ...rest } = options;
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(rest)) if (value !== undefined) query.set(name, String(value));
    return await this.#call(signal, async (endpoint) => exchange(endpoint, 'v1/keys', { query, signal }));
  }

  /** As the function `watch`: with a handler it runs at once, without one it is read by `for await`. */
  watch<Value = unknown>(filter: Filter, handler: WatchHandler<Value>, options?: WatchOptions): Watch;
  watch<Value = unknown>(filter?: Filter, options?: WatchOptions): WatchIterator<Value>;
  watch<Value>(
    filter: Filter = {},
    handlerOrOptions: WatchHandler<Value> | WatchOptions = {},
    options?: WatchOptions,
  ): Watch {
    if (typeof handlerOrOptions !== 'function') return watch<Value>(this.#connection, filter, handlerOrOptions);
    return watch<Value>(this.#connection, filter, handlerOrOptions, options);
  }

  /** As the function `mirror`: the entries that match, kept up to date here. */
  mirror<Value = unknown>(filter: Filter = {}, options: MirrorOptions = {}): Mirror<Value> {
    return mirror<Value>(this.#connection, filter, options);
  }

  /** Ends every watch and mirror; calls that are under way are answered. Idempotent. */
  close(): void {
    this.#connection.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }

  async #read(key: string, options: CallOptions): Promise<Entry | undefined> {
    return (await this.#command({ op: 'read', key }, options)).entry ?? undefined;
  }

  async #command<const Op extends Command['op']>(
    command: Command & { readonly op: Op },
    options: CallOptions,
  ): Promise<OutcomeOf<Op>> {
    const outcome = (await this.commands([command] as readonly Command[], options))[0];
    if (outcome === undefined) throw new LatchkeyError('internal', 'The server answered a command without an outcome.');
    if (outcome.outcome !== 'refused') return outcome as OutcomeOf<Op>;
    throw refusal(outcome);
  }

  async #call<Answer>(
    signal: AbortSignal | undefined,
    send: (endpoint: Connection['endpoint']) => Promise<Response>,
  ): Promise<Answer> {
    const { endpoint, signal: closing } = this.#connection;
    closing.throwIfAborted();
    if (this.#pending >= PENDING_MAX) {
      const message = `${PENDING_MAX} calls of this client wait for their answers already; wait for some of them, or send many commands as one.`;
      throw new LatchkeyError('overloaded', message, { limit: PENDING_MAX });
    }
    this.#pending += 1;
    try {
      return await jsonOf<Answer>(await send(endpoint), endpoint.reviver, signal);
    } finally {
      this.#pending -= 1;
    }
  }
}

function refusal({ code, field, limit, message }: Refused): LatchkeyError {
  return new LatchkeyError(isErrorCode(code) ? code : 'invalid-request', message, {
    isAnswer: true,
    ...(field === undefined ? {} : { field }),
    ...(limit === undefined ? {} : { limit }),
  });
}

function pathOf(key: string): string {
  if (key === '' || !key.isWellFormed()) {
    throw new LatchkeyError('key-invalid', `A key is text of at least one character, but got ${quote(key)}.`, {
      field: 'key',
    });
  }
  return `v1/keys/${encodeURIComponent(key)}`;
}
