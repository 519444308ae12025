import { LatchkeyError } from '@latchkey/client';
import type { Command, Refusal, WriteOptions } from '../commands/command.ts';
import type { Timestamp } from '../shared/change.ts';
import { refuseKey } from '../shared/key.ts';
import { compileKeyTemplate, type KeyTemplate } from '../shared/key-template.ts';
import { jsonPayload, refuseValueSize } from '../shared/payload.ts';
import { isRefusal, refuse } from '../shared/refusal.ts';
import { parseTimestamp } from '../shared/timestamp.ts';
import { ttlMicros } from '../shared/ttl.ts';
import type { Format, Message } from './format.ts';
import { keyPart, spanAtPath, withoutFields } from './json-message.ts';
import { excerptAt, isFault, type JsonMember, scanMembers, stringAt } from './json-text.ts';
import { type FormatLimits, messageText, refuseText } from './message-text.ts';

export interface JsonFormatSettings {
  /** The key of what a message tells, e.g. `battery:{battery_id}:data`. */
  readonly key: string;
  /** Top-level fields that are not stored. */
  readonly omit?: readonly string[];
  /** `put` replaces the value, `merge` (RFC 7386) changes the fields that the message has. Default `put`. */
  readonly write?: 'put' | 'merge';
  /** What a Redis keeps the value as. Default `string`. */
  readonly as?: 'string' | 'hash';
  /** The field that says when the fact was true, e.g. `time` or `meta.time`; a message without it is refused. */
  readonly updated?: string;
  /** Seconds that every message's entry lives. */
  readonly ttl?: number | string;
}

interface Compiled {
  readonly template: KeyTemplate;
  readonly omit: readonly string[];
  readonly isMerge: boolean;
  readonly updatedPath: readonly string[] | undefined;
  readonly options: Pick<WriteOptions, 'as' | 'ttlMicros'>;
}

/**
 * The format `json`: one JSON message is one value, under a key made of its fields. A `put` takes any JSON value as long as the
 * template, `omit` and `updated` need no field.
 * @throws LatchkeyError `config-invalid`
 */
export function jsonFormat(settings: JsonFormatSettings, limits: FormatLimits): Format {
  const compiled = compile(settings);
  return { kind: 'json', decode: (message) => [decode(message, compiled, limits)] };
}

function compile(settings: JsonFormatSettings): Compiled {
  const ttl = settings.ttl === undefined ? undefined : ttlMicros(settings.ttl);
  if (typeof ttl === 'object') throw new LatchkeyError('config-invalid', ttl.message, { field: 'ttl' });
  return {
    template: compileKeyTemplate(settings.key),
    omit: settings.omit ?? [],
    isMerge: settings.write === 'merge',
    updatedPath: settings.updated?.split('.'),
    options: {
      ...(settings.as === 'hash' ? { as: 'hash' } : {}),
      ...(ttl === undefined ? {} : { ttlMicros: ttl }),
    },
  };
}

function decode(message: Message, compiled: Compiled, limits: FormatLimits): Command | Refusal {
  const text = messageText(message.body);
  if (typeof text !== 'string') return text;
  const scanned = scanMembers(text);
  const isObject = !isFault(scanned);
  if (!isObject && (scanned.kind !== 'wrong-shape' || needsObject(compiled))) {
    return scanned.kind === 'wrong-shape' && compiled.isMerge
      ? refuse('not-an-object', 'The message is valid JSON, but only an object can be merged.')
      : refuseText(text, scanned, 'a JSON object');
  }
  const members = isObject ? scanned : [];
  const key = compiled.template.fill({
    recordKey: message.recordKey,
    field: (path) => keyPart(text, members, path),
  });
  if (typeof key !== 'string') return key;
  const refusal = refuseKey(key, limits.keyBytesMax);
  if (refusal !== undefined) return refusal;
  const updated = compiled.updatedPath === undefined ? undefined : readUpdated(text, members, compiled.updatedPath);
  if (updated !== undefined && isRefusal(updated)) return updated;
  const value = jsonPayload(isObject ? withoutFields(text, members, compiled.omit) : text.trim());
  const options = updated === undefined ? compiled.options : { ...compiled.options, updated };
  return (
    refuseValueSize(value, limits.valueBytesMax) ??
    (compiled.isMerge
      ? { op: 'merge', key, patch: value.data as string, ...options }
      : { op: 'put', key, value, ...options })
  );
}

function needsObject({ template, omit, isMerge, updatedPath }: Compiled): boolean {
  return isMerge || template.usesFields || omit.length > 0 || updatedPath !== undefined;
}

function readUpdated(text: string, members: readonly JsonMember[], path: readonly string[]): Timestamp | Refusal {
  const name = path.join('.');
  const span = spanAtPath(text, members, path);
  if (span === undefined)
    return refuse('updated-invalid', `The message has no field ${name}, which says when it was true.`, name);
  const written = stringAt(text, span);
  const updated = written === undefined ? undefined : parseTimestamp(written);
  if (updated !== undefined) return updated;
  const message = `${name} takes a time like "2026-11-20T12:00:00Z", but got ${excerptAt(text, span)}.`;
  return refuse('updated-invalid', message, name);
}
