import { LatchkeyError } from '@latchkey/client';
import { describeFault, faultOf, skipSpace, skipString, skipValue } from './json-grammar.ts';

/** One member of a JSON object, as places in its text: `start` is the quote before the name, `end` the place after the value. */
export interface JsonMember {
  readonly name: string;
  readonly start: number;
  readonly valueStart: number;
  readonly end: number;
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/**
 * The members of a JSON object in the order of its text, repeated names included, without making their values: so that what
 * nobody touches keeps its text. Undefined where the text begins with no object; what stands behind the object is not read.
 *
 * @throws LatchkeyError `invalid-json`
 */
export function jsonMembers(text: string): JsonMember[] | undefined {
  const to = text.length;
  let at = skipSpace(text, 0, to);
  if (text.charCodeAt(at) !== OPEN_BRACE) return undefined;
  const members: JsonMember[] = [];
  at = skipSpace(text, at + 1, to);
  if (text.charCodeAt(at) === CLOSE_BRACE) return members;
  for (;;) {
    const start = expect(text, at, QUOTE);
    const nameEnd = sound(text, skipString(text, start + 1));
    at = expect(text, skipSpace(text, nameEnd, to), COLON);
    const valueStart = skipSpace(text, at + 1, to);
    const end = sound(text, skipValue(text, valueStart, to, 1));
    members.push({ name: decodeString(text.slice(start, nameEnd)), start, valueStart, end });
    at = skipSpace(text, end, to);
    if (text.charCodeAt(at) === CLOSE_BRACE) return members;
    at = skipSpace(text, expect(text, at, COMMA) + 1, to);
  }
}

/**
 * Whether two JSON texts differ in nothing but blanks and escapes. Numbers are compared as text: `1` and `1.0` differ, and so
 * do members in another order.
 *
 * @throws LatchkeyError `invalid-json`
 */
export function isSameJson(one: string, other: string): boolean {
  return one === other || compact(one) === compact(other);
}

function compact(text: string): string {
  const to = text.length;
  let kept = '';
  let at = skipSpace(text, 0, to);
  while (at < to) {
    const isString = text.charCodeAt(at) === QUOTE;
    const end = isString ? sound(text, skipString(text, at + 1)) : at + 1;
    const token = text.slice(at, end);
    kept += isString && token.includes('\\') ? JSON.stringify(decodeString(token)) : token;
    at = skipSpace(text, end, to);
  }
  return kept;
}

function decodeString(text: string): string {
  return text.includes('\\') ? (JSON.parse(text) as string) : text.slice(1, -1);
}

function expect(text: string, at: number, code: number): number {
  return text.charCodeAt(at) === code ? at : sound(text, -at - 1);
}

/** The index, unless it stands for a fault. */
function sound(text: string, index: number): number {
  if (index >= 0) return index;
  throw new LatchkeyError(
    'invalid-json',
    `The text is not JSON: ${describeFault(text, faultOf(index))}. Send valid JSON.`,
  );
}
