import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LatchkeyError } from '@latchkey/client';
import type { Command, Refusal } from '../commands/command.ts';
import { DEFAULT_SETTINGS } from '../config/settings.ts';
import { type JsonFormatSettings, jsonFormat } from './json.ts';

function decode(settings: JsonFormatSettings, text: string, recordKey?: string): Command & Partial<Refusal> {
  const message = { body: Buffer.from(text), ...(recordKey === undefined ? {} : { recordKey }) };
  const decoded = jsonFormat(settings, { ...DEFAULT_SETTINGS.limits, keyBytesMax: 40 }).decode(message);
  assert.equal(decoded.length, 1);
  return decoded[0] as Command & Partial<Refusal>;
}

const BATTERY: JsonFormatSettings = { key: 'battery:{battery_id}:data', omit: ['battery_id'], write: 'merge' };

test('the message of the battery seed is merged under its id, without it', () => {
  assert.deepEqual(decode(BATTERY, '{"battery_id":7,"voltage":48,"soc":81}'), {
    op: 'merge',
    key: 'battery:7:data',
    patch: '{"voltage":48,"soc":81}',
  });
});

test('the text of what is kept stays as it is', () => {
  assert.deepEqual(decode(BATTERY, '{ "voltage" : 48.0 , "battery_id":7,\n"n":12345678901234567890, "s":"\\u00e9"}'), {
    op: 'merge',
    key: 'battery:7:data',
    patch: '{"voltage" : 48.0,"n":12345678901234567890,"s":"\\u00e9"}',
  });
  assert.equal((decode(BATTERY, '{"battery_id":1}') as { patch: string }).patch, '{}');
  const put = decode({ key: 'a:{id}' }, ' {"id" : 1.50 } ');
  assert.deepEqual(put, { op: 'put', key: 'a:1.50', value: { kind: 'json', data: '{"id" : 1.50 }' } });
});

test('a key is made of strings, numbers as written, true, false, fields within fields and the record key', () => {
  for (const [key, text, made] of [
    ['{id}', '{"id":"x/\\u00e9"}', 'x/é'],
    ['{id}', '{"id":12345678901234567890}', '12345678901234567890'],
    ['{id}', '{"id":true}', 'true'],
    ['{id}', '{"id":1,"id":2}', '2'],
    ['{a.b.c}-{d}', '{"a":{"b":{"c":1}},"d":2}', '1-2'],
    ['{__proto__}', '{"__proto__":"p"}', 'p'],
    ['{$key}:{id}', '{"id":1}', 'k:1'],
  ] as const) {
    assert.equal((decode({ key }, text, 'k') as { key: string }).key, made);
  }
});

test('a field that is missing or makes no key is refused, and never a part of a key', () => {
  for (const [key, text, field] of [
    ['a:{id}', '{}', 'id'],
    ['a:{id}', '{"id":null}', 'id'],
    ['a:{id}', '{"id":""}', 'id'],
    ['a:{id}', '{"id":[1]}', 'id'],
    ['a:{id}', '{"id":{}}', 'id'],
    ['a:{toString}', '{}', 'toString'],
    ['a:{b.c}', '{"b":1}', 'b.c'],
    ['a:{b.c}', '{"b":{}}', 'b.c'],
    ['a:{b.c}', '{"b.c":1}', 'b.c'],
    ['a:{$key}', '{}', '$key'],
  ] as const) {
    const refusal = decode({ key }, text);
    assert.deepEqual([refusal.code, refusal.field], ['event-invalid', field], text);
  }
  assert.equal(decode({ key: 'a:{id}' }, '{"id":"x\\u0000"}').code, 'key-invalid');
  assert.equal(decode({ key: 'a:{id}' }, `{"id":"${'x'.repeat(40)}"}`).code, 'key-too-long');
});

test('updated comes from a field, and is refused where it is missing or no time', () => {
  const settings = { key: '{id}', updated: 'meta.time' };
  const command = decode(settings, '{"id":1,"meta":{"time":"2026-11-20T12:00:00Z"}}') as {
    updated?: { micros: number };
  };
  assert.equal(command.updated?.micros, Date.UTC(2026, 10, 20, 12) * 1000);
  for (const text of ['{"id":1}', '{"id":1,"meta":{"time":"noon"}}', '{"id":1,"meta":{"time":1700000000}}']) {
    const refusal = decode(settings, text);
    assert.deepEqual([refusal.code, refusal.field], ['updated-invalid', 'meta.time'], text);
  }
});

test('a ttl goes with every command', () => {
  const command = decode({ key: '{id}', ttl: '1.5' }, '{"id":1}');
  assert.deepEqual(command, {
    op: 'put',
    key: '1',
    value: { kind: 'json', data: '{"id":1}' },
    ttlMicros: 1_500_000,
  });
});

test('any JSON value is put as long as no field is needed', () => {
  assert.deepEqual(decode({ key: '{$key}' }, ' [1.0] ', 'k'), {
    op: 'put',
    key: 'k',
    value: { kind: 'json', data: '[1.0]' },
  });
  assert.equal(decode({ key: '{$key}', write: 'merge' }, '[1]', 'k').code, 'not-an-object');
  assert.equal(decode({ key: '{id}' }, '[1]').code, 'event-invalid');
  for (const text of ['', '{', 'x', '{}{}'])
    assert.equal(decode({ key: '{$key}' }, text, 'k').code, 'invalid-json', text);
});

test('settings that can not work are told at once', () => {
  const invalid = (error: unknown) => error instanceof LatchkeyError && error.code === 'config-invalid';
  assert.throws(() => decode({ key: '{' }, '{}'), invalid);
  assert.throws(() => decode({ key: 'a', ttl: -1 }, '{}'), invalid);
});
