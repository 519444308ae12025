import type { Version } from '@latchkey/client';
import type { Command, MergeCommand, PutCommand } from '../commands/command.ts';
import type { Log } from '../log/log.ts';
import { ANONYMOUS } from '../shared/access.ts';
import type { Change, Payload } from '../shared/change.ts';
import { flatFields } from '../shared/flat-object.ts';
import type { Logger } from '../shared/logger.ts';
import { jsonPayload, payloadEquals } from '../shared/payload.ts';
import type { Taken } from './intake.ts';

/** Values as they lie where others read them. */
export interface KeptValues {
  /** The bytes of a string; undefined where there is none. */
  text(key: string): Promise<Buffer | undefined>;
  /** The fields of a hash; undefined where there is none. */
  fields(key: string): Promise<ReadonlyMap<string, string> | undefined>;
  close(): void;
}

export interface ValidationSetup {
  readonly source: string;
  readonly log: Log;
  readonly logger: Logger;
  /** Where the log keeps values for others too; undefined: it keeps them for itself. */
  readonly kept: KeptValues | undefined;
}

const REPAIRS_MAX = 3;

/**
 * Reads back what messages wrote (`validate`): where others read it, or in the view of a log that keeps values for itself. A value that
 * is not the entry's is counted, told, and written again.
 */
export class Validation {
  readonly #setup: ValidationSetup;
  #differences = 0;

  constructor(setup: ValidationSetup) {
    this.#setup = setup;
  }

  get differences(): number {
    return this.#differences;
  }

  /** @throws LatchkeyError where it could not be read, or the log can't take a repair now; it can be asked again */
  async check(taken: readonly Taken[]): Promise<void> {
    await Promise.all(taken.map((each) => this.#checkMessage(each)));
  }

  close(): void {
    this.#setup.kept?.close();
  }

  async #checkMessage({ arrival, commands, outcomes }: Taken): Promise<void> {
    const { logger, source } = this.#setup;
    let isGood = true;
    let written = 0;
    for (const [index, command] of commands.entries()) {
      const outcome = outcomes[index];
      if ('outcome' in command || (command.op !== 'put' && command.op !== 'merge')) continue;
      if (outcome?.outcome !== 'applied') continue;
      written += 1;
      isGood = (await this.#checkKey(command, outcome.version?.offset)) && isGood;
    }
    if (written > 0 && isGood) logger.info({ source, ...arrival.coordinates }, 'Data validation successful.');
  }

  /** Whether it was as it should be at first sight. `offset` is that of the change which the command made. */
  async #checkKey(command: PutCommand | MergeCommand, offset: number | undefined): Promise<boolean> {
    const { log, logger, source } = this.#setup;
    const { key } = command;
    for (let repairs = 0; ; repairs += 1) {
      const entry = log.view.get(key);
      if (entry?.value === undefined) return repairs === 0;
      const value = command.op === 'put' && entry.offset === offset ? command.value : entry.value;
      // What was written by somebody else meanwhile is theirs to answer for.
      if ((await this.#isKept(entry, value)) || log.view.get(key)?.offset !== entry.offset) return repairs === 0;
      this.#differences += 1;
      const isLast = repairs === REPAIRS_MAX;
      const next = isLast ? 'it differs again and again, so it is left as it is' : 'it is written again';
      logger.error({ source, key }, `Data validation failed: the value read back is not the one written; ${next}.`);
      if (isLast) return false;
      await this.#repair(entry, value);
    }
  }

  async #repair(entry: Change, value: Payload): Promise<void> {
    const { kept, log, source } = this.#setup;
    const submit = (command: Command) =>
      log.submit({ commands: [command], principal: ANONYMOUS, origin: `redis-pubsub:${source}` });
    let ifVersion = log.view.epochs.version(entry);
    if (kept !== undefined && entry.as === 'hash') {
      // Of a hash only the fields are written that differ from the entry, so the entry has to be what is there first.
      const { outcomes } = await submit(await foundOf(entry, kept));
      const [observed] = outcomes;
      if (observed?.outcome === 'applied' && observed.version !== undefined) ifVersion = observed.version;
    }
    await submit(repairOf(entry, value, ifVersion));
  }

  async #isKept(entry: Change, value: Payload): Promise<boolean> {
    const { kept } = this.#setup;
    const { as, key } = entry;
    if (kept === undefined) return entry.value !== undefined && payloadEquals(entry.value, value);
    if (as !== 'hash') return (await kept.text(key))?.equals(Buffer.from(value.data)) === true;
    const fields = value.kind === 'json' ? flatFields(value.data) : undefined;
    const found = await kept.fields(key);
    if (fields === undefined || found === undefined || fields.size !== found.size) return false;
    return [...fields].every(([name, text]) => found.get(name) === text);
  }
}

async function foundOf({ expires, key }: Change, kept: KeptValues): Promise<Command> {
  const fields = await kept.fields(key);
  const observe = { op: 'observe', key, isAtHome: true, ...(expires === undefined ? {} : { expires }) } as const;
  if (fields === undefined) return { ...observe, found: undefined };
  return { ...observe, found: jsonPayload(JSON.stringify(Object.fromEntries(fields))), as: 'hash' };
}

/** The value once more, unless the entry has changed since. */
function repairOf(entry: Change, value: Payload, ifVersion: Version): Command {
  const { as, expires, key, updated, valid } = entry;
  return {
    op: 'put',
    key,
    value,
    updated,
    ifVersion,
    acceptLate: true,
    recordEqual: true,
    ...(valid === undefined ? {} : { valid }),
    ...(expires === undefined ? {} : { keepExpiry: true }),
    ...(as === undefined ? {} : { as }),
  };
}
