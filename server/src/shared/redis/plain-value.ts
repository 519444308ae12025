import type { Payload } from '../change.ts';
import { flatFields } from '../flat-object.ts';
import { checkJson } from '../json-grammar.ts';
import { jsonMembers, jsonValueEnd } from '../json-members.ts';
import { jsonPayload, textOf, textPayload } from '../payload.ts';

const OPEN_BRACE = 0x7b;
const OPEN_BRACKET = 0x5b;
const JSON_NUMBER = /^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$/;

/**
 * The value that a SET of a Redis client stores. Whatever it becomes, the same bytes can be given back: a JSON object or array is
 * JSON, so that those who watch get it as such; other UTF-8 is text, a number too, for a Redis client means its digits; the rest is
 * bytes.
 */
export function payloadOfBytes(bytes: Buffer): Payload {
  const text = textOf(bytes);
  if (text === undefined) return { kind: 'binary', data: Buffer.from(bytes), contentType: 'application/octet-stream' };
  if (isContainer(bytes) && checkJson(text) === undefined) return jsonPayload(text);
  return textPayload(text);
}

/** As `payloadOfBytes` for what others wrote over a value: what is JSON for those who watch stays JSON while it can, a number too. */
export function payloadOfString(bytes: Buffer, before: Payload | undefined): Payload {
  if (before?.kind !== 'json') return payloadOfBytes(bytes);
  const text = textOf(bytes);
  return text !== undefined && checkJson(text) === undefined ? jsonPayload(text) : payloadOfBytes(bytes);
}

/**
 * The JSON object of a hash's fields: texts, but for those that are something else in the value before and can still be that. The
 * fields of that value keep their order, for a Redis has none. Undefined where a name or value is not UTF-8.
 */
export function payloadOfHash(
  fields: readonly (readonly [name: Buffer, value: Buffer])[],
  before: Payload | undefined,
): Payload | undefined {
  const texts = new Map<string, string>();
  for (const [name, value] of fields) {
    const nameText = textOf(name);
    const valueText = textOf(value);
    if (nameText === undefined || valueText === undefined) return undefined;
    texts.set(nameText, valueText);
  }
  const tokens = tokensOf(before);
  const kept = [...tokens.keys()].filter((name) => texts.has(name));
  const names = new Set([...kept, ...texts.keys()]);
  const members = Array.from(names, (name) => {
    const text = texts.get(name) as string;
    return `${JSON.stringify(name)}:${jsonOf(text, tokens.get(name))}`;
  });
  return jsonPayload(`{${members.join(',')}}`);
}

interface Token {
  /** As it stands in the JSON text. */
  readonly json: string;
  /** As a hash has it. */
  readonly text: string;
}

function jsonOf(text: string, before: Token | undefined): string {
  if (before?.text === text) return before.json;
  const wasNumber = before !== undefined && JSON_NUMBER.test(before.json);
  return wasNumber && JSON_NUMBER.test(text) ? text : JSON.stringify(text);
}

function tokensOf(payload: Payload | undefined): ReadonlyMap<string, Token> {
  const tokens = new Map<string, Token>();
  if (payload?.kind !== 'json') return tokens;
  const texts = flatFields(payload.data);
  if (texts === undefined) return tokens;
  const json = payload.data;
  const start = json.length - json.trimStart().length;
  jsonMembers(json, start, (name, valueStart) => {
    const end = jsonValueEnd(json, valueStart);
    tokens.set(name, { json: json.slice(valueStart, end), text: texts.get(name) as string });
    return end;
  });
  return tokens;
}

function isContainer(bytes: Buffer): boolean {
  for (const byte of bytes) {
    if (byte === OPEN_BRACE || byte === OPEN_BRACKET) return true;
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return false;
  }
  return false;
}
