import { setTimeout as sleep } from 'node:timers/promises';
import { LatchkeyError } from '@latchkey/client';

/** What an example's writer is given. */
export interface WriterContext {
  /** Where the server is. */
  readonly server: string;
  readonly signal: AbortSignal;
  readonly say: (line: string) => void;
}

/**
 * Calls `step` again and again, with a pause between, until the signal aborts. A server that is away is said once and tried again;
 * the facts of that time are lost to it, and newer ones follow.
 */
export async function pulse(
  everyMs: number,
  { signal, say }: WriterContext,
  step: () => Promise<unknown>,
): Promise<void> {
  let isAway = false;
  while (!signal.aborted) {
    try {
      await step();
      isAway = false;
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof LatchkeyError) || !error.retryable) throw error;
      if (!isAway) say(`nothing was written: ${error.message}`);
      isAway = true;
    }
    // Rejects only where the signal aborts, which ends the loop.
    await sleep(everyMs, undefined, { signal }).catch(() => {});
  }
}
