import { LatchkeyError } from '@latchkey/client';

/** What a sender is told whose write may have been made: never what says that nothing was kept. */
export function unsure(cause: unknown): LatchkeyError {
  return new LatchkeyError(
    'timeout',
    'The connection to the Redis was lost while this was written: it may or may not have been. Read the keys, or send it again with idempotency keys.',
    { retryAfter: 1, cause },
  );
}

export function notReached(): LatchkeyError {
  return new LatchkeyError('not-ready', 'The Redis of the log is not reached; nothing of this was kept.', {
    retryAfter: 1,
  });
}

/** `reason` as of the log's state. */
export function notYet(reason: string): LatchkeyError {
  return new LatchkeyError('not-ready', `Nothing can be written now, and nothing of this was kept: ${reason}.`, {
    retryAfter: 1,
  });
}

export function closing(): LatchkeyError {
  return new LatchkeyError('closing', 'The server is stopping; come back, to this or another node.', { retryAfter: 1 });
}
