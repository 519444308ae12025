import { LatchkeyError } from '@latchkey/client';

interface Waiter {
  readonly isReached: () => boolean;
  readonly settle: (error?: Error) => void;
}

/** Callers that wait for the head to get somewhere. Bounded; each has its own deadline. */
export class Waiters {
  readonly #waiting = new Set<Waiter>();
  readonly #max: number;

  constructor(max: number) {
    this.#max = max;
  }

  /** @throws LatchkeyError `position-ahead`, `overloaded`, `closing` */
  until(isReached: () => boolean, timeoutMs: number, signal?: AbortSignal): Promise<void> {
    if (isReached()) return Promise.resolve();
    if (this.#waiting.size >= this.#max) {
      const message = `${this.#max} readers wait for a position already; come back in a second.`;
      return Promise.reject(new LatchkeyError('overloaded', message, { limit: this.#max, retryAfter: 1 }));
    }
    return new Promise((done, fail) => {
      const onAbort = () => settle(new LatchkeyError('closing', 'The wait was given up.'));
      const timer = setTimeout(() => {
        settle(
          new LatchkeyError(
            'position-ahead',
            `This node did not reach the position within ${timeoutMs} ms; ask again, or another node.`,
            {
              retryAfter: 1,
            },
          ),
        );
      }, timeoutMs);
      const settle = (error?: Error) => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
        this.#waiting.delete(waiter);
        if (error === undefined) done();
        else fail(error);
      };
      const waiter: Waiter = { isReached, settle };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiting.add(waiter);
      if (signal?.aborted) onAbort();
    });
  }

  check(): void {
    for (const waiter of this.#waiting) if (waiter.isReached()) waiter.settle();
  }

  abort(error: Error): void {
    for (const waiter of [...this.#waiting]) waiter.settle(error);
  }
}
