import type { Command, Refusal } from '../commands/command.ts';
import type { Timestamp } from '../shared/change.ts';
import { refuseKey } from '../shared/key.ts';
import { jsonPayload, refuseValueSize } from '../shared/payload.ts';
import { refuse } from '../shared/refusal.ts';
import { parseTimestamp } from '../shared/timestamp.ts';
import type { Format } from './format.ts';
import {
  excerptAt,
  findMember,
  isFault,
  type JsonMember,
  type JsonSpan,
  kindAt,
  scanMembers,
  stringAt,
} from './json-text.ts';
import { type FormatLimits, messageText, refuseText } from './message-text.ts';

/**
 * The format `kvupdater`: `{"type":"weather","updated":"…","valid":"…","values":{…}}` is stored under its `type` as
 * `{"updated":…,"valid":…,"values":…}`, each with its own text, `null` where it is missing. Refused: no JSON (`invalid-json`), no
 * `type`, or `values` that are empty (`event-invalid`). An `updated` or `valid` that is no RFC 3339 time is stored all the same,
 * as its publishers are used to, but orders nothing.
 */
export function kvupdaterFormat(limits: FormatLimits): Format {
  return {
    kind: 'kvupdater',
    decode(message) {
      const text = messageText(message.body);
      return [typeof text === 'string' ? decode(text, limits) : text];
    },
  };
}

function decode(text: string, limits: FormatLimits): Command | Refusal {
  const members = scanMembers(text);
  if (isFault(members)) return refuseText(text, members, 'an object with type and values');
  const key = readType(text, findMember(members, 'type'), limits);
  if (typeof key !== 'string') return key;
  const values = findMember(members, 'values');
  if (values === undefined) return refuse('event-invalid', 'The message has no values; nothing was stored.', 'values');
  if (isEmpty(text, values)) {
    const message = `values is empty, so nothing was stored; it got ${excerptAt(text, values)}.`;
    return refuse('event-invalid', message, 'values');
  }
  const updated = findMember(members, 'updated');
  const valid = findMember(members, 'valid');
  const value = jsonPayload(
    `{"updated":${textOrNull(text, updated)},"valid":${textOrNull(text, valid)},"values":${text.slice(values.start, values.end)}}`,
  );
  const updatedAt = timestampOf(text, updated);
  const validUntil = timestampOf(text, valid);
  return (
    refuseValueSize(value, limits.valueBytesMax, 'values') ?? {
      op: 'put',
      key,
      value,
      ...(updatedAt === undefined ? {} : { updated: updatedAt }),
      ...(validUntil === undefined ? {} : { valid: validUntil }),
    }
  );
}

function readType(text: string, type: JsonMember | undefined, limits: FormatLimits): string | Refusal {
  const key = type === undefined ? undefined : stringAt(text, type);
  if (key === undefined || key === '') {
    const found =
      type === undefined ? 'is missing' : `takes a string that is not empty, but got ${excerptAt(text, type)}`;
    return refuse('event-invalid', `type ${found}; nothing was stored.`, 'type');
  }
  return refuseKey(key, limits.keyBytesMax, 'type') ?? key;
}

// What Python counts as false: 0, "", {}, [], false and null.
function isEmpty(text: string, span: JsonSpan): boolean {
  switch (kindAt(text, span)) {
    case 'null':
    case 'false':
      return true;
    case 'true':
      return false;
    case 'number':
      return Number(text.slice(span.start, span.end)) === 0;
    case 'string':
      return span.end - span.start === 2;
    default:
      return text.slice(span.start + 1, span.end - 1).trim() === '';
  }
}

function textOrNull(text: string, member: JsonMember | undefined): string {
  return member === undefined ? 'null' : text.slice(member.start, member.end);
}

function timestampOf(text: string, member: JsonMember | undefined): Timestamp | undefined {
  const written = member === undefined ? undefined : stringAt(text, member);
  return written === undefined ? undefined : parseTimestamp(written);
}
