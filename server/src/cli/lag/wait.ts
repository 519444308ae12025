import { setTimeout as sleep } from 'node:timers/promises';

/** Resolves at the end of the time, or at once when the signal aborts. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (ms <= 0) return;
  await sleep(ms, undefined, { signal }).catch(() => {});
}

/** Lets one program wait for what many events may bring about, with a bound. */
export class Arrivals {
  #next = Promise.withResolvers<void>();

  wake(): void {
    this.#next.resolve();
    this.#next = Promise.withResolvers();
  }

  /** Whether it came to hold within the time, before the signal aborted. */
  async until(holds: () => boolean, waitMaxMs: number, signal: AbortSignal): Promise<boolean> {
    const end = AbortSignal.any([signal, ...(Number.isFinite(waitMaxMs) ? [AbortSignal.timeout(waitMaxMs)] : [])]);
    const ended = Promise.withResolvers<void>();
    const onEnd = () => ended.resolve();
    end.addEventListener('abort', onEnd, { once: true });
    try {
      while (!holds() && !end.aborted) await Promise.race([this.#next.promise, ended.promise]);
      return holds();
    } finally {
      end.removeEventListener('abort', onEnd);
    }
  }
}
