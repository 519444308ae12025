import { Backoff } from './backoff.ts';
import type { Command } from './command.ts';
import { LatchkeyError } from './error.ts';
import type { WakeSource } from './wake.ts';

/** A caller waits for the answer: longer pauses than these would make it wait for a server that is back already. */
const WRITE_DELAY_MAX_MS = 3000;

export interface RepeatSetup {
  /** 0: never. */
  readonly retryForMs: number;
  readonly random: () => number;
  readonly wake: WakeSource;
  readonly signal: AbortSignal;
}

/** Whether sending them twice writes them once. */
export function isRepeatable(commands: readonly Command[]): boolean {
  const writes = commands.filter(({ op }) => op !== 'read');
  return writes.length > 0 && writes.every((write) => 'idempotencyKey' in write && write.idempotencyKey !== undefined);
}

/**
 * Sends until it is answered, the fault is none that passes, or `retryForMs` are over. What is sent MUST be repeatable.
 * @throws LatchkeyError the last fault
 */
export async function repeatWrite<Answer>(send: () => Promise<Answer>, setup: RepeatSetup): Promise<Answer> {
  const backoff = new Backoff(setup.random, setup.wake, WRITE_DELAY_MAX_MS);
  const { signal } = setup;
  const endsAtMs = performance.now() + setup.retryForMs;
  for (;;) {
    try {
      return await send();
    } catch (error) {
      if (!(error instanceof LatchkeyError) || !error.retryable) throw error;
      const leastMs = (error.details.retryAfter ?? 0) * 1000;
      const leftMs = endsAtMs - performance.now();
      if (leastMs >= leftMs) throw error;
      // A pause that would outlast the time allowed ends with it, so that the last word is an answer of then.
      backoff.begin(leastMs, undefined, Math.ceil(leftMs));
      await backoff.wait(signal);
      signal.throwIfAborted();
    }
  }
}
