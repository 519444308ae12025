import { LatchkeyError } from '@latchkey/client';
import type { Refusal } from '../../commands/command.ts';
import { checkJson, describeFault, skipSpace, skipString } from '../../shared/json-grammar.ts';
import { isObjectAt, jsonMembers, jsonValueEnd } from '../../shared/json-members.ts';
import { isRefusal, refuse } from '../../shared/refusal.ts';
import { cellJson, converted } from './field-type.ts';
import type { Mapping } from './mapping.ts';
import { bytesText, excerpt, type Row, readable } from './row.ts';

/** The command that a plain row becomes by its mapping. Its value's text, names and numbers are the row's own, byte for byte. */
export function mappedCommand(row: Row, mapping: Mapping, columns: readonly string[]): string | Refusal {
  const fields = row.cells === undefined ? jsonFields(row, mapping) : cellFields(row, mapping, columns);
  if (fields !== undefined && isRefusal(fields)) return fields;
  const key = mapping.template.fill({
    recordKey: row.name,
    field: (path) => keyPart(fields, path),
  });
  if (typeof key !== 'string') return key;
  const value = valueText(row, fields, mapping);
  if (typeof value !== 'string') return value;
  let command = `{"op":"${mapping.op}","key":"${key}","value":${value}`;
  for (const time of ['updated', 'valid'] as const) {
    const name = mapping[time];
    if (name === undefined) continue;
    const json = fieldAt(fields, [name]);
    if (json === undefined) {
      const field = readable(name);
      return refuse('updated-invalid', `The row has no field ${field}, which --${time} names.`, field);
    }
    command += `,"${time}":${onOneLine(json)}`;
  }
  return mapping.ttl === undefined ? `${command}}` : `${command},"ttl":${mapping.ttl}}`;
}

/** JSON texts by name, in the row's order. */
type Fields = ReadonlyMap<string, string>;

/** Undefined for a JSON value that has no fields. */
function jsonFields({ from, text, to }: Row, mapping: Mapping): Fields | Refusal | undefined {
  const start = skipSpace(text, from, to);
  if (!isObjectAt(text, start)) {
    const fault = checkJson(text, from, to);
    if (fault !== undefined) return refuseJson(`it has ${describeFault(text, fault, from, to)}`);
    return mapping.keepsText && mapping.op === 'put'
      ? undefined
      : refuse('not-an-object', `The row takes a JSON object, but got ${excerpt(text.slice(start, to))}.`);
  }
  try {
    const line = text.slice(start, to);
    const { end, members } = jsonMembers(line, 0, (_name, valueStart) => jsonValueEnd(line, valueStart));
    if (skipSpace(line, end, line.length) < line.length)
      return refuseJson(`something stands behind it at character ${end + 1}`);
    return new Map(members.map((each) => [rawName(line, each.start), line.slice(each.valueStart, each.end)]));
  } catch (error) {
    if (error instanceof LatchkeyError) return refuse('invalid-json', error.message);
    throw error;
  }
}

/** A name as JSON writes it between quotes; one that has an escape stands here as it would be written without a needless one. */
function rawName(text: string, start: number): string {
  const raw = text.slice(start + 1, skipString(text, start + 1) - 1);
  return raw.includes('\\') ? bytesText(JSON.stringify(JSON.parse(readable(`"${raw}"`))).slice(1, -1)) : raw;
}

function cellFields({ cells }: Row, mapping: Mapping, columns: readonly string[]): Fields | Refusal {
  const fields = new Map<string, string>();
  for (const [index, cell] of (cells ?? []).entries()) {
    const column = columns[index] as string;
    const json = cellJson(cell, mapping.fields.get(column)?.type ?? 'auto', column);
    if (json === undefined) continue;
    if (typeof json !== 'string') return json;
    fields.set(column, json);
  }
  return fields;
}

function fieldAt(fields: Fields | undefined, path: readonly string[]): string | undefined {
  let found = fields?.get(path[0] as string);
  // A field whose own name has dots goes before a path into fields.
  const whole = path.length > 1 ? fields?.get(path.join('.')) : undefined;
  if (whole !== undefined) return whole;
  for (const name of path.slice(1)) {
    if (found === undefined || !isObjectAt(found, 0)) return undefined;
    const inside = found;
    const { members } = jsonMembers(inside, 0, (_name, valueStart) => jsonValueEnd(inside, valueStart));
    const member = members.findLast(({ start }) => rawName(inside, start) === name);
    found = member === undefined ? undefined : inside.slice(member.valueStart, member.end);
  }
  return found;
}

/** What a field gives to a key: a string's content, still as JSON writes it, or a number, `true` or `false`. */
function keyPart(fields: Fields | undefined, path: readonly string[]): string | Refusal {
  const name = readable(path.join('.'));
  const json = fieldAt(fields, path);
  if (json === undefined)
    return refuse('event-invalid', `The row has no field ${name}, which its key is made of.`, name);
  if (json === '""') return refuse('event-invalid', `The field ${name} is empty, but the key is made of it.`, name);
  if (json.startsWith('"')) return json.slice(1, -1);
  if (!/^[{[n]/.test(json)) return json;
  const message = `The field ${name} takes a string or a number, because the key is made of it, but got ${excerpt(json)}.`;
  return refuse('event-invalid', message, name);
}

function valueText(row: Row, fields: Fields | undefined, mapping: Mapping): string | Refusal {
  if (mapping.keepsText && row.cells === undefined) return onOneLine(row.text.slice(row.from, row.to));
  if (mapping.value !== undefined) {
    const json = fields?.get(mapping.value);
    if (json !== undefined) return onOneLine(json);
    const name = readable(mapping.value);
    return refuse('event-invalid', `The row has no field ${name}, which --value names.`, name);
  }
  const parts: string[] = [];
  for (const [name, json] of fields ?? []) {
    const field = mapping.fields.get(name);
    if (mapping.omit.has(name) || (mapping.isOnly && field === undefined)) continue;
    const changed = row.cells !== undefined || field === undefined ? json : converted(json, field.type, name);
    if (typeof changed !== 'string') return changed;
    parts.push(`"${field?.name ?? name}":${changed}`);
  }
  return onOneLine(`{${parts.join(',')}}`);
}

/** Inside strings JSON escapes line breaks, so every raw one stands between tokens. */
function onOneLine(json: string): string {
  return json.includes('\n') ? json.replace(/[\r\n]/g, ' ') : json;
}

function refuseJson(why: string): Refusal {
  return refuse('invalid-json', `The row is not JSON: ${why}.`);
}
