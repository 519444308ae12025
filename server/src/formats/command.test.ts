import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Command, PutCommand, Refusal } from '../commands/command.ts';
import { DEFAULT_SETTINGS } from '../config/settings.ts';
import type { Payload } from '../shared/change.ts';
import { payloadEquals, payloadFromBody, payloadToJsonText } from '../shared/payload.ts';
import { isRefusal } from '../shared/refusal.ts';
import { decodeCommand } from './command.ts';

const limits = { ...DEFAULT_SETTINGS.limits, keyBytesMax: 32, valueBytesMax: 100 };

function taken(input: string | object): Command {
  const command = decodeCommand(input, limits);
  assert.ok(!isRefusal(command), JSON.stringify(command));
  return command;
}

function refused(input: string | object): Refusal {
  const refusal = decodeCommand(input, limits);
  assert.ok(isRefusal(refusal), String(input));
  assert.ok(refusal.message.endsWith('.'));
  return refusal;
}

test('a put takes every field that WIRE names', () => {
  const command = taken(
    '{"op":"put","key":"a","value":1,"updated":"2026-11-20T12:00:00Z","valid":"2026-11-20T12:05:00Z","ttl":60,' +
      '"ifVersion":"k3x9.7","ifPresent":true,"returnPrevious":true,"idempotencyKey":"i1","contentType":"application/geo+json"}',
  );
  assert.deepEqual(command, {
    op: 'put',
    key: 'a',
    value: { kind: 'json', data: '1', contentType: 'application/geo+json' },
    updated: { micros: Date.UTC(2026, 10, 20, 12) * 1000, text: '2026-11-20T12:00:00Z' },
    valid: { micros: Date.UTC(2026, 10, 20, 12, 5) * 1000, text: '2026-11-20T12:05:00Z' },
    ttlMicros: 60_000_000,
    ifVersion: { epoch: 'k3x9', partition: 0, offset: 7 },
    ifPresent: true,
    returnPrevious: true,
    idempotencyKey: 'i1',
  });
  assert.deepEqual(taken('{"op":"put","key":"a","value":1,"ifAbsent":true,"keepExpiry":true}'), {
    op: 'put',
    key: 'a',
    value: { kind: 'json', data: '1' },
    ifAbsent: true,
    keepExpiry: true,
  });
});

test('every other op takes the fields that WIRE names', () => {
  for (const [input, command] of [
    ['{"op":"merge","key":"a","value":{"x" : 2.0}}', { op: 'merge', key: 'a', patch: '{"x" : 2.0}' }],
    ['{"op":"remove","key":"a"}', { op: 'remove', key: 'a' }],
    [
      '{"op":"remove","key":"a","ifVersion":"k3x9.1-7"}',
      { op: 'remove', key: 'a', ifVersion: { epoch: 'k3x9', partition: 1, offset: 7 } },
    ],
    ['{"op":"expire","key":"a","ttl":"30.5"}', { op: 'expire', key: 'a', ttlMicros: 30_500_000 }],
    ['{"op":"expire","key":"a","ttl":null}', { op: 'expire', key: 'a', ttlMicros: null }],
    ['{"op":"removeMatching","pattern":"a.*","dryRun":true}', { op: 'removeMatching', pattern: 'a.*', dryRun: true }],
    ['{"op":"removeMatching","pattern":"a.*","dryRun":false}', { op: 'removeMatching', pattern: 'a.*' }],
    ['{"op":"read","key":"a","idempotencyKey":"i"}', { op: 'read', key: 'a', idempotencyKey: 'i' }],
  ] as const) {
    assert.deepEqual(taken(input), command);
  }
});

test('the text of a value is kept: numbers as written, inner whitespace, repeated members', () => {
  for (const value of ['1.0', '12345678901234567890', '-0.0e-7', '{ "b" : 1,\t"b":2 }', '"\\u00e9"', 'null', '[]']) {
    assert.deepEqual((taken(`{"op":"put","key":"a","value": ${value} }`) as PutCommand).value, {
      kind: 'json',
      data: value,
    });
  }
});

test('a field that stands twice counts once, the last time', () => {
  assert.deepEqual(taken('{"op":"remove","op":"read","key":"a","key":"b"}'), { op: 'read', key: 'b' });
});

test('each fault is refused with its code and field', () => {
  for (const [input, code, field] of [
    ['', 'invalid-json', undefined],
    ['{', 'invalid-json', undefined],
    ['[]', 'invalid-request', undefined],
    ['7', 'invalid-request', undefined],
    ['{}', 'unknown-op', 'op'],
    ['{"op":"upsert","key":"a"}', 'unknown-op', 'op'],
    ['{"op":"__proto__"}', 'unknown-op', 'op'],
    ['{"op":"toString"}', 'unknown-op', 'op'],
    ['{"op":7}', 'invalid-request', 'op'],
    ['{"op":"observe","key":"a"}', 'observe-refused', 'op'],
    ['{"op":"read"}', 'key-invalid', 'key'],
    ['{"op":"read","key":7}', 'key-invalid', 'key'],
    ['{"op":"read","key":""}', 'key-invalid', 'key'],
    ['{"op":"read","key":"a\\u0000"}', 'key-invalid', 'key'],
    ['{"op":"read","key":"\\ud800"}', 'key-invalid', 'key'],
    [`{"op":"read","key":"${'x'.repeat(33)}"}`, 'key-too-long', 'key'],
    ['{"op":"read","key":"a","foo":1}', 'invalid-request', 'foo'],
    ['{"op":"read","key":"a","__proto__":1}', 'invalid-request', '__proto__'],
    ['{"op":"read","key":"a","value":1}', 'invalid-request', 'value'],
    ['{"op":"put","key":"a","value":1,"acceptLate":true}', 'invalid-request', 'acceptLate'],
    ['{"op":"put","key":"a","value":1,"recordEqual":true}', 'invalid-request', 'recordEqual'],
    ['{"op":"put","key":"a"}', 'invalid-request', 'value'],
    ['{"op":"put","key":"a","value":1,"updated":"yesterday"}', 'updated-invalid', 'updated'],
    ['{"op":"put","key":"a","value":1,"updated":1700000000}', 'updated-invalid', 'updated'],
    ['{"op":"put","key":"a","value":1,"valid":null}', 'updated-invalid', 'valid'],
    ['{"op":"put","key":"a","value":1,"ttl":0}', 'ttl-invalid', 'ttl'],
    ['{"op":"put","key":"a","value":1,"ttl":-1}', 'ttl-invalid', 'ttl'],
    ['{"op":"put","key":"a","value":1,"ttl":"x"}', 'ttl-invalid', 'ttl'],
    ['{"op":"put","key":"a","value":1,"ttl":1e999}', 'ttl-invalid', 'ttl'],
    ['{"op":"put","key":"a","value":1,"ttl":null}', 'ttl-invalid', 'ttl'],
    ['{"op":"put","key":"a","value":1,"ttl":true}', 'ttl-invalid', 'ttl'],
    ['{"op":"expire","key":"a"}', 'ttl-invalid', 'ttl'],
    ['{"op":"put","key":"a","value":1,"ifVersion":"7"}', 'position-invalid', 'ifVersion'],
    ['{"op":"put","key":"a","value":1,"ifVersion":7}', 'invalid-request', 'ifVersion'],
    ['{"op":"put","key":"a","value":1,"ifAbsent":"yes"}', 'invalid-request', 'ifAbsent'],
    ['{"op":"put","key":"a","value":1,"ifAbsent":true,"ifPresent":true}', 'invalid-request', 'ifAbsent'],
    ['{"op":"put","key":"a","value":1,"keepExpiry":true,"ttl":5}', 'invalid-request', 'keepExpiry'],
    ['{"op":"put","key":"a","value":1,"idempotencyKey":""}', 'invalid-request', 'idempotencyKey'],
    ['{"op":"put","key":"a","value":1,"idempotencyKey":5}', 'invalid-request', 'idempotencyKey'],
    ['{"op":"put","key":"a","value":1,"contentType":"nonsense"}', 'invalid-request', 'contentType'],
    ['{"op":"put","key":"a","value":1,"contentType":"text/plain"}', 'invalid-request', 'value'],
    ['{"op":"put","key":"a","value":"\\ud800","contentType":"text/plain"}', 'invalid-utf8', 'value'],
    ['{"op":"put","key":"a","value":"AA==","encoding":"gzip"}', 'invalid-request', 'encoding'],
    ['{"op":"put","key":"a","value":7,"encoding":"base64"}', 'invalid-request', 'value'],
    ['{"op":"put","key":"a","value":"A","encoding":"base64"}', 'invalid-request', 'value'],
    ['{"op":"put","key":"a","value":"AA!=","encoding":"base64"}', 'invalid-request', 'value'],
    ['{"op":"put","key":"a","value":"AA==AA","encoding":"base64"}', 'invalid-request', 'value'],
    [
      '{"op":"put","key":"a","value":"ew==","encoding":"base64","contentType":"application/json"}',
      'invalid-json',
      'value',
    ],
    [`{"op":"put","key":"a","value":"${'x'.repeat(99)}"}`, 'value-too-big', 'value'],
    [`{"op":"merge","key":"a","value":{"x":"${'x'.repeat(99)}"}}`, 'value-too-big', 'value'],
    ['{"op":"merge","key":"a","value":[1]}', 'not-an-object', 'value'],
    ['{"op":"merge","key":"a"}', 'invalid-request', 'value'],
    ['{"op":"removeMatching"}', 'pattern-required', 'pattern'],
    ['{"op":"removeMatching","pattern":""}', 'pattern-invalid', 'pattern'],
    ['{"op":"removeMatching","pattern":["a"]}', 'pattern-invalid', 'pattern'],
    ['{"op":"removeMatching","pattern":"a","dryRun":1}', 'invalid-request', 'dryRun'],
  ] as const) {
    const refusal = refused(input);
    assert.deepEqual([refusal.code, refusal.field], [code, field], input);
  }
});

test('a refusal says what it got and what it takes', () => {
  assert.match(
    refused('{"op":"upsert"}').message,
    /put, merge, remove, removeMatching, expire, read, but got "upsert"/,
  );
  assert.match(refused('{"op":"read","key":"a","foo":1}').message, /no field "foo"; it takes op, key/);
  assert.equal(refused(`{"op":"put","key":"a","value":"${'x'.repeat(99)}"}`).limit, 100);
  assert.match(refused('{"op":"put","key":"a","value":1,"ttl":{"a":1}}').message, /got \{"a":1\}/);
});

test('a value of a named type is read as a body of that type would be', () => {
  for (const [fields, value] of [
    ['"value":"hi","contentType":"text/plain"', { kind: 'text', data: 'hi', contentType: 'text/plain' }],
    [
      '"value":"<a/>","contentType":"application/xml"',
      { kind: 'binary', data: Buffer.from('<a/>'), contentType: 'application/xml' },
    ],
    ['"value":{"a":1},"contentType":"application/json"', { kind: 'json', data: '{"a":1}' }],
    [
      '"value":"AQI=","encoding":"base64"',
      { kind: 'binary', data: Buffer.from([1, 2]), contentType: 'application/octet-stream' },
    ],
    [
      '"value":"AQI","encoding":"base64"',
      { kind: 'binary', data: Buffer.from([1, 2]), contentType: 'application/octet-stream' },
    ],
    [
      '"value":"","encoding":"base64","contentType":"image/png"',
      { kind: 'binary', data: Buffer.alloc(0), contentType: 'image/png' },
    ],
    [
      '"value":"aGk=","encoding":"base64","contentType":"text/plain"',
      { kind: 'text', data: 'hi', contentType: 'text/plain' },
    ],
    [
      '"value":"/w==","encoding":"base64","contentType":"text/plain"',
      { kind: 'binary', data: Buffer.from([255]), contentType: 'text/plain' },
    ],
    ['"value":"eyJhIjoxfQ==","encoding":"base64","contentType":"application/json"', { kind: 'json', data: '{"a":1}' }],
  ] as const) {
    assert.deepEqual((taken(`{"op":"put","key":"a",${fields}}`) as PutCommand).value, value);
  }
});

test('a value as an entry shows it, sent back in a command, is the same value', () => {
  const type = fc.constantFrom(
    undefined,
    'text/plain',
    'text/csv; charset=latin1',
    'application/xml',
    'application/geo+json',
    'image/png',
  );
  const bytes = fc.oneof(
    fc.uint8Array(),
    fc.string().map((text) => Buffer.from(text)),
    fc.json().map((text) => Buffer.from(text)),
  );
  const wide = { ...limits, valueBytesMax: 1_000_000 };
  fc.assert(
    fc.property(bytes, type, (body, contentType) => {
      const payload = payloadFromBody(Buffer.from(body), contentType);
      if (isRefusal(payload)) return;
      const { json, ...fields } = payloadToJsonText(payload);
      const named = Object.entries(fields).map(([name, value]) => `,"${name}":${JSON.stringify(value)}`);
      const command = decodeCommand(`{"op":"put","key":"a","value":${json}${named.join('')}}`, wide) as PutCommand;
      // Line breaks between JSON tokens become spaces on the way out.
      const sent: Payload =
        payload.kind === 'json' ? { ...payload, data: payload.data.replace(/[\r\n]/g, ' ').trim() } : payload;
      assert.ok(payloadEquals(command.value, sent), JSON.stringify([sent, command]));
    }),
    { numRuns: 500 },
  );
});

test('fields of the protocol around a command are ignored when named, and only then', () => {
  assert.deepEqual(decodeCommand('{"op":"read","key":"a","id":7}', limits, ['id']), { op: 'read', key: 'a' });
  assert.equal((decodeCommand('{"op":"read","key":"a","id":7}', limits) as Refusal).field, 'id');
  assert.equal((decodeCommand('{"op":"read","key":"a","id":7,"x":1}', limits, ['id']) as Refusal).field, 'x');
});

test('an object is taken as its JSON text, and what has none is refused', () => {
  assert.deepEqual(taken({ op: 'put', key: 'a', value: { b: 1 } }), {
    op: 'put',
    key: 'a',
    value: { kind: 'json', data: '{"b":1}' },
  });
  const cycle: { op: string; self?: unknown } = { op: 'put' };
  cycle.self = cycle;
  assert.equal(refused(cycle).code, 'invalid-request');
  assert.equal(refused({ op: 'put', key: 'a', value: 1n }).code, 'invalid-request');
  assert.equal(refused({ toJSON: () => undefined }).code, 'invalid-request');
});

test('what is over a limit of size in a message is cut', () => {
  const refusal = refused(`{"op":"read","key":"a","${'f'.repeat(50_000)}":1}`);
  assert.ok(refusal.message.length < 400 && (refusal.field ?? '').length <= 100);
});
