import { LatchkeyError } from '@latchkey/client';
import { describeFault, faultOf, skipSpace, skipString, skipValue } from './json-grammar.ts';

/** One member of a JSON object, as places in its text: `start` is the quote before the name, `end` the place after the value. */
export interface JsonMember {
  readonly name: string;
  readonly start: number;
  readonly valueStart: number;
  readonly end: number;
}

/** Where the value of that name ends, which begins at `valueStart`; a reader that wants what is inside looks at it here. */
export type ReadValue = (name: string, valueStart: number) => number;

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

export function isObjectAt(text: string, at: number): boolean {
  return text.charCodeAt(at) === OPEN_BRACE;
}

/**
 * The members of the JSON object that begins at `from`, in the order of its text, repeated names included, and the place after
 * the object. Values are not made, so what nobody touches can keep its text; what stands behind the object is not read.
 *
 * @throws LatchkeyError `invalid-json`
 */
export function jsonMembers(
  text: string,
  from: number,
  readValue: ReadValue,
): { readonly members: readonly JsonMember[]; readonly end: number } {
  const to = text.length;
  const members: JsonMember[] = [];
  let at = skipSpace(text, expectCode(text, from, OPEN_BRACE) + 1, to);
  if (text.charCodeAt(at) === CLOSE_BRACE) return { members, end: at + 1 };
  for (;;) {
    const start = expectCode(text, at, QUOTE);
    const nameEnd = sound(text, skipString(text, start + 1));
    const name = decodeString(text.slice(start, nameEnd));
    const valueStart = skipSpace(text, expectCode(text, skipSpace(text, nameEnd, to), COLON) + 1, to);
    const end = readValue(name, valueStart);
    members.push({ name, start, valueStart, end });
    at = skipSpace(text, end, to);
    if (text.charCodeAt(at) === CLOSE_BRACE) return { members, end: at + 1 };
    at = skipSpace(text, expectCode(text, at, COMMA) + 1, to);
  }
}

/**
 * The place after the value that begins at `at`.
 * @throws LatchkeyError `invalid-json`
 */
export function jsonValueEnd(text: string, at: number): number {
  return sound(text, skipValue(text, at, text.length, 1));
}

/** Whether two valid JSON texts differ in nothing but blanks and escapes: `1` and `1.0` differ, and so does another order. */
export function isSameJson(one: string, other: string): boolean {
  if (one === other) return true;
  let a = skipSpace(one, 0, one.length);
  let b = skipSpace(other, 0, other.length);
  while (a < one.length && b < other.length) {
    const aEnd = tokenEnd(one, a);
    const bEnd = tokenEnd(other, b);
    const first = one.slice(a, aEnd);
    const second = other.slice(b, bEnd);
    if (first !== second && !isSameString(first, second)) return false;
    a = skipSpace(one, aEnd, one.length);
    b = skipSpace(other, bEnd, other.length);
  }
  return a === one.length && b === other.length;
}

function tokenEnd(text: string, at: number): number {
  return text.charCodeAt(at) === QUOTE ? sound(text, skipString(text, at + 1)) : at + 1;
}

function isSameString(one: string, other: string): boolean {
  const areStrings = one.charCodeAt(0) === QUOTE && other.charCodeAt(0) === QUOTE;
  return areStrings && (one.includes('\\') || other.includes('\\')) && decodeString(one) === decodeString(other);
}

function decodeString(text: string): string {
  return text.includes('\\') ? (JSON.parse(text) as string) : text.slice(1, -1);
}

function expectCode(text: string, at: number, code: number): number {
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
