import { LatchkeyError, quote } from '@latchkey/client';
import type { Command, Refusal } from '../commands/command.ts';
import type { Format } from '../formats/format.ts';
import { skipSpace } from '../shared/json-grammar.ts';
import { type JsonMember, jsonMembers, jsonValueEnd } from '../shared/json-members.ts';

/** What a client sent in one frame. `id` is its id as JSON text, `1` or `"a"`, undefined where it gave none. */
export type ClientFrame =
  | { readonly kind: 'watch'; readonly id: string; readonly fields: Readonly<Record<string, unknown>> }
  | { readonly kind: 'unwatch'; readonly id: string }
  | { readonly kind: 'ping'; readonly id: string | undefined }
  | { readonly kind: 'command'; readonly id: string; readonly command: Command | Refusal };

/** A frame that is none of these, with the id it named, if it did. */
export interface FrameFault {
  readonly kind: 'fault';
  readonly id: string | undefined;
  readonly error: LatchkeyError;
}

const ID_LENGTH_MAX = 128;
const TAKES: Readonly<Record<string, readonly string[]>> = {
  watch: ['op', 'id', 'filter', 'from', 'values'],
  unwatch: ['op', 'id'],
  ping: ['op', 'id'],
};

/** Reads one text frame. Never throws: what it can't read is a fault. A command keeps the text of its value. */
export function readFrame(text: string, commandFormat: Format): ClientFrame | FrameFault {
  let id: string | undefined;
  try {
    const members = membersOf(text);
    const idMember = members.findLast(({ name }) => name === 'id');
    const op = parsed(
      text,
      members.findLast(({ name }) => name === 'op'),
    );
    if (idMember !== undefined) id = idOf(parsed(text, idMember));
    if (typeof op !== 'string')
      throw invalid('A frame names what it wants in "op", such as {"op":"watch","id":1}.', 'op');
    const takes = TAKES[op];
    if (takes !== undefined) checkFields(members, takes, op);
    if (op === 'ping') return { kind: 'ping', id };
    if (id === undefined) throw invalid(`A frame with op ${quote(op)} needs an "id", which its answers carry.`, 'id');
    if (op === 'unwatch') return { kind: 'unwatch', id };
    if (op !== 'watch') return commandOf(id, text, members, commandFormat);
    return { kind: 'watch', id, fields: JSON.parse(text) as Record<string, unknown> };
  } catch (error) {
    const known = error instanceof LatchkeyError ? error : invalid('A frame is one JSON object with an "op".', 'op');
    return { kind: 'fault', id, error: known };
  }
}

function membersOf(text: string): readonly JsonMember[] {
  const start = skipSpace(text, 0, text.length);
  try {
    const { members, end } = jsonMembers(text, start, (_name, at) => jsonValueEnd(text, at));
    if (skipSpace(text, end, text.length) === text.length) return members;
  } catch (error) {
    // Its message says where the text stops being JSON.
    if (error instanceof LatchkeyError) throw invalid(error.message, 'op');
    throw error;
  }
  throw invalid(`A frame is one JSON object with an "op", but got ${quote(text)}.`, 'op');
}

function parsed(text: string, member: JsonMember | undefined): unknown {
  return member === undefined ? undefined : JSON.parse(text.slice(member.valueStart, member.end));
}

function idOf(value: unknown): string {
  const id = typeof value === 'number' || typeof value === 'string' ? JSON.stringify(value) : undefined;
  if (id !== undefined && id.length <= ID_LENGTH_MAX) return id;
  throw invalid(`id takes a number or a string of at most ${ID_LENGTH_MAX} characters, but got ${quote(value)}.`, 'id');
}

function checkFields(members: readonly JsonMember[], takes: readonly string[], op: string): void {
  const unknown = members.find(({ name }) => !takes.includes(name));
  if (unknown === undefined) return;
  const message = `A frame with op ${quote(op)} has no field ${quote(unknown.name)}; it takes ${takes.join(', ')}.`;
  throw new LatchkeyError('unknown-field', message, { field: unknown.name });
}

function commandOf(id: string, text: string, members: readonly JsonMember[], format: Format): ClientFrame {
  const decoded = format.decode({ body: Buffer.from(withoutId(text, members)) });
  if (decoded.length === 1) return { kind: 'command', id, command: decoded[0] as Command | Refusal };
  throw invalid(`A frame is one command, but this one holds ${decoded.length}.`, 'op');
}

/** A command takes no `id`; every other member keeps its text. */
function withoutId(text: string, members: readonly JsonMember[]): string {
  const kept = members.filter(({ name }) => name !== 'id').map(({ start, end }) => text.slice(start, end));
  return `{${kept.join(',')}}`;
}

function invalid(message: string, field: string): LatchkeyError {
  return new LatchkeyError('frame-invalid', message, { field });
}
