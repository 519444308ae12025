import type { Arguments, CommandSpec } from './call.ts';
import { CONNECTION_COMMANDS } from './commands-connection.ts';
import { HASH_COMMANDS } from './commands-hash.ts';
import { KEY_COMMANDS } from './commands-key.ts';
import { PUBSUB_COMMANDS } from './commands-pubsub.ts';
import { serverCommands } from './commands-server.ts';
import { SET_COMMANDS } from './commands-set.ts';
import { STRING_COMMANDS } from './commands-string.ts';
import { TRANSACTION_COMMANDS } from './commands-transaction.ts';

/** Every command, by its name in lower case. What is not here is unknown. */
export const COMMANDS: ReadonlyMap<string, CommandSpec> = new Map(
  [
    ...CONNECTION_COMMANDS,
    ...STRING_COMMANDS,
    ...KEY_COMMANDS,
    ...HASH_COMMANDS,
    ...SET_COMMANDS,
    ...TRANSACTION_COMMANDS,
    ...PUBSUB_COMMANDS,
    ...serverCommands(() => COMMANDS),
  ].map((spec) => [spec.name, spec]),
);

/** As most clients write them, so that a name is found without being changed. */
const SPELLINGS: ReadonlyMap<string, CommandSpec> = new Map(
  [...COMMANDS].flatMap(([name, spec]) => [
    [name, spec],
    [name.toUpperCase(), spec],
  ]),
);

const NAME_LENGTH_MAX = 32;

export function commandOf(name: string): CommandSpec | undefined {
  return SPELLINGS.get(name) ?? (name.length > NAME_LENGTH_MAX ? undefined : COMMANDS.get(name.toLowerCase()));
}

/** Finds the commands of one connection: most are followed by others of the same name, which is then not made a string of. */
export class CommandFinder {
  #name = '';
  #spec: CommandSpec | undefined;

  find(request: Arguments & { equals(index: number, text: string): boolean }): CommandSpec | undefined {
    if (this.#spec !== undefined && request.equals(0, this.#name)) return this.#spec;
    const name = request.latin1(0);
    const found = commandOf(name);
    // What is none may have a name of any length.
    if (found !== undefined) {
      this.#name = name;
      this.#spec = found;
    }
    return found;
  }
}
