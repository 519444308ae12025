import type { Command, Conditions, Outcome } from './command.ts';
import type { Entry } from './entry.ts';
import { LatchkeyError } from './error.ts';
import { type Endpoint, exchange, isErrorCode, jsonOf } from './exchange.ts';
import type { Filter } from './filter.ts';
import { quote } from './version.ts';
import { type WatchEvent, type WatchOptions, WatchStream } from './watch.ts';

export interface ClientOptions {
  /** Where the server is, e.g. `http://127.0.0.1:23333`; a path is kept, for servers behind a proxy. */
  readonly server: string;
  /** Sent as `Authorization: Bearer`. */
  readonly token?: string;
  /** Stands in for the global `fetch`. */
  readonly fetch?: typeof fetch;
}

export interface CallOptions {
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
export interface EntryPage {
  readonly entries: readonly Entry[];
  readonly cursor?: string;
  readonly position: string;
}

/** A command that was not refused was decided: `applied`, `duplicate`, `late`, `conflict` or `value`. */
export type Decided = Exclude<Outcome, { outcome: 'refused' }>;

/**
 * A client of one server, over `fetch` alone: browsers, workers, Node, Deno and Bun. It keeps no connection of its own and no
 * state; every wait takes an `AbortSignal`, whose reason is thrown when it aborts.
 * @example
 * const client = new LatchkeyClient({ server: 'http://127.0.0.1:23333' });
 * await client.put('sensor.1', { temp: 21.5 });
 * for await (const event of client.watch({ prefixes: ['sensor.'] })) console.log(event.op, event.position);
 */
export class LatchkeyClient {
  readonly #endpoint: Endpoint;

  /** @throws LatchkeyError `usage` where `server` is no http(s) URL */
  constructor(options: ClientOptions) {
    this.#endpoint = {
      base: baseOf(options.server),
      headers: options.token === undefined ? {} : { authorization: `Bearer ${options.token}` },
      // Looked up at each call, and not called as a method: a browser's fetch refuses another `this`.
      fetch: options.fetch ?? ((input, init) => fetch(input, init)),
    };
  }

  /** The entry, or undefined where there is none. `minPosition` waits until the server has reached that write. */
  async get(key: string, options: CallOptions & { readonly minPosition?: string } = {}): Promise<Entry | undefined> {
    const { minPosition, signal } = options;
    // Every URL parser folds these two into the path, however they are escaped.
    if (key === '.' || key === '..') return await this.#read(key, options);
    const query = new URLSearchParams({ meta: 'true', ...(minPosition === undefined ? {} : { minPosition }) });
    try {
      const response = await exchange(this.#endpoint, pathOf(key), { query, signal });
      return await jsonOf<Entry>(response, signal);
    } catch (error) {
      if (error instanceof LatchkeyError && error.code === 'not-found') return undefined;
      throw error;
    }
  }

  /** Writes the whole value. @throws LatchkeyError with the refusal's code; `late`, `conflict` and `duplicate` are outcomes */
  put(key: string, value: unknown, conditions: Conditions = {}, options: CallOptions = {}): Promise<Decided> {
    return this.#command({ op: 'put', key, value, ...conditions }, options);
  }

  /** Applies a JSON merge patch (RFC 7386). @throws as `put` */
  merge(
    key: string,
    value: Readonly<Record<string, unknown>>,
    conditions: Conditions = {},
    options: CallOptions = {},
  ): Promise<Decided> {
    return this.#command({ op: 'merge', key, value, ...conditions }, options);
  }

  /** Removes one key. @throws as `put` */
  remove(
    key: string,
    conditions: Pick<Conditions, 'updated' | 'ifVersion' | 'idempotencyKey'> = {},
    options: CallOptions = {},
  ): Promise<Decided> {
    return this.#command({ op: 'remove', key, ...conditions }, options);
  }

  /** Decided one by one, in order; refusals are outcomes in their places. `atomic`: all or nothing. */
  async commands(
    commands: readonly Command[],
    options: CallOptions & { readonly atomic?: boolean } = {},
  ): Promise<readonly Outcome[]> {
    const response = await exchange(this.#endpoint, 'v1/commands', {
      method: 'POST',
      body: commands,
      signal: options.signal,
      ...(options.atomic === true ? { query: new URLSearchParams({ atomic: 'true' }) } : {}),
    });
    return await jsonOf<readonly Outcome[]>(response, options.signal);
  }

  /** One page of entries. */
  async list(options: ListOptions = {}): Promise<EntryPage> {
    const { signal, ...rest } = options;
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(rest)) if (value !== undefined) query.set(name, String(value));
    return await jsonOf<EntryPage>(await exchange(this.#endpoint, 'v1/keys', { query, signal }), signal);
  }

  /**
   * The entries that match, then every change to them, over as many connections as it takes. Ends when its signal aborts or its
   * reader leaves the loop. After `reset` forget everything held for the filter; a snapshot follows.
   * @throws LatchkeyError where the server refuses the watch (a fault is retried without end)
   */
  watch(filter: Filter = {}, options: WatchOptions = {}): AsyncGenerator<WatchEvent, void, undefined> {
    return new WatchStream(this.#endpoint, filter, options).events();
  }

  async #read(key: string, options: CallOptions): Promise<Entry | undefined> {
    const outcome = await this.#command({ op: 'read', key }, options);
    return outcome.outcome === 'value' && 'entry' in outcome ? (outcome.entry ?? undefined) : undefined;
  }

  async #command(command: Command, options: CallOptions): Promise<Decided> {
    const outcome = (await this.commands([command], options))[0];
    if (outcome === undefined) throw new LatchkeyError('internal', 'The server answered a command without an outcome.');
    if (outcome.outcome !== 'refused') return outcome;
    const { code, field, limit, message } = outcome;
    throw new LatchkeyError(isErrorCode(code) ? code : 'invalid-request', message, {
      ...(field === undefined ? {} : { field }),
      ...(limit === undefined ? {} : { limit }),
    });
  }
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

function pathOf(key: string): string {
  if (key === '' || !key.isWellFormed()) {
    throw new LatchkeyError('key-invalid', `A key is text of at least one character, but got ${quote(key)}.`, {
      field: 'key',
    });
  }
  return `v1/keys/${encodeURIComponent(key)}`;
}
