import { isUtf8 } from 'node:buffer';
import type { Refusal } from '../commands/command.ts';
import { type Payload, payloadBytes } from './change.ts';
import { type ContentType, isJsonType, isUtf8Charset, parseContentType, refuseContentType } from './content-type.ts';
import { checkJson, describeFault } from './json-grammar.ts';
import { refuse } from './refusal.ts';

const FORM = 'application/x-www-form-urlencoded';
const BINARY = 'application/octet-stream';

/** A JSON value. `text` is taken as valid JSON: callers have checked it, or made it. */
export function jsonPayload(text: string): Payload {
  return { kind: 'json', data: text };
}

export function textPayload(text: string, contentType = 'text/plain'): Payload {
  return { kind: 'text', data: text, contentType };
}

/** The text of UTF-8 bytes, a byte order mark included, or undefined where they are not UTF-8. */
export function textOf(bytes: Buffer): string | undefined {
  return isUtf8(bytes) ? bytes.toString('utf8') : undefined;
}

/**
 * The value that a body is, by its content type. JSON types must hold valid JSON in UTF-8; `text/*` in UTF-8 is text; without a
 * type, or with the one that `curl -d` sends, it is JSON if it parses, else text, else binary; anything else is binary.
 * Refusals: `invalid-json`, and `invalid-request` for a content type that is none.
 */
export function payloadFromBody(body: Buffer, contentType: string | undefined): Payload | Refusal {
  if (contentType === undefined || contentType.trim() === '') return guess(body);
  const type = parseContentType(contentType);
  if (type === undefined) return refuseContentType(contentType, 'content-type');
  return type.mediaType === FORM ? guess(body) : typed(body, contentType, type);
}

/** As `payloadFromBody` for bytes whose sender said what they are: nothing is guessed. `field` names the type in a refusal. */
export function payloadOfType(body: Buffer, contentType: string, field = 'contentType'): Payload | Refusal {
  const type = parseContentType(contentType);
  return type === undefined ? refuseContentType(contentType, field) : typed(body, contentType, type);
}

/** The exact bytes that were sent. */
export function payloadToBytes(payload: Payload): Buffer {
  return payload.kind === 'binary' ? payload.data : Buffer.from(payload.data, 'utf8');
}

/**
 * How entries and changes show a value: JSON as its own text, text as a JSON string, bytes as a base64 string. `json` has no line
 * break, so it may stand in NDJSON and SSE; in a JSON text that has some between its tokens they become spaces.
 */
export function payloadToJsonText(payload: Payload): { json: string; contentType?: string; encoding?: 'base64' } {
  switch (payload.kind) {
    case 'json': {
      const json = onOneLine(payload.data);
      return payload.contentType === undefined ? { json } : { json, contentType: payload.contentType };
    }
    case 'text':
      return { json: JSON.stringify(payload.data), contentType: payload.contentType };
    case 'binary':
      return { json: `"${payload.data.toString('base64')}"`, contentType: payload.contentType, encoding: 'base64' };
  }
}

/** The same bytes, of the same kind and content type. */
export function payloadEquals(a: Payload, b: Payload): boolean {
  if (a.kind !== b.kind || a.contentType !== b.contentType) return false;
  return a.kind === 'binary' ? a.data.equals(b.data as Buffer) : a.data === b.data;
}

export function refuseValueSize(payload: Payload, valueBytesMax: number, field = 'value'): Refusal | undefined {
  // No UTF-16 unit takes more than three bytes of UTF-8, so most values need no counting.
  if (payload.data.length * 3 <= valueBytesMax) return undefined;
  const bytes = payloadBytes(payload);
  if (bytes <= valueBytesMax) return undefined;
  const message = `${field} has ${bytes} bytes; limits.valueBytesMax is ${valueBytesMax}.`;
  return refuse('value-too-big', message, field, valueBytesMax);
}

function guess(body: Buffer): Payload | Refusal {
  const text = textOf(body);
  if (text === undefined) return { kind: 'binary', data: body, contentType: BINARY };
  const fault = checkJson(text);
  if (fault === undefined) return jsonPayload(text);
  return fault.kind === 'too-deep' ? refuseJson(text) : textPayload(text);
}

function typed(body: Buffer, contentType: string, type: ContentType): Payload | Refusal {
  if (isJsonType(type.mediaType)) {
    const text = textOf(body);
    if (text === undefined)
      return refuse('invalid-json', 'The value is not UTF-8, which JSON must be; send it in UTF-8.', 'value');
    const isPlain = type.mediaType === 'application/json' && !type.hasMore;
    if (checkJson(text) !== undefined) return refuseJson(text);
    return isPlain ? jsonPayload(text) : { kind: 'json', data: text, contentType };
  }
  if (type.mediaType.startsWith('text/') && isUtf8Charset(type.charset)) {
    const text = textOf(body);
    if (text !== undefined) return textPayload(text, contentType);
  }
  return { kind: 'binary', data: body, contentType };
}

function refuseJson(text: string): Refusal {
  const fault = checkJson(text);
  const found = fault === undefined ? '' : `: ${describeFault(text, fault)}`;
  return refuse('invalid-json', `The value is not JSON${found}; send JSON, or name another content type.`, 'value');
}

// Inside strings JSON escapes line breaks, so every raw one stands between tokens.
function onOneLine(json: string): string {
  return json.includes('\n') || json.includes('\r') ? json.replace(/[\r\n]/g, ' ') : json;
}
