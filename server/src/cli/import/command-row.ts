import { LatchkeyError } from '@latchkey/client';
import type { Refusal } from '../../commands/command.ts';
import { skipSpace } from '../../shared/json-grammar.ts';
import { isObjectAt, type JsonMember, jsonMembers, jsonValueEnd } from '../../shared/json-members.ts';
import { refuse } from '../../shared/refusal.ts';
import { parseTimestamp } from '../../shared/timestamp.ts';
import { excerpt, type Row } from './row.ts';

/** What nearly every command begins with; such a line goes on as it is, and the server says what is wrong with it. */
const COMMAND_START = '{"op":"';
/** What a `put` takes of an entry. The others say what was, not what shall be. */
const TAKEN = new Set(['key', 'value', 'updated', 'valid', 'contentType', 'encoding']);
const LEFT = new Set(['version', 'expires', 'stale', 'origin', 'position']);

/**
 * The command of a row that is one, or of an entry as `export` and `list --json` write it: a `put` of the same value, times and
 * type that lives as long as the entry still would at `nowMicros`. `expired` where that is over.
 */
export function commandOfRow(row: Row, nowMicros: number): string | Refusal | 'expired' {
  const { from, text, to } = row;
  if (text.startsWith(COMMAND_START, from)) return lineOf(text, from, to);
  const start = skipSpace(text, from, to);
  if (!isObjectAt(text, start)) {
    return refuse(
      'invalid-request',
      `The row takes a command or an entry as an object, but got ${excerpt(text.slice(start, to))}.`,
    );
  }
  const line = text.slice(start, to);
  try {
    const { end, members } = jsonMembers(line, 0, (_name, valueStart) => jsonValueEnd(line, valueStart));
    const rest = skipSpace(line, end, line.length);
    if (rest < line.length)
      return refuse('invalid-json', `The row is not JSON: ${excerpt(line.slice(rest))} stands behind the object.`);
    if (members.some(({ name }) => name === 'op')) return lineOf(text, from, to);
    return putOfEntry(line, members, nowMicros);
  } catch (error) {
    if (error instanceof LatchkeyError) return refuse('invalid-json', error.message);
    throw error;
  }
}

function putOfEntry(line: string, members: readonly JsonMember[], nowMicros: number): string | Refusal | 'expired' {
  let command = '{"op":"put"';
  let expires: JsonMember | undefined;
  let hasKey = false;
  let hasValue = false;
  for (const member of members) {
    const { end, name, start } = member;
    if (name === 'expires') expires = member;
    if (TAKEN.has(name)) command += `,${line.slice(start, end)}`;
    else if (!LEFT.has(name)) return notOurs(`has the field ${excerpt(name)}`);
    if (name === 'key') hasKey = true;
    if (name === 'value') hasValue = true;
  }
  if (!hasKey || !hasValue) return notOurs(`has no ${hasKey ? 'value' : 'key'}`);
  if (expires !== undefined) {
    const moment = parseTimestamp(line.slice(expires.valueStart + 1, expires.end - 1));
    if (moment === undefined) {
      const message = `expires takes a time like "2026-11-20T12:00:00Z", but got ${excerpt(line.slice(expires.valueStart, expires.end))}.`;
      return refuse('updated-invalid', message, 'expires');
    }
    if (moment.micros <= nowMicros) return 'expired';
    command += `,"ttl":${(moment.micros - nowMicros) / 1_000_000}`;
  }
  return lineOf(`${command}}`, 0);
}

function notOurs(why: string): Refusal {
  const message = `The row is neither a command nor an entry: it ${why}. For plain rows say how keys are made, e.g. --key 'sensor:{id}'.`;
  return refuse('invalid-request', message);
}

/** A row of a JSON document may have line breaks, which stand between tokens there. */
function lineOf(text: string, from: number, to = text.length): string {
  const line = text.slice(from, to);
  return line.includes('\n') ? line.replace(/[\r\n]/g, ' ') : line;
}
