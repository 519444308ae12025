/** How a path is observed: the contract of one adapter, and the two styles in which a program may listen. */
import type { PathName, Place, Style } from './plan.ts';

export interface PathOptions {
  readonly key: string;
  readonly style: Style;
  /** Of `poll`. */
  readonly everyMs: number;
  /** Of `pubsub`. */
  readonly channel: string;
  /** Of `stream`. */
  readonly stream: string;
  /** `keyspace` may change `notify-keyspace-events` until it is closed. */
  readonly setsNotifications: boolean;
  /** Called with each value as soon as its text is known. */
  readonly hear: (text: string) => void;
  /** A value could not be read, or a connection broke and is made anew: what is missed shows in the count. */
  readonly onTrouble: (error: unknown) => void;
}

/** Something that is open until it is closed. */
export interface Open {
  close(): Promise<void>;
}

/** Resolves when every later write will be heard. @throws LatchkeyError that says what to do */
export type PathAdapter = (place: Place, options: PathOptions) => Promise<Open>;

const BACKLOG_MAX = 10_000;

/**
 * What happens at an event: its text is heard, or, where it carries none, read back. `callback`: at once, reads overlap; `iterator`:
 * a loop takes one event after the other.
 */
export function paced(
  { hear, onTrouble, style }: PathOptions,
  read: () => Promise<string | undefined>,
): { push(text?: string): void; close(): void } {
  const take = async (text: string | undefined) => {
    try {
      const known = text ?? (await read());
      if (known !== undefined) hear(known);
    } catch (error) {
      onTrouble(error);
    }
  };
  if (style === 'callback') return { push: (text) => void take(text), close: () => {} };
  const backlog = new Backlog(onTrouble);
  void (async () => {
    for await (const text of backlog) await take(text);
  })();
  return backlog;
}

/**
 * Stands between events and a loop that reads them.
 *
 * Invariant: what the loop is handed came in that order; beyond `BACKLOG_MAX` events are dropped and reported, never others.
 */
class Backlog {
  readonly #onTrouble: (error: unknown) => void;
  readonly #waiting: (string | undefined)[] = [];
  #wake = Promise.withResolvers<void>();
  #isClosed = false;

  constructor(onTrouble: (error: unknown) => void) {
    this.#onTrouble = onTrouble;
  }

  push(text?: string): void {
    if (this.#waiting.length >= BACKLOG_MAX) {
      this.#onTrouble(new Error(`${BACKLOG_MAX} events wait already; a longer --interval lets the loop keep up`));
      return;
    }
    this.#waiting.push(text);
    this.#wake.resolve();
  }

  close(): void {
    this.#isClosed = true;
    this.#wake.resolve();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<string | undefined, void, undefined> {
    while (!this.#isClosed) {
      await this.#wake.promise;
      this.#wake = Promise.withResolvers();
      for (const text of this.#waiting.splice(0)) yield text;
    }
  }
}

/** Each adapter is loaded when a path of it is observed. */
export async function adapterOf(path: PathName): Promise<PathAdapter> {
  switch (path) {
    case 'keyspace':
      return (await import('./keyspace.ts')).observeKeyspace;
    case 'resp':
      return (await import('./keyspace.ts')).observeResp;
    case 'tracking':
      return (await import('./tracking.ts')).observeTracking;
    case 'pubsub':
      return (await import('./pubsub.ts')).observePubsub;
    case 'stream':
      return (await import('./stream.ts')).observeStream;
    case 'sse':
      return (await import('./latchkey-watch.ts')).observeSse;
    case 'websocket':
      return (await import('./latchkey-watch.ts')).observeWebsocket;
    case 'poll':
      return (await import('./poll.ts')).observePoll;
  }
}
