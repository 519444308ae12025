/**
 * The grammar of JSON (RFC 8259) over a text, without building anything: each function returns the index behind what it took.
 *
 * Measured on Node 24 with a put command of 186 bytes: this check 0.39 µs, `JSON.parse` 0.76 µs; 1 MB of numbers takes 2.6 ms
 * either way, one string of 1 MiB 1.4 ms against 0.8 ms. Commands are small, so one scan that also finds the spans of values
 * beats `JSON.parse` for validation beside it.
 */

/** Deeper nesting is refused: what reads the value later may be recursive, in any language; so is the scan itself. */
export const JSON_DEPTH_MAX = 512;

/** Why a text is not JSON that is taken here, and at which index. */
export interface JsonFault {
  readonly kind: 'malformed' | 'too-deep' | 'wrong-shape' | 'too-many';
  readonly at: number;
}

// A fault at an index is returned as -(index + 1), one of depth below all of those.
const TOO_DEEP = 2 ** 40;

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const MINUS = 0x2d;
const ZERO = 0x30;
const NINE = 0x39;

/** The fault of a text that is not one JSON value, or undefined. `to` must be the end of the text, of a line, or of a value. */
export function checkJson(text: string, from = 0, to = text.length): JsonFault | undefined {
  const end = skipValue(text, skipSpace(text, from, to), to, 0);
  if (end < 0) return faultOf(end);
  const rest = skipSpace(text, end, to);
  return rest < to ? { kind: 'malformed', at: rest } : undefined;
}

/** A sentence part for messages: `an unexpected "x" at character 12`, counted from the `from` that was scanned. */
export function describeFault(text: string, fault: JsonFault, from = 0, to = text.length): string {
  const place = `at character ${fault.at - from + 1}`;
  if (fault.kind === 'too-deep') return `nesting deeper than ${JSON_DEPTH_MAX} levels ${place}`;
  if (fault.at >= to) return `it ends too early, ${place}`;
  const found = String.fromCodePoint(text.codePointAt(fault.at) ?? 0);
  return `an unexpected ${JSON.stringify(found)} ${place}`;
}

/** What a negative index of the functions below stands for. */
export function faultOf(code: number): JsonFault {
  return code < -TOO_DEEP ? { kind: 'too-deep', at: -(code + TOO_DEEP) - 1 } : { kind: 'malformed', at: -code - 1 };
}

/** The index of the next character that is no JSON whitespace, at most `to`. */
export function skipSpace(text: string, from: number, to: number): number {
  let at = from;
  for (; at < to; at += 1) {
    const code = text.charCodeAt(at);
    if (code > 0x20 || (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09)) break;
  }
  return at;
}

/** Where the value that starts at `at` ends, or a fault below zero; `depth` is the number of containers around it. */
// Past the text's end charCodeAt is NaN, which fails every comparison below; at a line's end stands a line break, which no
// value may hold. So only whitespace needs to look at `to`.
export function skipValue(text: string, at: number, to: number, depth: number): number {
  if (at >= to) return -at - 1;
  const code = text.charCodeAt(at);
  if (code === QUOTE) return skipString(text, at + 1);
  if (code === OPEN_BRACE) return skipObject(text, at, to, depth + 1);
  if (code === OPEN_BRACKET) return skipArray(text, at, to, depth + 1);
  if (code === 0x74) return skipWord(text, at, 'true');
  if (code === 0x66) return skipWord(text, at, 'false');
  if (code === 0x6e) return skipWord(text, at, 'null');
  return skipNumber(text, at);
}

function skipObject(text: string, start: number, to: number, depth: number): number {
  if (depth > JSON_DEPTH_MAX) return -start - 1 - TOO_DEEP;
  let at = skipSpace(text, start + 1, to);
  if (text.charCodeAt(at) === CLOSE_BRACE) return at + 1;
  for (;;) {
    if (text.charCodeAt(at) !== QUOTE) return -at - 1;
    at = skipString(text, at + 1);
    if (at < 0) return at;
    at = skipSpace(text, at, to);
    if (text.charCodeAt(at) !== COLON) return -at - 1;
    at = skipValue(text, skipSpace(text, at + 1, to), to, depth);
    if (at < 0) return at;
    at = skipSpace(text, at, to);
    const code = text.charCodeAt(at);
    if (code === COMMA) at = skipSpace(text, at + 1, to);
    else return code === CLOSE_BRACE ? at + 1 : -at - 1;
  }
}

function skipArray(text: string, start: number, to: number, depth: number): number {
  if (depth > JSON_DEPTH_MAX) return -start - 1 - TOO_DEEP;
  let at = skipSpace(text, start + 1, to);
  if (text.charCodeAt(at) === CLOSE_BRACKET) return at + 1;
  for (;;) {
    at = skipValue(text, at, to, depth);
    if (at < 0) return at;
    at = skipSpace(text, at, to);
    const code = text.charCodeAt(at);
    if (code === COMMA) at = skipSpace(text, at + 1, to);
    else return code === CLOSE_BRACKET ? at + 1 : -at - 1;
  }
}

/** `from` is behind the opening quote. */
export function skipString(text: string, from: number): number {
  for (let at = from; ; at += 1) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) return at + 1;
    if (code === BACKSLASH) {
      const escaped = text.charCodeAt(at + 1);
      if (escaped === 0x75) {
        for (let digit = at + 2; digit < at + 6; digit += 1) if (!isHex(text.charCodeAt(digit))) return -digit - 1;
        at += 5;
      } else if (isEscape(escaped)) at += 1;
      else return -at - 2;
    } else if (!(code >= 0x20)) return -at - 1;
  }
}

function skipNumber(text: string, start: number): number {
  let at = start;
  if (text.charCodeAt(at) === MINUS) at += 1;
  if (text.charCodeAt(at) === ZERO) at += 1;
  else {
    const digits = skipDigits(text, at);
    if (digits === at) return -at - 1;
    at = digits;
  }
  if (text.charCodeAt(at) === 0x2e) {
    const digits = skipDigits(text, at + 1);
    if (digits === at + 1) return -digits - 1;
    at = digits;
  }
  const exponent = text.charCodeAt(at) | 0x20;
  if (exponent === 0x65) {
    const sign = text.charCodeAt(at + 1);
    const first = sign === MINUS || sign === 0x2b ? at + 2 : at + 1;
    const digits = skipDigits(text, first);
    if (digits === first) return -digits - 1;
    at = digits;
  }
  return at;
}

function skipDigits(text: string, from: number): number {
  let at = from;
  for (;;) {
    const code = text.charCodeAt(at);
    if (code >= ZERO && code <= NINE) at += 1;
    else return at;
  }
}

function skipWord(text: string, at: number, word: 'true' | 'false' | 'null'): number {
  for (let index = 1; index < word.length; index += 1) {
    if (text.charCodeAt(at + index) !== word.charCodeAt(index)) return -(at + index) - 1;
  }
  return at + word.length;
}

function isHex(code: number): boolean {
  return (code >= ZERO && code <= NINE) || ((code | 0x20) >= 0x61 && (code | 0x20) <= 0x66);
}

// The characters " \ / b f n r t.
function isEscape(code: number): boolean {
  return (
    code === QUOTE ||
    code === BACKSLASH ||
    code === 0x2f ||
    code === 0x62 ||
    code === 0x66 ||
    code === 0x6e ||
    code === 0x72 ||
    code === 0x74
  );
}
