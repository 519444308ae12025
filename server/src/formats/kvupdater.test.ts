import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PutCommand, Refusal } from '../commands/command.ts';
import { DEFAULT_SETTINGS } from '../config/settings.ts';
import { kvupdaterFormat } from './kvupdater.ts';

const format = kvupdaterFormat({ ...DEFAULT_SETTINGS.limits, valueBytesMax: 200 });

function decode(text: string | Buffer): PutCommand & Partial<Refusal> {
  const decoded = format.decode({ body: Buffer.from(text as string) });
  assert.equal(decoded.length, 1);
  return decoded[0] as PutCommand & Partial<Refusal>;
}

test('the message of the seed is stored under its type, its fields in order', () => {
  const text =
    '{"type":"weather","updated":"2023-10-01T12:00:00Z","valid":"2023-10-01T12:05:32Z","values":{"field1":"value1","field2":"value2"}}';
  assert.deepEqual(decode(text), {
    op: 'put',
    key: 'weather',
    value: {
      kind: 'json',
      data: '{"updated":"2023-10-01T12:00:00Z","valid":"2023-10-01T12:05:32Z","values":{"field1":"value1","field2":"value2"}}',
    },
    updated: { micros: Date.UTC(2023, 9, 1, 12) * 1000, text: '2023-10-01T12:00:00Z' },
    valid: { micros: Date.UTC(2023, 9, 1, 12, 5, 32) * 1000, text: '2023-10-01T12:05:32Z' },
  });
});

test('the order is that of the store, not of the message, and every field keeps its text', () => {
  const { value } = decode(
    '{ "values" : { "t" : 21.50, "n":12345678901234567890 }, "extra":1, "valid": null, "type":"a" }',
  );
  assert.equal(value.data, '{"updated":null,"valid":null,"values":{ "t" : 21.50, "n":12345678901234567890 }}');
});

test('a missing updated or valid is null and orders nothing', () => {
  assert.deepEqual(decode('{"type":"a","values":[1]}'), {
    op: 'put',
    key: 'a',
    value: { kind: 'json', data: '{"updated":null,"valid":null,"values":[1]}' },
  });
});

test('a time that is none is stored as it came, and orders nothing', () => {
  const command = decode('{"type":"a","updated":"yesterday","valid":1696161600,"values":1}');
  assert.equal(command.value.data, '{"updated":"yesterday","valid":1696161600,"values":1}');
  assert.equal('updated' in command || 'valid' in command, false);
});

test('values that Python counts as false are refused, all others are taken', () => {
  for (const values of ['0', '0.0', '-0', '0e9', '""', '{}', '{ }', '[]', '[\n]', 'null', 'false']) {
    const refusal = decode(`{"type":"a","values":${values}}`);
    assert.deepEqual([refusal.code, refusal.field], ['event-invalid', 'values'], values);
  }
  for (const values of ['1', '-1', '0.1', '" "', '"0"', '{"a":null}', '[0]', 'true', '[[]]']) {
    assert.equal(decode(`{"type":"a","values":${values}}`).op, 'put', values);
  }
});

test('a message without a type that is a string is refused', () => {
  for (const type of ['', '"type":"",', '"type":7,', '"type":null,', '"type":["a"],', '"Type":"a",']) {
    const refusal = decode(`{${type}"values":1}`);
    assert.deepEqual([refusal.code, refusal.field], ['event-invalid', 'type'], type);
  }
  assert.deepEqual(decode('{"type":"a\\u0000","values":1}').code, 'key-invalid');
  assert.deepEqual(decode(`{"type":"${'x'.repeat(2000)}","values":1}`).code, 'key-too-long');
  assert.deepEqual(decode('{"type":"a"}').field, 'values');
});

test('what is no JSON object is refused by what it is', () => {
  for (const [text, code] of [
    ['', 'invalid-json'],
    ['hello', 'invalid-json'],
    ['{"type":"a","values":NaN}', 'invalid-json'],
    ["{'type':'a'}", 'invalid-json'],
    ['[{"type":"a","values":1}]', 'event-invalid'],
    ['7', 'event-invalid'],
    [Buffer.from([0xff, 0xfe]), 'invalid-utf8'],
    [`{"type":"a","values":"${'x'.repeat(200)}"}`, 'value-too-big'],
  ] as const) {
    assert.equal(decode(text as string).code, code, String(text));
  }
});
