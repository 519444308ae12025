import type { Command } from '../commands/command.ts';
import type { Timestamp } from '../shared/change.ts';
import { ENTRY_ID_HEADER, type Format } from './format.ts';

/** Ids that a Redis makes are times; those of others that begin before 1973 or after 9999 count something else. */
const FIRST_MS = 100_000_000_000;
const LAST_MS = 253_402_300_799_999;
const MICROS_MAX = 999;

/**
 * The format of messages that are entries of a stream: a command that says no `updated` is as new as its entry. Entries of one
 * millisecond keep their order.
 */
export function entryTimeFormat(format: Format): Format {
  return {
    kind: format.kind,
    decode(message) {
      const updated = timeOfEntry(message.headers?.[ENTRY_ID_HEADER]);
      const commands = format.decode(message);
      if (updated === undefined) return commands;
      return commands.map((command) => ('outcome' in command ? command : dated(command, updated)));
    },
  };
}

/** Undefined where the id is none, or no time. */
export function timeOfEntry(id: string | undefined): Timestamp | undefined {
  const [, milliseconds, sequence] = /^(\d{1,15})-(\d+)$/.exec(id ?? '') ?? [];
  const ms = Number(milliseconds);
  if (!(ms >= FIRST_MS && ms <= LAST_MS)) return undefined;
  return { micros: ms * 1000 + Math.min(Number(sequence), MICROS_MAX) };
}

function dated(command: Command, updated: Timestamp): Command {
  if (command.op !== 'put' && command.op !== 'merge' && command.op !== 'remove') return command;
  return command.updated === undefined ? { ...command, updated } : command;
}
