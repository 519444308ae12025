import type { Refusal } from '../commands/command.ts';
import type { Payload } from '../shared/change.ts';
import { isJsonType, isUtf8Charset, parseContentType, refuseContentType } from '../shared/content-type.ts';
import { jsonPayload, payloadOfType, refuseValueSize, textPayload } from '../shared/payload.ts';
import { isRefusal, refuse } from '../shared/refusal.ts';
import { excerptAt, type JsonSpan, stringAt } from './json-text.ts';

/**
 * The value of a command, from the span of its JSON text and the fields beside it. Without `contentType` and `encoding` it is
 * JSON, its text kept. What `payloadToJsonText` shows becomes the same payload again.
 */
export function payloadOfSpan(
  text: string,
  span: JsonSpan,
  contentType: string | undefined,
  encoding: string | undefined,
  valueBytesMax: number,
): Payload | Refusal {
  const payload =
    encoding === undefined ? unencoded(text, span, contentType) : encoded(text, span, contentType, encoding);
  if (isRefusal(payload)) return payload;
  return refuseValueSize(payload, valueBytesMax) ?? payload;
}

function unencoded(text: string, span: JsonSpan, contentType: string | undefined): Payload | Refusal {
  if (contentType === undefined) return jsonPayload(text.slice(span.start, span.end));
  const type = parseContentType(contentType);
  if (type === undefined) return refuseContentType(contentType, 'contentType');
  if (isJsonType(type.mediaType)) {
    const data = text.slice(span.start, span.end);
    return type.mediaType === 'application/json' && !type.hasMore
      ? jsonPayload(data)
      : { kind: 'json', data, contentType };
  }
  const value = stringAt(text, span);
  if (value === undefined) {
    const message = `value takes a string where contentType is ${contentType}, but got ${excerptAt(text, span)}.`;
    return refuse('invalid-request', message, 'value');
  }
  if (!value.isWellFormed()) {
    return refuse(
      'invalid-utf8',
      "value has half of a surrogate pair, which UTF-8 can't carry; send it as base64.",
      'value',
    );
  }
  if (type.mediaType.startsWith('text/') && isUtf8Charset(type.charset)) return textPayload(value, contentType);
  return payloadOfType(Buffer.from(value, 'utf8'), contentType);
}

function encoded(text: string, span: JsonSpan, contentType: string | undefined, encoding: string): Payload | Refusal {
  if (encoding !== 'base64') {
    return refuse(
      'invalid-request',
      `encoding takes "base64", but got ${JSON.stringify(encoding.slice(0, 40))}.`,
      'encoding',
    );
  }
  const value = stringAt(text, span);
  const bytes = value === undefined ? undefined : fromBase64(value);
  if (bytes === undefined) {
    const message = `value takes base64 text where encoding is base64, but got ${excerptAt(text, span)}.`;
    return refuse('invalid-request', message, 'value');
  }
  return payloadOfType(bytes, contentType ?? 'application/octet-stream');
}

// Node skips what is not base64, so text that lost something on the way is known by its length.
function fromBase64(text: string): Buffer | undefined {
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0;
  const digits = text.length - padding;
  if (digits % 4 === 1 || (padding > 0 && text.length % 4 !== 0)) return undefined;
  const bytes = Buffer.from(text, 'base64');
  return bytes.length === Math.floor((digits * 3) / 4) ? bytes : undefined;
}
