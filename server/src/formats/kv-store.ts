import type { PutCommand, ReadCommand, Refusal } from '../commands/command.ts';
import type { KvStoreFormat } from '../gateways/gateway.ts';
import type { Payload } from '../shared/change.ts';
import { refuseKey } from '../shared/key.ts';
import { refuseValueSize, textPayload } from '../shared/payload.ts';
import { refuse } from '../shared/refusal.ts';

import { excerptAt, isFault, type JsonMember, scanMembers, stringAt } from './json-text.ts';
import { type FormatLimits, messageText, refuseText } from './message-text.ts';

/*
 * The kv-store dialect: `{"Key":"City","Value":"Ahmedabad"}`, whatever the content type says, names in any case. A value is a
 * string, stored as text/plain, so `GET /v1/keys/City` answers with the bare text.
 */

/** The format `kv-store`: each message is the body of a `/set`. */
export function kvStoreFormat(limits: FormatLimits): KvStoreFormat {
  return {
    kind: 'kv-store',
    decode: ({ body }) => [decodeSet(body, limits)],
    decodeGet: (body) => decodeGet(body, limits),
    shownValue,
  };
}

function decodeSet(body: Buffer, limits: FormatLimits): PutCommand | Refusal {
  const pair = readPair(body, limits);
  if ('outcome' in pair) return pair;
  const { text, key, value } = pair;
  if (value === undefined) return refuse('invalid-request', 'Value is missing; it takes a string.', 'Value');
  const string = stringAt(text, value);
  if (string === undefined) {
    return refuse('invalid-request', `Value takes a string, but got ${excerptAt(text, value)}.`, 'Value');
  }
  if (!string.isWellFormed()) {
    return refuse(
      'invalid-utf8',
      "Value has half of a surrogate pair, which UTF-8 can't carry; send whole characters.",
      'Value',
    );
  }
  const payload = textPayload(string);
  return refuseValueSize(payload, limits.valueBytesMax, 'Value') ?? { op: 'put', key, value: payload };
}

// A `Value` is not looked at.
function decodeGet(body: Buffer, limits: FormatLimits): ReadCommand | Refusal {
  const pair = readPair(body, limits);
  return 'outcome' in pair ? pair : { op: 'read', key: pair.key };
}

function shownValue(payload: Payload): string {
  return payload.kind === 'binary' ? payload.data.toString('base64') : payload.data;
}

interface Pair {
  readonly text: string;
  readonly key: string;
  readonly value: JsonMember | undefined;
}

function readPair(body: Buffer, limits: FormatLimits): Pair | Refusal {
  const text = messageText(body);
  if (typeof text !== 'string') return text;
  const members = scanMembers(text);
  if (isFault(members)) return refuseText(text, members, 'an object like {"Key":"City","Value":"Ahmedabad"}');
  let keyMember: JsonMember | undefined;
  let value: JsonMember | undefined;
  for (const member of members) {
    const name = member.name.length > 5 ? '' : member.name.toLowerCase();
    if (name === 'key') keyMember = member;
    else if (name === 'value') value = member;
  }
  if (keyMember === undefined) return refuse('invalid-request', 'Key is missing; it takes a string.', 'Key');
  const key = stringAt(text, keyMember);
  if (key === undefined) {
    return refuse('key-invalid', `Key takes a string, but got ${excerptAt(text, keyMember)}.`, 'Key');
  }
  return refuseKey(key, limits.keyBytesMax, 'Key') ?? { text, key, value };
}
