import type {
  Command,
  ExpireCommand,
  MergeCommand,
  PutCommand,
  ReadCommand,
  Refusal,
  RemoveCommand,
  RemoveMatchingCommand,
  WriteOptions,
} from '../commands/command.ts';
import { describeFault } from '../shared/json-grammar.ts';
import { nameValue, refuse } from '../shared/refusal.ts';
import { CommandFields, type Field, type FieldSet, fieldSet } from './command-fields.ts';
import { isFault, scanMembers } from './json-text.ts';
import type { FormatLimits } from './message-text.ts';
import { decodePlainPut } from './plain-put.ts';

type Mutable<T> = { -readonly [Name in keyof T]: T[Name] };

interface Op {
  readonly takes: FieldSet;
  read(fields: CommandFields): Command;
}

const WRITE = [
  'updated',
  'valid',
  'ttl',
  'ifVersion',
  'ifAbsent',
  'ifPresent',
  'keepExpiry',
  'returnPrevious',
] as const;

const op = (fields: readonly Field[], read: (fields: CommandFields) => Command): Op => ({
  takes: fieldSet(['op', ...fields, 'idempotencyKey']),
  read,
});

const OPS: ReadonlyMap<string, Op> = new Map([
  ['put', op(['key', 'value', ...WRITE, 'contentType', 'encoding'], readPut)],
  ['merge', op(['key', 'value', ...WRITE], readMerge)],
  ['remove', op(['key', 'updated', 'ifVersion', 'returnPrevious'], readRemove)],
  ['removeMatching', op(['pattern', 'dryRun'], readRemoveMatching)],
  ['expire', op(['key', 'ttl'], readExpire)],
  ['read', op(['key'], (fields) => finish<ReadCommand>(fields, { op: 'read', key: fields.key() }))],
]);

/**
 * One command from its JSON text, or from the object that a frame was parsed into (numbers then have the text that JavaScript
 * gives them). Never throws. `ignored` names fields that belong to the protocol around it, such as `id`.
 */
export function decodeCommand(
  input: string | object,
  limits: FormatLimits,
  ignored: readonly string[] = [],
): Command | Refusal {
  if (typeof input === 'string') return decodeCommandAt(input, 0, input.length, limits, ignored);
  let text: string | undefined;
  try {
    text = JSON.stringify(input);
  } catch {
    // A cycle, a BigInt, or nesting beyond the stack: nothing that came from JSON within the limits.
  }
  if (text === undefined) return refuse('invalid-request', "The command can't be written as JSON; send its JSON text.");
  return decodeCommandAt(text, 0, text.length, limits, ignored);
}

/** As `decodeCommand`, for a part of a text that ends at a line's, a value's or the text's end. */
export function decodeCommandAt(
  text: string,
  from: number,
  to: number,
  limits: FormatLimits,
  ignored: readonly string[] = [],
): Command | Refusal {
  return decodePlainPut(text, from, to, limits) ?? decodeAnyCommand(text, from, to, limits, ignored);
}

/** Everything that a command can be, and what is wrong with what is none. */
export function decodeAnyCommand(
  text: string,
  from: number,
  to: number,
  limits: FormatLimits,
  ignored: readonly string[] = [],
): Command | Refusal {
  const members = scanMembers(text, from, to);
  if (isFault(members)) {
    if (members.kind === 'wrong-shape') {
      return refuse('invalid-request', 'A command is a JSON object like {"op":"put","key":"a","value":1}.');
    }
    return refuse('invalid-json', `The command is not JSON: ${describeFault(text, members, from, to)}.`);
  }
  const fields = new CommandFields(text, members, limits, ignored);
  const name = fields.string('op');
  const known = name === undefined ? undefined : OPS.get(name);
  if (known === undefined) return refuseOp(fields, name);
  const unexpected = fields.unexpected(known.takes);
  if (unexpected !== undefined) return refuseField(name as string, unexpected, known.takes);
  const command = known.read(fields);
  return fields.refusal ?? command;
}

function refuseOp(fields: CommandFields, name: string | undefined): Refusal {
  if (fields.refusal !== undefined) return fields.refusal;
  if (name === 'observe') {
    return refuse('observe-refused', 'observe is made by sources only; send put, or remove, instead.', 'op');
  }
  return refuse('unknown-op', `op takes ${[...OPS.keys()].join(', ')}, but got ${nameValue(name)}.`, 'op');
}

function refuseField(name: string, unexpected: string, takes: FieldSet): Refusal {
  const message = `${name} has no field ${nameValue(unexpected)}; it takes ${takes.names.join(', ')}.`;
  return refuse('invalid-request', message, unexpected.slice(0, 100).toWellFormed());
}

function readPut(fields: CommandFields): PutCommand {
  const key = fields.key();
  // A missing payload left a refusal, and the command is not used.
  const value = fields.payload() ?? { kind: 'json', data: 'null' };
  const command: Mutable<PutCommand> = { op: 'put', key, value };
  readWriteOptions(fields, command);
  return finish(fields, command);
}

function readMerge(fields: CommandFields): MergeCommand {
  const command: Mutable<MergeCommand> = { op: 'merge', key: fields.key(), patch: fields.patch() };
  readWriteOptions(fields, command);
  return finish(fields, command);
}

function readRemove(fields: CommandFields): RemoveCommand {
  const command: Mutable<RemoveCommand> = { op: 'remove', key: fields.key() };
  const updated = fields.timestamp('updated');
  if (updated !== undefined) command.updated = updated;
  const ifVersion = fields.version();
  if (ifVersion !== undefined) command.ifVersion = ifVersion;
  if (fields.boolean('returnPrevious') === true) command.returnPrevious = true;
  return finish(fields, command);
}

function readRemoveMatching(fields: CommandFields): RemoveMatchingCommand {
  const command: Mutable<RemoveMatchingCommand> = { op: 'removeMatching', pattern: fields.pattern() };
  if (fields.boolean('dryRun') === true) command.dryRun = true;
  return finish(fields, command);
}

function readExpire(fields: CommandFields): ExpireCommand {
  const key = fields.key();
  const ttlMicros = fields.ttl(true);
  if (ttlMicros === undefined) {
    fields.refusal ??= refuse('ttl-invalid', 'ttl is missing; expire takes seconds, or null for no expiry.', 'ttl');
  }
  return finish(fields, { op: 'expire', key, ttlMicros: ttlMicros ?? null });
}

function readWriteOptions(fields: CommandFields, into: Mutable<WriteOptions>): void {
  const updated = fields.timestamp('updated');
  if (updated !== undefined) into.updated = updated;
  const valid = fields.timestamp('valid');
  if (valid !== undefined) into.valid = valid;
  const ttlMicros = fields.ttl(false);
  if (ttlMicros !== undefined) into.ttlMicros = ttlMicros;
  const ifVersion = fields.version();
  if (ifVersion !== undefined) into.ifVersion = ifVersion;
  if (fields.boolean('ifAbsent') === true) into.ifAbsent = true;
  if (fields.boolean('ifPresent') === true) into.ifPresent = true;
  if (fields.boolean('keepExpiry') === true) into.keepExpiry = true;
  if (fields.boolean('returnPrevious') === true) into.returnPrevious = true;
  if (into.keepExpiry === true && ttlMicros !== undefined) {
    fields.refusal ??= refuse(
      'invalid-request',
      'keepExpiry and ttl exclude each other; send one of them.',
      'keepExpiry',
    );
  }
  if (into.ifAbsent === true && (into.ifPresent === true || ifVersion !== undefined)) {
    const message = 'ifAbsent and ifPresent or ifVersion can never hold together; send one of them.';
    fields.refusal ??= refuse('invalid-request', message, 'ifAbsent');
  }
}

function finish<T extends Command>(fields: CommandFields, command: Mutable<T>): T {
  const idempotencyKey = fields.idempotencyKey();
  if (idempotencyKey !== undefined) command.idempotencyKey = idempotencyKey;
  return command;
}
