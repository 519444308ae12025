import assert from 'node:assert/strict';
import { test } from 'node:test';
import { jsonPayload, textPayload } from '../payload.ts';
import { payloadOfBytes, payloadOfHash, payloadOfString } from './plain-value.ts';

const hash = (fields: Readonly<Record<string, string>>, before?: string) => {
  const pairs = Object.entries(fields).map(([name, value]) => [Buffer.from(name), Buffer.from(value)] as const);
  return payloadOfHash(pairs, before === undefined ? undefined : jsonPayload(before))?.data;
};

test('an object or array is JSON, a number is its digits, and what is no UTF-8 stays bytes', () => {
  assert.deepEqual(payloadOfBytes(Buffer.from(' {"a":1.0}')), jsonPayload(' {"a":1.0}'));
  assert.deepEqual(payloadOfBytes(Buffer.from('1.0')), textPayload('1.0'));
  assert.deepEqual(payloadOfBytes(Buffer.from('{"a":')), textPayload('{"a":'));
  assert.deepEqual(payloadOfBytes(Buffer.from([0xff])).kind, 'binary');
});

test('what was JSON stays JSON while it can', () => {
  assert.deepEqual(payloadOfString(Buffer.from('22'), jsonPayload('21.5')), jsonPayload('22'));
  assert.deepEqual(payloadOfString(Buffer.from('warm'), jsonPayload('21.5')), textPayload('warm'));
  assert.deepEqual(payloadOfString(Buffer.from('22'), textPayload('21.5')), textPayload('22'));
  assert.deepEqual(payloadOfString(Buffer.from('22'), undefined), textPayload('22'));
});

test('a hash is an object of texts, and keeps what its fields were', () => {
  assert.equal(hash({ soc: '81', name: 'a"b' }), '{"soc":"81","name":"a\\"b"}');
  assert.equal(hash({ soc: '82', on: 'true' }, '{"on": true, "soc":81.50}'), '{"on":true,"soc":82}');
  assert.equal(hash({ soc: '81.50' }, '{ "soc" : 81.50 }'), '{"soc":81.50}');
  assert.equal(
    hash({ soc: 'low', on: 'false', more: '1' }, '{"soc":81,"on":true}'),
    '{"soc":"low","on":"false","more":"1"}',
  );
  assert.equal(hash({ soc: '1' }, '{"soc":{"deep":1}}'), '{"soc":"1"}');
  assert.equal(payloadOfHash([[Buffer.from('a'), Buffer.from([0xff])]], undefined), undefined);
});
