import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Payload } from './change.ts';
import {
  jsonPayload,
  payloadEquals,
  payloadFromBody,
  payloadToBytes,
  payloadToJsonText,
  refuseValueSize,
  textPayload,
} from './payload.ts';
import { isRefusal } from './refusal.ts';

const INVALID_UTF8 = Buffer.from([0x61, 0xff, 0x62]);

function taken(body: string | Buffer, contentType?: string): Payload {
  const payload = payloadFromBody(Buffer.from(body as string), contentType);
  assert.ok(!isRefusal(payload), JSON.stringify(payload));
  return payload;
}

test('JSON keeps its exact text, and its content type only where that is not plain', () => {
  for (const text of ['{ "a" : 1.0 }', '12345678901234567890', '\n[1e400]\n', '"\\ud800"', '{"a":1,"a":2}']) {
    assert.deepEqual(taken(text, 'application/json'), { kind: 'json', data: text });
  }
  assert.deepEqual(taken('1', 'Application/JSON; charset=utf-8'), { kind: 'json', data: '1' });
  assert.deepEqual(taken('1', 'application/geo+json'), {
    kind: 'json',
    data: '1',
    contentType: 'application/geo+json',
  });
  assert.deepEqual(taken('1', 'application/json; profile=x'), {
    kind: 'json',
    data: '1',
    contentType: 'application/json; profile=x',
  });
});

test('a JSON type with anything else is refused as invalid-json', () => {
  for (const body of ['', '{', 'NaN', "{'a':1}", '\ufeff1', '1 2']) {
    const refusal = payloadFromBody(Buffer.from(body), 'application/json');
    assert.ok(isRefusal(refusal) && refusal.code === 'invalid-json' && refusal.field === 'value', body);
  }
  const refusal = payloadFromBody(INVALID_UTF8, 'application/ld+json');
  assert.ok(isRefusal(refusal) && refusal.code === 'invalid-json');
});

test('a body without a type, or with the one of curl -d, is JSON, else text, else bytes', () => {
  for (const type of [
    undefined,
    '',
    'application/x-www-form-urlencoded',
    'application/x-www-form-urlencoded; charset=UTF-8',
  ]) {
    assert.deepEqual(taken('{"a":1}', type), { kind: 'json', data: '{"a":1}' });
    assert.deepEqual(taken('hello', type), { kind: 'text', data: 'hello', contentType: 'text/plain' });
    assert.deepEqual(taken('', type), { kind: 'text', data: '', contentType: 'text/plain' });
    assert.deepEqual(taken(INVALID_UTF8, type), {
      kind: 'binary',
      data: INVALID_UTF8,
      contentType: 'application/octet-stream',
    });
  }
});

test('JSON that is nested too deep is refused, not kept as text', () => {
  const refusal = payloadFromBody(Buffer.from('['.repeat(100_000)), undefined);
  assert.ok(isRefusal(refusal) && refusal.code === 'invalid-json');
});

test('text in UTF-8 is text; in another charset, or of another type, it is bytes', () => {
  assert.deepEqual(taken('a,b\n', 'text/csv'), { kind: 'text', data: 'a,b\n', contentType: 'text/csv' });
  assert.deepEqual(taken('é', 'text/html; charset="UTF-8"'), {
    kind: 'text',
    data: 'é',
    contentType: 'text/html; charset="UTF-8"',
  });
  assert.equal(taken(INVALID_UTF8, 'text/plain').kind, 'binary');
  assert.equal(taken('é', 'text/plain; charset=iso-8859-1').kind, 'binary');
  assert.deepEqual(taken('<a/>', 'application/xml'), {
    kind: 'binary',
    data: Buffer.from('<a/>'),
    contentType: 'application/xml',
  });
});

test('a content type that could not be sent back is refused', () => {
  for (const type of ['garbage', 'a/b\r\nSet-Cookie: x', 'text/', '/plain', 'text/plä', `text/${'x'.repeat(300)}`]) {
    const refusal = payloadFromBody(Buffer.from('x'), type);
    assert.ok(isRefusal(refusal) && refusal.code === 'invalid-request' && refusal.field === 'content-type', type);
  }
});

test('the bytes that were sent come back', () => {
  const type = fc.constantFrom(undefined, 'text/plain', 'application/xml', 'application/x-www-form-urlencoded');
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array(),
        fc.string().map((text) => Buffer.from(text)),
      ),
      type,
      (bytes, contentType) => {
        const payload = payloadFromBody(Buffer.from(bytes), contentType);
        assert.ok(!isRefusal(payload));
        assert.deepEqual(payloadToBytes(payload), Buffer.from(bytes));
        const shown = payloadToJsonText(payload);
        assert.doesNotThrow(() => JSON.parse(shown.json));
        assert.ok(!/[\r\n]/.test(shown.json));
      },
    ),
  );
});

test('entries show JSON as its text, text as a string, bytes as base64', () => {
  assert.deepEqual(payloadToJsonText(jsonPayload('{ "a":1.0}')), { json: '{ "a":1.0}' });
  assert.deepEqual(payloadToJsonText(jsonPayload('{\r\n"a": 1\n}')), { json: '{  "a": 1 }' });
  assert.deepEqual(payloadToJsonText(textPayload('a"\n')), { json: '"a\\"\\n"', contentType: 'text/plain' });
  const binary: Payload = { kind: 'binary', data: Buffer.from([1, 2]), contentType: 'image/png' };
  assert.deepEqual(payloadToJsonText(binary), { json: '"AQI="', contentType: 'image/png', encoding: 'base64' });
});

test('values are equal when kind, content type and bytes are', () => {
  const binary = (...bytes: number[]): Payload => ({ kind: 'binary', data: Buffer.from(bytes), contentType: 'a/b' });
  assert.ok(payloadEquals(jsonPayload('1'), jsonPayload('1')));
  assert.ok(!payloadEquals(jsonPayload('1'), jsonPayload('1.0')));
  assert.ok(!payloadEquals(jsonPayload('1'), textPayload('1')));
  assert.ok(!payloadEquals(textPayload('1'), textPayload('1', 'text/csv')));
  assert.ok(payloadEquals(binary(1), binary(1)));
  assert.ok(!payloadEquals(binary(1), binary(2)));
});

test('a value is measured in bytes of UTF-8, and the limit is told', () => {
  assert.equal(refuseValueSize(textPayload('éé'), 4), undefined);
  const refusal = refuseValueSize(textPayload('ééé'), 4);
  assert.deepEqual([refusal?.code, refusal?.limit, refusal?.field], ['value-too-big', 4, 'value']);
});
