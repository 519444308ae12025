/**
 * The entries of a filter, kept here as a watch tells of them. It stands between a watch and whatever shows entries: each snapshot
 * it hands out never changes, and is the same object until what it shows changed.
 *
 * After `reset` it shows what it showed, and the fresh snapshot as a whole once that is complete.
 *
 * Invariant: `#shown` is the fold of the watch's events since its beginning, or since the last `reset` that was followed by
 * `synced`; while `#fresh` is there, events go to it.
 */
import type { Connection } from './connection.ts';
import type { Entry } from './entry.ts';
import { LatchkeyError } from './error.ts';
import type { Filter } from './filter.ts';
import { VersionWaiters } from './version-waiters.ts';
import { WatchStream } from './watch.ts';
import type { WatchChange, WatchEvent } from './watch-event.ts';
import type { WatchStatus } from './watch-status.ts';

export interface MirrorOptions {
  /** `false` leaves values out of the entries. Default `true`. */
  readonly values?: boolean;
  /** Closes the mirror. */
  readonly signal?: AbortSignal;
  /** A filter with more entries closes the mirror with `mirror-full`. Default 100,000. */
  readonly entriesMax?: number;
}

/** `get`, `entries` and `subscribe` may be called without their mirror, as React's `useSyncExternalStore` does. */
export interface Mirror<Value = unknown> extends AsyncDisposable {
  /** The same object until it changes; subscribers are told. */
  readonly status: WatchStatus;
  /** Resolves when everything that was there is shown. Rejects where the mirror is closed before: with the refusal, or `closing`. */
  readonly ready: Promise<void>;
  /** The entry, the same object until it changes; undefined where there is none. Before `ready` some may be missing. */
  readonly get: (key: string) => Entry<Value> | undefined;
  /** All entries, by their keys; frozen, and the same array until one of them changes. */
  readonly entries: () => readonly Entry<Value>[];
  /**
   * Calls the listener after entries changed (with a key: that one) or the status did (without a key), until the function it gives
   * is called. Several changes may share one call; none comes after `close`.
   */
  readonly subscribe: (listener: () => void, key?: string) => () => void;
  /**
   * Resolves when what is shown is at least as new as this version, e.g. the one that `put` gave. For a key that the filter does
   * not match that may take until the server's next `progress`, 15 s.
   * @throws LatchkeyError `position-invalid`; `history-replaced` where the server lost what the version was of; `overloaded` beyond
   * 1,000 such calls; `closing`, or what closed the mirror. The signal's own reason.
   */
  waitFor(version: string, options?: { readonly signal?: AbortSignal }): Promise<void>;
  /** Ends it; what it shows stays as it is. Idempotent. */
  close(): void;
}

const ENTRIES_MAX = 100_000;
const LISTENERS_MAX = 100_000;

/** An object, so that a listener that subscribed twice is two. */
interface Subscription {
  readonly listener: () => void;
}

export class WatchMirror<Value> implements Mirror<Value> {
  readonly ready: Promise<void>;
  readonly #connection: Connection;
  readonly #stream: WatchStream<Value>;
  readonly #entriesMax: number;
  readonly #waiters = new VersionWaiters();
  readonly #settleReady: { readonly resolve: () => void; readonly reject: (error: LatchkeyError) => void };
  /** Under a key, or under undefined for everything. */
  readonly #subscriptions = new Map<string | undefined, Set<Subscription>>();
  #subscriptionCount = 0;
  #shown = new Map<string, Entry<Value>>();
  #fresh: Map<string, Entry<Value>> | undefined;
  /** Sorted; as long as no key comes or goes. */
  #keys: readonly string[] | undefined;
  #entries: readonly Entry<Value>[] | undefined;
  #changed = new Set<string>();
  #isAllChanged = false;
  #isTelling = false;
  #isClosed = false;
  #full: WatchStatus | undefined;

  constructor(connection: Connection, filter: Filter, options: MirrorOptions) {
    this.#connection = connection;
    this.#entriesMax = options.entriesMax ?? ENTRIES_MAX;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    // Whoever never asks for it must not be told of an unhandled rejection.
    promise.catch(() => {});
    this.ready = promise;
    this.#settleReady = { resolve, reject };
    const { signal, values = true } = options;
    const onStatus = () => this.#tellSoon();
    this.#stream = new WatchStream<Value>(connection, filter, {
      onStatus,
      values,
      ...(signal === undefined ? {} : { signal }),
    });
    // Neither rejects.
    void this.#stream.push((event) => this.#take(event));
    void this.#stream.closed.then((error) => this.#closed(error));
  }

  get status(): WatchStatus {
    return this.#full ?? this.#stream.status;
  }

  readonly get = (key: string): Entry<Value> | undefined => this.#shown.get(key);

  readonly entries = (): readonly Entry<Value>[] => {
    if (this.#entries === undefined) {
      this.#keys ??= [...this.#shown.keys()].sort();
      this.#entries = Object.freeze(this.#keys.map((key) => this.#shown.get(key) as Entry<Value>));
    }
    return this.#entries;
  };

  readonly subscribe = (listener: () => void, key?: string): (() => void) => {
    if (this.#subscriptionCount >= LISTENERS_MAX) {
      const message = `The mirror has ${LISTENERS_MAX} listeners; some of them were never unsubscribed.`;
      throw new LatchkeyError('overloaded', message, { limit: LISTENERS_MAX });
    }
    const subscription = { listener };
    const all = this.#subscriptions.get(key) ?? new Set();
    this.#subscriptions.set(key, all.add(subscription));
    this.#subscriptionCount += 1;
    return () => {
      if (!all.delete(subscription)) return;
      this.#subscriptionCount -= 1;
      if (all.size === 0 && this.#subscriptions.get(key) === all) this.#subscriptions.delete(key);
    };
  };

  waitFor(version: string, options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    return this.#waiters.wait(version, options.signal);
  }

  close(): void {
    this.#isClosed = true;
    for (const all of this.#subscriptions.values()) all.clear();
    this.#subscriptions.clear();
    this.#subscriptionCount = 0;
    this.#stream.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }

  #take(event: WatchEvent<Value>): void {
    switch (event.op) {
      case 'opened':
        this.#waiters.joined(event.epoch);
        break;
      case 'reset':
        this.#fresh = new Map();
        if (event.reason === 'epoch' || event.reason === 'ahead') this.#waiters.replaced();
        break;
      case 'synced':
        this.#synced();
        break;
      case 'put':
      case 'stale':
      case 'remove':
        this.#fold(event);
        break;
    }
    this.#waiters.moved(event.position, this.#fresh === undefined);
  }

  #fold(change: WatchChange<Value>): void {
    const { op, position, reason, ...entry } = change;
    const entries = this.#fresh ?? this.#shown;
    const { key } = entry;
    const had = entries.size;
    if (op === 'remove') entries.delete(key);
    else entries.set(key, Object.freeze(op === 'stale' ? { ...entry, stale: true } : entry));
    if (entries.size > this.#entriesMax) this.#overflowed();
    if (this.#fresh !== undefined) return;
    if (entries.size !== had) this.#keys = undefined;
    this.#entries = undefined;
    this.#changed.add(key);
    this.#tellSoon();
  }

  #synced(): void {
    if (this.#fresh !== undefined) {
      this.#shown = this.#fresh;
      this.#fresh = undefined;
      this.#keys = undefined;
      this.#entries = undefined;
      this.#isAllChanged = true;
      this.#tellSoon();
    }
    this.#settleReady.resolve();
  }

  #overflowed(): void {
    const message = `The filter has more than ${this.#entriesMax} entries; narrow it, or raise entriesMax.`;
    this.#full = { kind: 'closed', error: new LatchkeyError('mirror-full', message, { limit: this.#entriesMax }) };
    this.#stream.close();
  }

  #closed(refusal: LatchkeyError | undefined): void {
    const full = this.#full?.kind === 'closed' ? this.#full.error : undefined;
    const error = full ?? refusal ?? new LatchkeyError('closing', 'The mirror was closed.');
    this.#settleReady.reject(error);
    this.#waiters.end(error);
  }

  // In a microtask: what one frame changed is told once, and never from within the watch.
  #tellSoon(): void {
    if (this.#isTelling) return;
    this.#isTelling = true;
    queueMicrotask(() => {
      this.#isTelling = false;
      if (this.#isClosed) return;
      const keys = this.#isAllChanged ? [...this.#subscriptions.keys()] : [undefined, ...this.#changed];
      this.#isAllChanged = false;
      this.#changed.clear();
      for (const key of keys) this.#tell(this.#subscriptions.get(key));
    });
  }

  #tell(subscriptions: Set<Subscription> | undefined): void {
    if (subscriptions === undefined) return;
    for (const subscription of [...subscriptions]) {
      // A listener may have ended another one.
      if (subscriptions.has(subscription)) this.#connection.call(subscription.listener);
    }
  }
}

/**
 * The entries that match, kept up to date here. `ready` resolves when they are complete; what a lost connection missed is made up
 * for by itself, and after a `reset` the old entries are shown until the new ones are complete.
 * @example
 * const board = mirror(connection, { prefixes: ['sensor.'] });
 * await board.ready;
 * const unsubscribe = board.subscribe(() => render(board.entries()));
 */
export function mirror<Value = unknown>(
  connection: Connection,
  filter: Filter = {},
  options: MirrorOptions = {},
): Mirror<Value> {
  return new WatchMirror<Value>(connection, filter, options);
}
