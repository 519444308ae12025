import type { PutCommand } from '../commands/command.ts';
import type { Timestamp } from '../shared/change.ts';
import { skipValue } from '../shared/json-grammar.ts';
import { jsonPayload } from '../shared/payload.ts';
import { parseTimestamp } from '../shared/timestamp.ts';
import { ttlMicros } from '../shared/ttl.ts';
import { IDEMPOTENCY_KEY_BYTES_MAX } from './command-fields.ts';
import type { FormatLimits } from './message-text.ts';

/*
 * The puts that nearly everybody sends, read without an object for each field: the fields below in any order, each once, texts
 * without escapes and beyond ASCII nothing, at most one space behind a colon or comma. Whatever is not exactly that is left to the
 * decoder that takes everything and says what is wrong; where this one answers, it answers the same.
 */

const SPACE = 0x20;
const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const DELETE = 0x7f;

/** By the first letter of the name. */
const LETTER_I = 0x69;
const LETTER_K = 0x6b;
const LETTER_O = 0x6f;
const LETTER_T = 0x74;
const LETTER_U = 0x75;
const LETTER_V = 0x76;

/** The command from its text, which ends at a line's, a value's or the text's end; undefined where it is for the other decoder. */
export function decodePlainPut(text: string, from: number, to: number, limits: FormatLimits): PutCommand | undefined {
  if (text.charCodeAt(from) !== OPEN_BRACE) return undefined;
  let isPut = false;
  let key: string | undefined;
  let value: string | undefined;
  let updated: Timestamp | undefined;
  let ttl: number | undefined;
  let idempotencyKey: string | undefined;
  for (let at = from + 1; ; ) {
    if (text.charCodeAt(at) !== QUOTE) return undefined;
    const first = text.charCodeAt(at + 1);
    let end: number;
    if (first === LETTER_V && value === undefined) {
      const start = behind(text, at, 'value');
      if (start < 0) return undefined;
      end = skipValue(text, start, to, 1);
      if (end < 0) return undefined;
      value = text.slice(start, end);
    } else if (first === LETTER_T && ttl === undefined) {
      const start = behind(text, at, 'ttl');
      if (start < 0 || text.charCodeAt(start) === QUOTE) return undefined;
      end = skipValue(text, start, to, 1);
      const micros = end < 0 ? undefined : ttlMicros(Number(text.slice(start, end)));
      if (typeof micros !== 'number') return undefined;
      ttl = micros;
    } else {
      const name = nameOf(first);
      const start = name === undefined ? -1 : behind(text, at, name);
      if (start < 0 || text.charCodeAt(start) !== QUOTE) return undefined;
      end = plainTextEnd(text, start + 1);
      if (end < 0) return undefined;
      if (name === 'op') {
        if (isPut || end - start !== 5 || !text.startsWith('put', start + 1)) return undefined;
        isPut = true;
      } else if (name === 'key') {
        if (key !== undefined) return undefined;
        key = text.slice(start + 1, end - 1);
      } else if (name === 'updated') {
        if (updated !== undefined) return undefined;
        updated = parseTimestamp(text.slice(start + 1, end - 1));
        if (updated === undefined) return undefined;
      } else {
        if (idempotencyKey !== undefined) return undefined;
        idempotencyKey = text.slice(start + 1, end - 1);
      }
    }
    const code = text.charCodeAt(end);
    if (code === CLOSE_BRACE) {
      if (end + 1 !== to) return undefined;
      break;
    }
    if (code !== COMMA) return undefined;
    at = text.charCodeAt(end + 1) === SPACE ? end + 2 : end + 1;
  }
  if (!isPut || key === undefined || value === undefined) return undefined;
  if (key.length === 0 || key.length > limits.keyBytesMax || value.length * 3 > limits.valueBytesMax) return undefined;
  const payload = jsonPayload(value);
  if (updated === undefined && ttl === undefined && idempotencyKey === undefined)
    return { op: 'put', key, value: payload };
  if (
    idempotencyKey !== undefined &&
    (idempotencyKey.length === 0 || idempotencyKey.length > IDEMPOTENCY_KEY_BYTES_MAX)
  )
    return undefined;
  return {
    op: 'put',
    key,
    value: payload,
    ...(updated === undefined ? {} : { updated }),
    ...(ttl === undefined ? {} : { ttlMicros: ttl }),
    ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
  };
}

function nameOf(first: number): 'op' | 'key' | 'updated' | 'idempotencyKey' | undefined {
  if (first === LETTER_O) return 'op';
  if (first === LETTER_K) return 'key';
  if (first === LETTER_U) return 'updated';
  return first === LETTER_I ? 'idempotencyKey' : undefined;
}

/** Where the value of the member of that name starts, whose quote stands at `at`; negative where it has another name. */
function behind(text: string, at: number, name: string): number {
  const end = at + 1 + name.length;
  for (let index = 1; index < name.length; index += 1) {
    if (text.charCodeAt(at + 1 + index) !== name.charCodeAt(index)) return -1;
  }
  if (text.charCodeAt(end) !== QUOTE || text.charCodeAt(end + 1) !== COLON) return -1;
  return text.charCodeAt(end + 2) === SPACE ? end + 3 : end + 2;
}

/** Behind the quote that ends a text of nothing but what a key may hold, ASCII and no escapes; negative for any other. */
function plainTextEnd(text: string, from: number): number {
  for (let at = from; ; at += 1) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) return at + 1;
    // Written so that the NaN past the end of the text fails too.
    if (!(code >= SPACE && code < DELETE) || code === BACKSLASH) return -1;
  }
}
