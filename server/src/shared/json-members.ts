import { LatchkeyError, quote } from '@latchkey/client';

/** One member of a JSON object, as places in its text: `start` is the quote before the name, `end` the place after the value. */
export interface JsonMember {
  readonly name: string;
  readonly start: number;
  readonly valueStart: number;
  readonly end: number;
}

const QUOTE = 34;
const BACKSLASH = 92;
const BRACE = 123;
const BRACE_END = 125;
const BRACKET = 91;
const BRACKET_END = 93;
const COMMA = 44;
const COLON = 58;

/**
 * The members of a JSON object in the order of its text, repeated names included, without parsing their values: so that what
 * nobody touches keeps its text. Undefined where the text is no object. The text is taken to be valid JSON; nesting costs no
 * stack.
 *
 * @throws LatchkeyError `invalid-json` where the text can't be JSON
 */
export function jsonMembers(text: string): JsonMember[] | undefined {
  let at = skipSpace(text, 0);
  if (text.charCodeAt(at) !== BRACE) return undefined;
  const members: JsonMember[] = [];
  at = skipSpace(text, at + 1);
  if (text.charCodeAt(at) === BRACE_END) return members;
  for (;;) {
    const start = at;
    const nameEnd = skipString(text, start);
    at = skipSpace(text, nameEnd);
    if (text.charCodeAt(at) !== COLON) throw malformed(text, at);
    const valueStart = skipSpace(text, at + 1);
    const end = skipValue(text, valueStart);
    members.push({ name: decodeString(text.slice(start, nameEnd)), start, valueStart, end });
    at = skipSpace(text, end);
    const next = text.charCodeAt(at);
    if (next === BRACE_END) return members;
    if (next !== COMMA) throw malformed(text, at);
    at = skipSpace(text, at + 1);
  }
}

/**
 * Whether two JSON texts differ in nothing but blanks and escapes. Numbers are compared as text: `1` and `1.0` differ, and so
 * do members in another order.
 *
 * @throws LatchkeyError `invalid-json` where a text can't be JSON
 */
export function isSameJson(one: string, other: string): boolean {
  return one === other || compact(one) === compact(other);
}

function compact(text: string): string {
  let kept = '';
  let at = skipSpace(text, 0);
  while (at < text.length) {
    const end = text.charCodeAt(at) === QUOTE ? skipString(text, at) : at + 1;
    const token = text.slice(at, end);
    kept += token.includes('\\') ? JSON.stringify(decodeString(token)) : token;
    at = skipSpace(text, end);
  }
  return kept;
}

function decodeString(text: string): string {
  if (!text.includes('\\')) return text.slice(1, -1);
  try {
    return JSON.parse(text) as string;
  } catch (cause) {
    throw new LatchkeyError('invalid-json', `The text ${quote(text)} is not a JSON string; escape it as JSON does.`, {
      cause,
    });
  }
}

/** The place after the value that begins at `at`. */
function skipValue(text: string, at: number): number {
  const first = text.charCodeAt(at);
  if (first === QUOTE) return skipString(text, at);
  if (first === BRACE || first === BRACKET) return skipContainer(text, at);
  let end = at;
  while (end < text.length && !isScalarEnd(text.charCodeAt(end))) end += 1;
  if (end === at) throw malformed(text, at);
  return end;
}

function skipContainer(text: string, at: number): number {
  let depth = 0;
  for (let index = at; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code === QUOTE) index = skipString(text, index) - 1;
    else if (code === BRACE || code === BRACKET) depth += 1;
    else if (code === BRACE_END || code === BRACKET_END) {
      depth -= 1;
      if (depth === 0) return index + 1;
    }
  }
  throw malformed(text, text.length);
}

/** Looks for quotes instead of reading each character: long strings are the bulk of most values. */
function skipString(text: string, at: number): number {
  if (text.charCodeAt(at) !== QUOTE) throw malformed(text, at);
  for (let end = text.indexOf('"', at + 1); end > 0; end = text.indexOf('"', end + 1)) {
    let before = end - 1;
    while (text.charCodeAt(before) === BACKSLASH) before -= 1;
    if ((end - before) % 2 === 1) return end + 1;
  }
  throw malformed(text, text.length);
}

function skipSpace(text: string, from: number): number {
  let at = from;
  while (isSpace(text.charCodeAt(at))) at += 1;
  return at;
}

function isSpace(code: number): boolean {
  return code === 32 || code === 10 || code === 13 || code === 9;
}

function isScalarEnd(code: number): boolean {
  return code === COMMA || code === BRACE_END || code === BRACKET_END || isSpace(code);
}

function malformed(text: string, at: number): LatchkeyError {
  const found = at < text.length ? quote(text.slice(at, at + 20)) : 'its end';
  return new LatchkeyError(
    'invalid-json',
    `The text is not JSON: at character ${at} there is ${found}. Send valid JSON.`,
  );
}
