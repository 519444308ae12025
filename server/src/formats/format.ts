import type { Command, Refusal } from '../commands/command.ts';

/** One message as a source or gateway received it. */
export interface Message {
  readonly body: Buffer;
  /** Names in lower case. */
  readonly headers?: Readonly<Record<string, string>>;
  /** The record key of a Kafka message, the path of a request: whatever a key template may call `{$key}`. */
  readonly recordKey?: string;
}

/** The header that holds the id of a Redis stream's entry, which says when it was added. */
export const ENTRY_ID_HEADER = 'redis-stream-id';

/**
 * A format turns one message into commands. It MUST be pure: no IO, no clock, no state. It MUST NOT throw on any input: what it
 * can't read is a refusal with the reason. A refusal stands in the place of the command it could not make, so the sender finds it.
 */
export interface Format {
  readonly kind: string;
  decode(message: Message): readonly (Command | Refusal)[];
}
