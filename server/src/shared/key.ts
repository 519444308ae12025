import type { Refusal } from '../commands/command.ts';
import { nameValue, refuse } from './refusal.ts';

/**
 * The refusal of a text that can't be a key, or undefined. A key is 1 to `keyBytesMax` bytes of UTF-8 without control characters
 * (U+0000–U+001F, U+007F) and lone surrogates; `key-invalid` or `key-too-long`. `field` is what the sender calls it.
 */
export function refuseKey(key: unknown, keyBytesMax: number, field = 'key'): Refusal | undefined {
  if (typeof key !== 'string') {
    return refuse(
      'key-invalid',
      `${field} takes a string of 1 to ${keyBytesMax} bytes, but got ${nameValue(key)}.`,
      field,
    );
  }
  if (key.length === 0) {
    return refuse('key-invalid', `${field} is empty; a key has 1 to ${keyBytesMax} bytes.`, field);
  }
  return refuseText(key, keyBytesMax, field, 'key-invalid', 'key-too-long');
}

/** As `refuseKey` for the first part of keys, which may be empty: then it means every key. */
export function refusePrefix(prefix: unknown, keyBytesMax: number, field = 'prefix'): Refusal | undefined {
  if (typeof prefix !== 'string') {
    return refuse('key-invalid', `${field} takes a string, but got ${nameValue(prefix)}.`, field);
  }
  return refuseText(prefix, keyBytesMax, field, 'key-invalid', 'key-too-long');
}

/** As `refuseKey` for a Redis glob; `pattern-required` where there is none, else `pattern-invalid`. */
export function refusePattern(pattern: unknown, keyBytesMax: number, field = 'pattern'): Refusal | undefined {
  if (pattern === undefined) {
    return refuse(
      'pattern-required',
      `${field} is missing; give a pattern such as "a.*", or "*" for every key.`,
      field,
    );
  }
  if (typeof pattern !== 'string' || pattern.length === 0) {
    return refuse('pattern-invalid', `${field} takes a pattern such as "a.*", but got ${nameValue(pattern)}.`, field);
  }
  return refuseText(pattern, keyBytesMax, field, 'pattern-invalid', 'pattern-invalid');
}

function refuseText(
  text: string,
  bytesMax: number,
  field: string,
  invalid: 'key-invalid' | 'pattern-invalid',
  tooLong: 'key-too-long' | 'pattern-invalid',
): Refusal | undefined {
  // UTF-8 never takes fewer bytes than UTF-16 takes units, so an endless text is refused before it is looked at.
  if (text.length > bytesMax) return refuseLength(text.length, bytesMax, field, tooLong);
  let isAscii = true;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code < 0x20 || code === 0x7f) {
      const point = `U+${code.toString(16).toUpperCase().padStart(4, '0')}`;
      return refuse(
        invalid,
        `${field} has the control character ${point} at character ${at + 1}; leave it out.`,
        field,
      );
    }
    if (code > 0x7f) isAscii = false;
  }
  if (isAscii) return undefined;
  if (!text.isWellFormed()) {
    return refuse(
      invalid,
      `${field} has half of a surrogate pair, which UTF-8 can't carry; send whole characters.`,
      field,
    );
  }
  const bytes = Buffer.byteLength(text);
  return bytes > bytesMax ? refuseLength(bytes, bytesMax, field, tooLong) : undefined;
}

function refuseLength(
  atLeast: number,
  bytesMax: number,
  field: string,
  code: 'key-too-long' | 'pattern-invalid',
): Refusal {
  return refuse(code, `${field} has ${atLeast} bytes or more; limits.keyBytesMax is ${bytesMax}.`, field, bytesMax);
}
