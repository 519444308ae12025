import type { Refusal } from '../../commands/command.ts';
import { checkJson } from '../../shared/json-grammar.ts';
import { refuse } from '../../shared/refusal.ts';
import { bytesText, type Cell, excerpt, readable } from './row.ts';

export const FIELD_TYPES = ['auto', 'string', 'number', 'boolean', 'json'] as const;
export type FieldType = (typeof FIELD_TYPES)[number];

const NUMBER = /^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$/;

/**
 * The JSON text of a CSV cell. Without a type, numbers, `true` and `false` are what they look like unless they are quoted, with
 * their digits as written: `1.0` stays `1.0`, and `007`, which is no JSON number, stays text. Undefined for an empty cell that
 * is not quoted: it says nothing.
 */
export function cellJson(cell: Cell, type: FieldType, column: string): string | Refusal | undefined {
  const { isQuoted, text } = cell;
  if (text === '' && !isQuoted && type !== 'string') return undefined;
  if (type !== 'auto') return converted(JSON.stringify(text), type, column);
  const isBare = !isQuoted && (text === 'true' || text === 'false' || NUMBER.test(text));
  return isBare ? text : JSON.stringify(text);
}

/** The JSON text of a field as another type; `auto` leaves it. */
export function converted(json: string, type: FieldType, field: string): string | Refusal {
  const isString = json.startsWith('"');
  switch (type) {
    case 'auto':
      return json;
    case 'string':
      return isString ? json : JSON.stringify(json);
    case 'number': {
      const digits = isString ? json.slice(1, -1).trim() : json;
      return NUMBER.test(digits) ? digits : refuseType(json, 'a number', field);
    }
    case 'boolean': {
      const word = isString ? json.slice(1, -1).trim().toLowerCase() : json;
      if (word === 'true' || word === '1') return 'true';
      if (word === 'false' || word === '0') return 'false';
      return refuseType(json, 'true, false, 1 or 0', field);
    }
    case 'json': {
      if (!isString) return json;
      const text = bytesText(JSON.parse(readable(json)) as string);
      return checkJson(text) === undefined ? text.replace(/[\r\n]/g, ' ') : refuseType(json, 'JSON', field);
    }
  }
}

function refuseType(json: string, takes: string, field: string): Refusal {
  const name = readable(field);
  return refuse('event-invalid', `The field ${name} takes ${takes}, but got ${excerpt(json)}.`, name);
}
