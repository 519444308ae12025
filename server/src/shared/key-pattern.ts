import { LatchkeyError, quote } from '@latchkey/client';
import { templateParts } from './key-template.ts';

/** The fields of a template, by their names as it writes them. */
export type KeyFields = ReadonlyMap<string, string>;

/** A key template read backwards: which keys it can have made, and of which fields. */
export interface KeyPattern {
  readonly fields: readonly string[];
  /** Undefined where the template can't have made this key. No field is empty; where several ways lead to the key, the first field is the shortest. */
  match(key: string): KeyFields | undefined;
}

/**
 * Compiles `battery:{battery_id}:data` once. Taking each text at its leftmost place never loses a match, because a field is any run
 * of characters: a match is one pass over the key.
 * @throws LatchkeyError `config-invalid`: also for a template whose fields could not be told apart
 */
export function compileKeyPattern(text: string, field: string): KeyPattern {
  const fault = (what: string) =>
    new LatchkeyError('config-invalid', `${field}: the key template ${quote(text)} ${what}.`, { field });
  const fields: string[] = [];
  /** `texts[i]` stands before field i; one more than there are fields. */
  const texts = [''];
  for (const part of templateParts(text, field)) {
    if (part.kind === 'recordKey') throw fault('names {$key}, but here it takes apart keys; name its parts instead');
    if (part.kind === 'text') {
      texts[texts.length - 1] = part.text;
      continue;
    }
    const name = part.path.join('.');
    if (fields.includes(name)) throw fault(`names {${name}} twice; give each part a name of its own`);
    if (fields.length > 0 && texts.at(-1) === '')
      throw fault(`has nothing between {${fields.at(-1)}} and {${name}}; put a text there that tells them apart`);
    fields.push(name);
    texts.push('');
  }
  return { fields, match: (key) => match(key, fields, texts) };
}

function match(key: string, fields: readonly string[], texts: readonly string[]): KeyFields | undefined {
  const first = texts[0] as string;
  const last = texts.at(-1) as string;
  if (fields.length === 0) return key === first ? new Map() : undefined;
  if (!key.startsWith(first)) return undefined;
  const found = new Map<string, string>();
  const end = key.length - last.length;
  let at = first.length;
  for (const [index, name] of fields.entries()) {
    const isLast = index === fields.length - 1;
    const to = isLast ? end : key.indexOf(texts[index + 1] as string, at + 1);
    if (to <= at || to > end) return undefined;
    found.set(name, key.slice(at, to));
    at = isLast ? to : to + (texts[index + 1] as string).length;
  }
  return key.endsWith(last) ? found : undefined;
}
