import { type Change, isLive, type Payload } from '../../shared/change.ts';
import { flatFields } from '../../shared/flat-object.ts';
import { checkJson } from '../../shared/json-grammar.ts';
import { jsonPayload, textOf, textPayload } from '../../shared/payload.ts';

const OPEN_BRACE = 0x7b;
const OPEN_BRACKET = 0x5b;

/**
 * The value that a SET stores. Whatever it becomes, GET gives the same bytes back: a JSON object or array is JSON, so that those who
 * watch get it as such; other UTF-8 is text, a number too, for a Redis client means its digits; the rest is bytes.
 */
export function payloadOfBytes(bytes: Buffer): Payload {
  const text = textOf(bytes);
  if (text === undefined) return { kind: 'binary', data: Buffer.from(bytes), contentType: 'application/octet-stream' };
  if (isContainer(bytes) && checkJson(text) === undefined) return jsonPayload(text);
  return textPayload(text);
}

function isContainer(bytes: Buffer): boolean {
  for (const byte of bytes) {
    if (byte === OPEN_BRACE || byte === OPEN_BRACKET) return true;
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return false;
  }
  return false;
}

/** `hash` where it is kept as one; a JSON object that was written as a whole is a string whose fields can be read too. */
export function typeOf(entry: Change): 'hash' | 'string' {
  return entry.as === 'hash' ? 'hash' : 'string';
}

/** Undefined where it is no flat JSON object. */
export function fieldsOf(entry: Change): Map<string, string> | undefined {
  return entry.value?.kind === 'json' ? flatFields(entry.value.data) : undefined;
}

export function liveOf(entry: Change | undefined, nowMicros: number): Change | undefined {
  return entry !== undefined && isLive(entry, nowMicros) ? entry : undefined;
}
