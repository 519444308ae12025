/**
 * Publish and subscribe within this process: stands between whoever publishes (clients of the Redis protocol gateway, keyspace
 * events) and whoever listens (its subscribers, a source whose `url` is `resp`). It keeps nothing: who is not subscribed misses
 * what is published, as on a Redis.
 *
 * Invariant: `#subscriptions` is the number of listeners over all names and patterns, at most `subscriptionsMax`.
 */
import { LatchkeyError } from '@latchkey/client';
import { compileGlob, type Glob } from './glob.ts';

/** Handed to every listener of the same name or pattern: the same object, so that what is made of it can be made once. */
export interface Publication {
  readonly channel: string;
  /** MUST NOT be changed by a listener. */
  readonly message: Buffer;
  /** The pattern that matched; undefined for those who named the channel. */
  readonly pattern: string | undefined;
}

/** Called within `publish`. What it throws is reported and keeps nobody else from hearing. */
export type ChannelListener = (publication: Publication) => void;

export interface ChannelsOptions {
  readonly subscriptionsMax?: number;
  readonly reportFault: (stage: string, error: unknown) => void;
}

const SUBSCRIPTIONS_MAX = 200_000;

/** Who listens under one name or pattern. */
class Listeners {
  readonly #members = new Set<ChannelListener>();
  /** Made with the first publication after a change: one that comes or goes while it is handed out changes the next one. */
  #snapshot: readonly ChannelListener[] | undefined;

  get size(): number {
    return this.#members.size;
  }

  add(listener: ChannelListener): void {
    this.#members.add(listener);
    this.#snapshot = undefined;
  }

  remove(listener: ChannelListener): boolean {
    this.#snapshot = undefined;
    return this.#members.delete(listener);
  }

  has(listener: ChannelListener): boolean {
    return this.#members.has(listener);
  }

  get snapshot(): readonly ChannelListener[] {
    this.#snapshot ??= [...this.#members];
    return this.#snapshot;
  }
}

export class Channels {
  readonly #names = new Map<string, Listeners>();
  readonly #patterns = new Map<string, { readonly glob: Glob; readonly listeners: Listeners }>();
  readonly #options: ChannelsOptions;
  readonly #subscriptionsMax: number;
  /** What `hears` found since names and patterns last changed. */
  readonly #heard = new Map<string, boolean>();
  #subscriptions = 0;

  constructor(options: ChannelsOptions) {
    this.#options = options;
    this.#subscriptionsMax = options.subscriptionsMax ?? SUBSCRIPTIONS_MAX;
  }

  /** Whether nobody listens to anything: then nothing needs to be published. */
  get isIdle(): boolean {
    return this.#subscriptions === 0;
  }

  get counts(): { readonly names: number; readonly patterns: number; readonly subscriptions: number } {
    return { names: this.#names.size, patterns: this.#patterns.size, subscriptions: this.#subscriptions };
  }

  /**
   * Hears what is published on exactly that channel, from now on. Returns the way to stop; subscribing the same listener twice is
   * subscribing once.
   * @throws LatchkeyError `overloaded` beyond `subscriptionsMax`
   */
  subscribe(channel: string, listener: ChannelListener): () => void {
    const listeners = this.#names.get(channel) ?? new Listeners();
    if (!listeners.has(listener)) {
      this.#take(channel);
      listeners.add(listener);
      this.#names.set(channel, listeners);
    }
    return () => this.#leave(listeners, listener, () => this.#names.delete(channel));
  }

  /** As `subscribe` for every channel that matches a Redis glob. A channel that is also named is heard twice, as on a Redis. */
  subscribePattern(pattern: string, listener: ChannelListener): () => void {
    const entry = this.#patterns.get(pattern) ?? { glob: compileGlob(pattern), listeners: new Listeners() };
    const { listeners } = entry;
    if (!listeners.has(listener)) {
      this.#take(pattern);
      listeners.add(listener);
      this.#patterns.set(pattern, entry);
    }
    return () => this.#leave(listeners, listener, () => this.#patterns.delete(pattern));
  }

  /** Hands it to everybody who listens, in the order of subscribing, before it returns: how many there were. */
  publish(channel: string, message: Buffer): number {
    if (this.#subscriptions === 0) return 0;
    let receivers = 0;
    const named = this.#names.get(channel);
    if (named !== undefined) receivers += this.#hand(named, { channel, message, pattern: undefined });
    if (this.#patterns.size === 0) return receivers;
    for (const [pattern, { glob, listeners }] of [...this.#patterns]) {
      if (glob.matches(channel)) receivers += this.#hand(listeners, { channel, message, pattern });
    }
    return receivers;
  }

  /** Whether anybody listens to a channel that could begin so. */
  hears(beginning: string): boolean {
    if (this.#subscriptions === 0) return false;
    const known = this.#heard.get(beginning);
    if (known !== undefined) return known;
    let isHeard = [...this.#names.keys()].some((name) => name.startsWith(beginning));
    for (const { glob } of this.#patterns.values()) {
      const { literalPrefix } = glob;
      isHeard ||= literalPrefix.startsWith(beginning) || beginning.startsWith(literalPrefix);
    }
    this.#heard.set(beginning, isHeard);
    return isHeard;
  }

  /** How many listen to exactly that channel. */
  listeners(channel: string): number {
    return this.#names.get(channel)?.size ?? 0;
  }

  /** Channels that somebody named. */
  names(): IterableIterator<string> {
    return this.#names.keys();
  }

  #hand(listeners: Listeners, publication: Publication): number {
    const { snapshot } = listeners;
    for (const listener of snapshot) {
      try {
        listener(publication);
      } catch (error) {
        this.#options.reportFault('channels', error);
      }
    }
    return snapshot.length;
  }

  #take(name: string): void {
    if (this.#subscriptions >= this.#subscriptionsMax) {
      throw new LatchkeyError(
        'overloaded',
        `${JSON.stringify(name.slice(0, 64))} can't be subscribed to: there are ${this.#subscriptionsMax} subscriptions already. Unsubscribe from others first.`,
        { limit: this.#subscriptionsMax },
      );
    }
    this.#subscriptions += 1;
    this.#heard.clear();
  }

  #leave(listeners: Listeners, listener: ChannelListener, drop: () => void): void {
    if (!listeners.remove(listener)) return;
    this.#subscriptions -= 1;
    this.#heard.clear();
    if (listeners.size === 0) drop();
  }
}
