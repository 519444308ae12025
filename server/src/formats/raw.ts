import { LatchkeyError, quote } from '@latchkey/client';
import type { Command, Refusal } from '../commands/command.ts';
import { parseContentType } from '../shared/content-type.ts';
import { refuseKey } from '../shared/key.ts';
import { compileKeyTemplate, type KeyTemplate } from '../shared/key-template.ts';
import { payloadFromBody, refuseValueSize } from '../shared/payload.ts';
import { isRefusal, refuse } from '../shared/refusal.ts';
import type { Format, Message } from './format.ts';
import type { FormatLimits } from './message-text.ts';

export interface RawFormatSettings {
  /** A template that may name `{$key}`; default `{$key}`, the message's own key. */
  readonly key?: string;
  /** What the bodies are; default the message's header `content-type`, else JSON, text or bytes, whatever the body is. */
  readonly contentType?: string;
}

/**
 * The format `raw`: the body as it is, under the message's own key.
 * @throws LatchkeyError `config-invalid`
 */
export function rawFormat(settings: RawFormatSettings, limits: FormatLimits): Format {
  const template = compileKeyTemplate(settings.key ?? '{$key}', { takesFields: false });
  const { contentType } = settings;
  if (contentType !== undefined && parseContentType(contentType) === undefined) {
    const message = `contentType takes a media type like text/plain, but got ${quote(contentType)}.`;
    throw new LatchkeyError('config-invalid', message, { field: 'contentType' });
  }
  return { kind: 'raw', decode: (message) => [decode(message, template, contentType, limits)] };
}

function decode(
  message: Message,
  template: KeyTemplate,
  contentType: string | undefined,
  limits: FormatLimits,
): Command | Refusal {
  const key = template.fill({
    recordKey: message.recordKey,
    field: ([name = '']) => refuse('event-invalid', `A raw message has no field ${name}.`, name),
  });
  if (typeof key !== 'string') return key;
  const refusal = refuseKey(key, limits.keyBytesMax);
  if (refusal !== undefined) return refusal;
  const value = payloadFromBody(message.body, contentType ?? message.headers?.['content-type']);
  if (isRefusal(value)) return value;
  return refuseValueSize(value, limits.valueBytesMax) ?? { op: 'put', key, value };
}
