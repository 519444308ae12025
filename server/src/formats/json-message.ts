import type { Refusal } from '../commands/command.ts';
import { refuse } from '../shared/refusal.ts';
import {
  excerptAt,
  findMember,
  isFault,
  type JsonMember,
  type JsonSpan,
  kindAt,
  scanMembers,
  stringAt,
} from './json-text.ts';

/** The value at a path of names, or undefined where the path leads nowhere. `members` are those of the whole message. */
export function spanAtPath(
  text: string,
  members: readonly JsonMember[],
  path: readonly string[],
): JsonSpan | undefined {
  let inside = members;
  let found: JsonMember | undefined;
  for (const [depth, name] of path.entries()) {
    if (depth > 0) {
      if (found === undefined || kindAt(text, found) !== 'object') return undefined;
      const scanned = scanMembers(text, found.start, found.end);
      if (isFault(scanned)) return undefined;
      inside = scanned;
    }
    found = findMember(inside, name);
  }
  return found;
}

/** The text that a field gives to a key: a string's content, or a number, `true` or `false` as written. Anything else is refused. */
export function keyPart(text: string, members: readonly JsonMember[], path: readonly string[]): string | Refusal {
  const name = path.join('.');
  const span = spanAtPath(text, members, path);
  if (span === undefined)
    return refuse('event-invalid', `The message has no field ${name}, which its key is made of.`, name);
  const kind = kindAt(text, span);
  if (kind === 'object' || kind === 'array' || kind === 'null') {
    const message = `The field ${name} takes a string or a number, because the key is made of it, but got ${excerptAt(text, span)}.`;
    return refuse('event-invalid', message, name);
  }
  const part = stringAt(text, span) ?? text.slice(span.start, span.end);
  return part === '' ? refuse('event-invalid', `The field ${name} is empty, but the key is made of it.`, name) : part;
}

/** The object without some of its fields; the text of the others stays as it is. */
export function withoutFields(text: string, members: readonly JsonMember[], omit: readonly string[]): string {
  const kept = members.filter(({ name }) => !omit.includes(name));
  if (kept.length === members.length) return text.trim();
  return `{${kept.map(({ nameStart, end }) => text.slice(nameStart, end)).join(',')}}`;
}
