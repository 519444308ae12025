import type { ErrorCode } from '@latchkey/client';
import type { Outcome } from '../commands/command.ts';

/** A message that could not be decoded or decided and whose sender is told nothing. */
export interface DeadLetterDraft {
  readonly source: string;
  /** Where it came from, e.g. `{"topic":"ems","partition":3,"offset":991}`. */
  readonly coordinates: Readonly<Record<string, unknown>>;
  readonly reason: { readonly code: ErrorCode; readonly message: string };
  readonly message: Buffer;
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * A message that the commands `from` to before `to` of a batch were made of: it becomes a dead letter, in the step of the batch, where
 * one of them is refused, and is given the first refusal's reason.
 */
export interface MessageOfCommands {
  readonly from: number;
  readonly to: number;
  readonly letter: Omit<DeadLetterDraft, 'reason'>;
}

/** The messages of a batch that become dead letters by what was decided, in their order. */
export function lettersOfRefused(
  messages: readonly MessageOfCommands[],
  outcomes: readonly Outcome[],
): readonly DeadLetterDraft[] {
  return messages.flatMap(({ from, letter, to }) => {
    for (let index = from; index < to; index += 1) {
      const outcome = outcomes[index];
      if (outcome?.outcome === 'refused')
        return [{ ...letter, reason: { code: outcome.code, message: outcome.message } }];
    }
    return [];
  });
}

export interface DeadLetter extends DeadLetterDraft {
  /** Sortable: later letters have greater ids. */
  readonly id: string;
  /** Microseconds since 1970. */
  readonly receivedAt: number;
  readonly replays: number;
}

/** Dead letters are made, counted and dropped in a batch (`Batch.deadLetters`); this is how they are read. Oldest first. */
export interface DeadLetters {
  get(id: string): DeadLetter | undefined;
  list(options: { readonly after?: string; readonly limit: number; readonly source?: string }): {
    readonly deadLetters: readonly DeadLetter[];
    readonly next?: string;
  };
  /** How many there are, and how many were dropped because `deadLetters.countMax`, `bytesMax` or `ageMax` was passed. */
  counts(): { readonly held: number; readonly bytes: number; readonly dropped: number };
}
