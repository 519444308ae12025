import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Refusal } from '../commands/command.ts';
import { DEFAULT_SETTINGS } from '../config/settings.ts';
import { jsonPayload, textPayload } from '../shared/payload.ts';
import { kvStoreFormat } from './kv-store.ts';

const format = kvStoreFormat({ ...DEFAULT_SETTINGS.limits, keyBytesMax: 32, valueBytesMax: 20 });
const set = (text: string) => format.decode({ body: Buffer.from(text) })[0];
const get = (text: string) => format.decodeGet(Buffer.from(text));

test('a set stores the string as text', () => {
  const command = { op: 'put', key: 'City', value: { kind: 'text', data: 'Ahmedabad', contentType: 'text/plain' } };
  for (const text of [
    '{"Key":"City","Value":"Ahmedabad"}',
    '{"key": "City", "VALUE": "Ahmedabad"}\n',
    '{"KEY":"Town","kEy":"City","value":"x","Value":"Ahmedabad","Other":{}}',
  ]) {
    assert.deepEqual(set(text), command, text);
  }
  assert.deepEqual(set('{"Key":"a","Value":""}'), { op: 'put', key: 'a', value: textPayload('') });
});

test('a get names its key and nothing else is looked at', () => {
  assert.deepEqual(get('{"Key":"City"}'), { op: 'read', key: 'City' });
  assert.deepEqual(get('{"key":"City","Value":7}'), { op: 'read', key: 'City' });
});

test('what is not of the shape is refused and its field named', () => {
  for (const [text, code, field] of [
    ['', 'invalid-json', undefined],
    ['Key=City', 'invalid-json', undefined],
    ['[]', 'event-invalid', undefined],
    ['{}', 'invalid-request', 'Key'],
    ['{"Key":7,"Value":"x"}', 'key-invalid', 'Key'],
    ['{"Key":"","Value":"x"}', 'key-invalid', 'Key'],
    [`{"Key":"${'x'.repeat(33)}","Value":"x"}`, 'key-too-long', 'Key'],
    ['{"Key":"a"}', 'invalid-request', 'Value'],
    ['{"Key":"a","Value":7}', 'invalid-request', 'Value'],
    ['{"Key":"a","Value":null}', 'invalid-request', 'Value'],
    ['{"Key":"a","Value":{"b":1}}', 'invalid-request', 'Value'],
    ['{"Key":"a","Value":"\\udc00"}', 'invalid-utf8', 'Value'],
    [`{"Key":"a","Value":"${'x'.repeat(21)}"}`, 'value-too-big', 'Value'],
  ] as const) {
    const refusal = set(text) as Refusal;
    assert.deepEqual([refusal.code, refusal.field], [code, field], text);
  }
});

test('text is shown as it is, JSON as its JSON text, bytes as base64', () => {
  assert.equal(format.shownValue(textPayload('Ahmedabad')), 'Ahmedabad');
  assert.equal(format.shownValue(jsonPayload('{ "a":1.0}')), '{ "a":1.0}');
  assert.equal(format.shownValue({ kind: 'binary', data: Buffer.from([1]), contentType: 'a/b' }), 'AQ==');
});
