/**
 * Long polls: who waits for the next change of a key. Stands between the view's one notice of what became durable and the
 * requests; it does not judge whether a change is the awaited one.
 *
 * Invariant: `#count` is the number of waiters in all sets of `#byKey`, at most `WAITERS_MAX`, and no set is empty.
 */
import { LatchkeyError } from '@latchkey/client';
import type { Change } from '../shared/change.ts';
import type { View } from '../view/view.ts';

export type Wake = 'changed' | 'timeout' | 'gone' | 'closed';

/** Something that says `close` when its client has gone. */
export interface Closing {
  once(event: 'close', listener: () => void): unknown;
  removeListener(event: 'close', listener: () => void): unknown;
}

const WAITERS_MAX = 10_000;
const RETRY_SECONDS = 5;

export class KeyWaiters {
  readonly #byKey = new Map<string, Set<(wake: Wake) => void>>();
  readonly #stopListening: () => void;
  readonly #waitersMax: number;
  #count = 0;
  #isClosed = false;

  constructor(view: View, waitersMax = WAITERS_MAX) {
    this.#waitersMax = waitersMax;
    const stops = [view.onDurable((changes) => this.#notice(changes)), view.onSkipped?.(() => this.#noticeAll())];
    this.#stopListening = () => {
      for (const stop of stops) stop?.();
    };
  }

  get count(): number {
    return this.#count;
  }

  /** Resolves at the key's next change, when time is up, or when the client went. @throws LatchkeyError `overloaded` */
  async wait(key: string, timeoutMs: number, client: Closing): Promise<Wake> {
    if (this.#isClosed) return 'closed';
    if (this.#count >= this.#waitersMax) {
      const message = `${this.#count} requests wait for changes already; come back, or watch instead.`;
      throw new LatchkeyError('overloaded', message, { limit: this.#waitersMax, retryAfter: RETRY_SECONDS });
    }
    return await new Promise<Wake>((resolve) => {
      const wake = (reason: Wake): void => {
        clearTimeout(timer);
        client.removeListener('close', gone);
        this.#forget(key, wake);
        resolve(reason);
      };
      const gone = (): void => wake('gone');
      const timer = setTimeout(wake, timeoutMs, 'timeout');
      client.once('close', gone);
      const waiters = this.#byKey.get(key);
      if (waiters === undefined) this.#byKey.set(key, new Set([wake]));
      else waiters.add(wake);
      this.#count += 1;
    });
  }

  /** Releases everybody. Idempotent. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#stopListening();
    for (const waiters of [...this.#byKey.values()]) for (const wake of [...waiters]) wake('closed');
  }

  #notice(changes: readonly Change[]): void {
    if (this.#count === 0) return;
    for (const { key } of changes) {
      const waiters = this.#byKey.get(key);
      if (waiters !== undefined) for (const wake of [...waiters]) wake('changed');
    }
  }

  // A wake-up is a hint: whoever is woken looks for itself.
  #noticeAll(): void {
    for (const waiters of [...this.#byKey.values()]) for (const wake of [...waiters]) wake('changed');
  }

  #forget(key: string, wake: (reason: Wake) => void): void {
    const waiters = this.#byKey.get(key);
    if (waiters?.delete(wake) !== true) return;
    this.#count -= 1;
    if (waiters.size === 0) this.#byKey.delete(key);
  }

  /** Asserted by tests. */
  checkInvariants(): void {
    let count = 0;
    for (const waiters of this.#byKey.values()) {
      if (waiters.size === 0) throw new Error('an empty set of waiters is kept');
      count += waiters.size;
    }
    if (count !== this.#count || count > this.#waitersMax)
      throw new Error(`${this.#count} waiters counted, ${count} held`);
  }
}
