import { checkJson, faultOf, type JsonFault, skipSpace, skipString, skipValue } from '../shared/json-grammar.ts';

/*
 * Where the members of an object, or the elements of an array, stand in a JSON text, so that a value's own text (`1.0`, numbers
 * beyond 2⁵³, inner whitespace) goes on unchanged. The scan validates fully; only strings that have an escape go through
 * `JSON.parse`. Measured with a put of 186 bytes on Node 24: 0.5 µs, against 0.8 µs for `JSON.parse`, which gives no spans.
 * Names are never used as properties of an object, so `__proto__` is a name like any other.
 */

/** One value: `text.slice(start, end)`. */
export interface JsonSpan {
  readonly start: number;
  readonly end: number;
}

/** One member of an object. `start` and `end` bound the value, `nameStart` is where the quote of the name opens. */
export interface JsonMember extends JsonSpan {
  readonly name: string;
  readonly nameStart: number;
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/**
 * The members of the one object that the text is, in its order, duplicates included: the last of a name wins, which is what
 * `findMember` and an assignment in order give. Fault `wrong-shape` where it is valid JSON but no object.
 */
export function scanMembers(text: string, from = 0, to = text.length): JsonMember[] | JsonFault {
  const start = skipSpace(text, from, to);
  if (start >= to || text.charCodeAt(start) !== OPEN_BRACE) {
    return checkJson(text, from, to) ?? { kind: 'wrong-shape', at: start };
  }
  const members: JsonMember[] = [];
  const end = readMembers(text, start, to, members);
  return closed(text, end, to) ?? members;
}

/**
 * The elements of the one array that the text is. Fault `wrong-shape` where it is valid JSON but no array, `too-many` at the
 * element after `countMax`.
 */
export function scanElements(
  text: string,
  from = 0,
  to = text.length,
  countMax = Number.POSITIVE_INFINITY,
): JsonSpan[] | JsonFault {
  const start = skipSpace(text, from, to);
  if (start >= to || text.charCodeAt(start) !== OPEN_BRACKET) {
    return checkJson(text, from, to) ?? { kind: 'wrong-shape', at: start };
  }
  const elements: JsonSpan[] = [];
  let at = skipSpace(text, start + 1, to);
  if (text.charCodeAt(at) === CLOSE_BRACKET) return closed(text, at + 1, to) ?? elements;
  for (;;) {
    if (elements.length >= countMax) return { kind: 'too-many', at };
    const end = skipValue(text, at, to, 1);
    if (end < 0) return faultOf(end);
    elements.push({ start: at, end });
    at = skipSpace(text, end, to);
    const code = text.charCodeAt(at);
    if (code === COMMA) at = skipSpace(text, at + 1, to);
    else if (code === CLOSE_BRACKET) return closed(text, at + 1, to) ?? elements;
    else return { kind: 'malformed', at };
  }
}

/** Where the object that the text begins with ends, or undefined where it begins with no whole object. The rest is not read. */
export function firstObjectEnd(text: string, from = 0, to = text.length): number | undefined {
  const start = skipSpace(text, from, to);
  if (start >= to || text.charCodeAt(start) !== OPEN_BRACE) return undefined;
  const end = skipValue(text, start, to, 0);
  return end < 0 ? undefined : end;
}

/** The last member of that name. */
export function findMember(members: readonly JsonMember[], name: string): JsonMember | undefined {
  for (let index = members.length - 1; index >= 0; index -= 1) {
    const member = members[index] as JsonMember;
    if (member.name === name) return member;
  }
  return undefined;
}

export function isFault(scanned: readonly unknown[] | JsonFault): scanned is JsonFault {
  return !Array.isArray(scanned);
}

/** The string that a span of valid JSON is, or undefined where it is another value. May hold lone surrogates, from `\ud800`. */
export function stringAt(text: string, span: JsonSpan): string | undefined {
  return text.charCodeAt(span.start) === QUOTE ? unquote(text, span.start, span.end) : undefined;
}

export type JsonKind = 'object' | 'array' | 'string' | 'number' | 'true' | 'false' | 'null';

const KIND_OF_FIRST: Readonly<Record<string, JsonKind>> = {
  '{': 'object',
  '[': 'array',
  '"': 'string',
  t: 'true',
  f: 'false',
  n: 'null',
};

/** What a span of valid JSON holds, by its first character. */
export function kindAt(text: string, span: JsonSpan): JsonKind {
  return KIND_OF_FIRST[text.charAt(span.start)] ?? 'number';
}

/** A value's text as a message can show it: cut to what a reader takes in, on one line. */
export function excerptAt(text: string, span: JsonSpan, lengthMax = 60): string {
  const excerpt = text.slice(span.start, Math.min(span.end, span.start + lengthMax)).toWellFormed();
  return `${excerpt.replace(/[\r\n\t]/g, ' ')}${span.end - span.start > lengthMax ? '…' : ''}`;
}

function readMembers(text: string, start: number, to: number, into: JsonMember[]): number {
  let at = skipSpace(text, start + 1, to);
  if (text.charCodeAt(at) === CLOSE_BRACE) return at + 1;
  for (;;) {
    if (text.charCodeAt(at) !== QUOTE) return -at - 1;
    const nameStart = at;
    const nameEnd = skipString(text, at + 1);
    if (nameEnd < 0) return nameEnd;
    at = skipSpace(text, nameEnd, to);
    if (text.charCodeAt(at) !== COLON) return -at - 1;
    const valueStart = skipSpace(text, at + 1, to);
    const end = skipValue(text, valueStart, to, 1);
    if (end < 0) return end;
    into.push({ name: unquote(text, nameStart, nameEnd), nameStart, start: valueStart, end });
    at = skipSpace(text, end, to);
    const code = text.charCodeAt(at);
    if (code === COMMA) at = skipSpace(text, at + 1, to);
    else return code === CLOSE_BRACE ? at + 1 : -at - 1;
  }
}

function unquote(text: string, start: number, end: number): string {
  const raw = text.slice(start + 1, end - 1);
  return raw.includes('\\') ? (JSON.parse(text.slice(start, end)) as string) : raw;
}

// The fault of a scan that ended at `end`: its own, or something that stands behind the value.
function closed(text: string, end: number, to: number): JsonFault | undefined {
  if (end < 0) return faultOf(end);
  const rest = skipSpace(text, end, to);
  return rest < to ? { kind: 'malformed', at: rest } : undefined;
}
