/** What a batch, or a command of it, is told when it can't be taken. */
import { type ErrorCode, LatchkeyError } from '@latchkey/client';
import type { Outcome, Refusal } from '../commands/command.ts';

/** What the other commands of an atomic batch are told. */
export const ABORTED: Refusal = {
  outcome: 'refused',
  code: 'atomic-aborted',
  message: 'Another command of this atomic batch was not applied, so nothing of it was.',
};

/** Whether an outcome keeps an atomic batch from being kept. */
export function isFailure(outcome: Outcome): boolean {
  return outcome.outcome === 'refused' || outcome.outcome === 'conflict' || outcome.outcome === 'late';
}

export function refused(code: ErrorCode, message: string, field: string, limit?: number): Refusal {
  return limit === undefined
    ? { outcome: 'refused', code, message, field }
    : { outcome: 'refused', code, message, field, limit };
}

export function tooBig(): LatchkeyError {
  return new LatchkeyError(
    'batch-too-big',
    'A batch that is atomic, fenced or carries source progress must fit one step of 1,000 changes and 1 MiB; send it in smaller ones.',
    { limit: 1000 },
  );
}

/** For a fault that is nobody's but Latchkey's. */
export function notDecided(cause: unknown): LatchkeyError {
  const message = 'The batch could not be decided because of a bug in Latchkey; nothing of it was kept.';
  return new LatchkeyError('internal', message, { cause });
}
