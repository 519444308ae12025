import { setTimeout as sleep } from 'node:timers/promises';

/** Tests that wait for what a stream brings: woken by every event, each wait with a deadline and a picture of what was seen. */
export class Waiting {
  readonly #waiters = new Set<() => void>();
  readonly #waitMs: number;
  readonly #seen: () => string;
  readonly #ended: () => string | undefined;

  /** `seen` is shown when a wait fails; `ended` says how the stream ended, such as `The stream ended`, or undefined while it goes on. */
  constructor(waitMs: number, seen: () => string, ended: () => string | undefined) {
    this.#waitMs = waitMs;
    this.#seen = seen;
    this.#ended = ended;
  }

  wake(): void {
    for (const waiter of this.#waiters) waiter();
  }

  until(what: string, holds: () => boolean): Promise<void> {
    return new Promise((done, fail) => {
      const settle = (error?: Error) => {
        clearTimeout(timer);
        this.#waiters.delete(check);
        if (error === undefined) done();
        else fail(error);
      };
      const check = () => {
        if (holds()) return settle();
        const ended = this.#ended();
        if (ended !== undefined) settle(new Error(`${ended} before ${what}: ${this.#seen()}`));
      };
      const timer = setTimeout(
        () => settle(new Error(`No ${what} within ${this.#waitMs} ms: ${this.#seen()}`)),
        this.#waitMs,
      );
      this.#waiters.add(check);
      check();
    });
  }
}

const LOOK_MS = 5;

/** Resolves once `holds`, for what tells nobody when it changes. */
export async function eventually(
  what: string,
  holds: () => boolean | Promise<boolean>,
  waitMs = 20_000,
): Promise<void> {
  const deadlineMs = performance.now() + waitMs;
  while (!(await holds())) {
    if (performance.now() > deadlineMs) throw new Error(`No ${what} within ${waitMs} ms.`);
    await sleep(LOOK_MS);
  }
}
