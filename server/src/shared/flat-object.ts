import type { Refusal } from '../commands/command.ts';
import type { Payload } from './change.ts';
import { isObjectAt, jsonMembers, jsonValueEnd } from './json-members.ts';
import { refuse } from './refusal.ts';

const QUOTE = '"';

/**
 * The fields of a flat JSON object as a hash holds them: texts without their quotes, everything else as its JSON text. Undefined
 * where the text is no object, or one of its values is an object or an array. Of a name that is repeated the last one counts.
 */
export function flatFields(text: string): Map<string, string> | undefined {
  const start = text.length - text.trimStart().length;
  if (!isObjectAt(text, start)) return undefined;
  const fields = new Map<string, string>();
  let isFlat = true;
  jsonMembers(text, start, (name, valueStart) => {
    const end = jsonValueEnd(text, valueStart);
    const first = text[valueStart];
    if (first === '{' || first === '[') isFlat = false;
    const value = text.slice(valueStart, end);
    fields.set(name, first === QUOTE ? (JSON.parse(value) as string) : value);
    return end;
  });
  return isFlat ? fields : undefined;
}

/** What keeps a value from being a hash. */
export function refuseNotFlat(value: Payload): Refusal | undefined {
  const fields = value.kind === 'json' ? flatFields(value.data) : undefined;
  if (fields !== undefined && fields.size > 0) return undefined;
  const message =
    'The entry is kept as a hash, which takes a JSON object of at least one field, without objects or arrays in it.';
  return refuse('not-flat', message, 'value');
}
