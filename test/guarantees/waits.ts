/** Waits for what a fault needs or causes, each with an end. */
import { setTimeout as sleep } from 'node:timers/promises';

export const BITE_TIMEOUT_MS = 60_000;
const POLL_MS = 10;

export async function until(
  holds: () => boolean | Promise<boolean>,
  what: string,
  timeoutMs = BITE_TIMEOUT_MS,
  pollMs = POLL_MS,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`there was no ${what} within ${timeoutMs} ms`);
    await sleep(pollMs);
  }
}

export async function within<T>(promise: Promise<T>, what: string): Promise<T> {
  const stop = new AbortController();
  const late = sleep(BITE_TIMEOUT_MS, undefined, { signal: stop.signal }).then(() => {
    throw new Error(`there was no ${what} within ${BITE_TIMEOUT_MS} ms`);
  });
  late.catch(() => {}); // Not late at all.
  try {
    return await Promise.race([promise, late]);
  } finally {
    stop.abort();
  }
}
