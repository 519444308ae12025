import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Command, Refusal } from '../commands/command.ts';
import { DEFAULT_SETTINGS } from '../config/settings.ts';
import { payloadBytes } from '../shared/change.ts';
import { refuseKey } from '../shared/key.ts';
import { isRefusal } from '../shared/refusal.ts';
import { cacheEventFormat } from './cache-event.ts';
import { commandFormat } from './commands.ts';
import type { Format } from './format.ts';
import { type FormatSettings, makeFormat } from './format-kinds.ts';

// Garbage gives a refusal, never an exception. A failure prints its seed and path: give both to fc.assert to see it again.

const limits = { ...DEFAULT_SETTINGS.limits, keyBytesMax: 64, valueBytesMax: 4096, pendingCommandsMax: 1000 };

const FORMATS: readonly Format[] = (
  [
    { kind: 'command' },
    { kind: 'kvupdater' },
    { kind: 'cache-event' },
    { kind: 'kv-store' },
    { kind: 'json', key: 'battery:{battery_id}:data', omit: ['battery_id'], write: 'merge' },
    { kind: 'json', key: '{$key}:{a.b}', updated: 'time', ttl: 5 },
    { kind: 'json', key: 'x{$key}' },
    { kind: 'raw' },
    { kind: 'raw', key: 'x', contentType: 'application/json' },
  ] satisfies FormatSettings[]
).map((settings) => makeFormat(settings, limits));

const VALID = [
  '{"op":"put","key":"a","value":{"temp":21.5},"updated":"2026-11-20T12:00:00Z","ttl":60,"ifVersion":"k3x9.7","contentType":"text/plain","encoding":"base64"}',
  '[{"op":"merge","key":"a","value":{"x":2}},{"op":"expire","key":"a","ttl":null}]',
  '{"op":"removeMatching","pattern":"a.*","dryRun":true}\n{"op":"read","key":"a"}\n{"op":"remove","key":"a"}',
  '{"type":"weather","updated":"2023-10-01T12:00:00Z","valid":"2023-10-01T12:05:32Z","values":{"a":1}}',
  '{"key":"SET","value":{"data":[{"key":"K","value":1},{"K1":1,"K2":[2]}],"ttl":"60"}}',
  '[{"key":"DELETE","value":{"data":{"keys":["a","b"]}}},{"key":"DELETE_PATTERN","value":{"data":{"pattern":"[^a]*","dryRun":true}}}]',
  '{"Key":"City","Value":"Ahmedabad"}',
  '{"battery_id":7,"voltage":48,"soc":81,"a":{"b":"c"},"time":"2026-11-20T12:00:00Z"}',
];

const NASTY = [
  '"\\ud800"',
  '"\\u0000"',
  '\ud800',
  '1e400',
  '-0',
  '9'.repeat(400),
  '1'.repeat(100).concat('.5'),
  '"__proto__"',
  '"constructor"',
  '{"__proto__":{"x":1}}',
  '['.repeat(600),
  '{"a":'.repeat(600),
  '"'.concat('x'.repeat(5000), '"'),
  'null',
  '\u2028',
  '\ufeff',
  '\u0000',
];

function sound(decoded: Command | Refusal): void {
  if (isRefusal(decoded)) {
    assert.ok(decoded.message.length > 0 && decoded.message.length < 1000, decoded.message);
    assert.ok(decoded.message.isWellFormed());
    return;
  }
  if ('key' in decoded) assert.equal(refuseKey(decoded.key, limits.keyBytesMax), undefined);
  if ('ttlMicros' in decoded && decoded.ttlMicros !== null)
    assert.ok(Number.isSafeInteger(decoded.ttlMicros) && Number(decoded.ttlMicros) > 0);
  if (decoded.op === 'put') {
    assert.ok(payloadBytes(decoded.value) <= limits.valueBytesMax);
    if (decoded.value.kind === 'json') JSON.parse(decoded.value.data);
    else if (decoded.value.kind === 'text') assert.ok(decoded.value.data.isWellFormed());
  }
  if (decoded.op === 'merge') assert.equal(typeof JSON.parse(decoded.patch), 'object');
}

function judge(body: Buffer, contentType: string | undefined, recordKey: string | undefined): void {
  const message = {
    body,
    ...(contentType === undefined ? {} : { headers: { 'content-type': contentType } }),
    ...(recordKey === undefined ? {} : { recordKey }),
  };
  for (const format of FORMATS) for (const decoded of format.decode(message)) sound(decoded);
  const events = cacheEventFormat(limits).decodeEvents(message);
  if (!isRefusal(events)) {
    for (const { commands, answer } of events.events) {
      const outcomes = commands.map((command) => (isRefusal(command) ? command : ({ outcome: 'duplicate' } as const)));
      JSON.parse(answer(outcomes, 'k3x9.1'));
    }
  }
  sound(commandFormat(limits).decodeFrame(body.toString('latin1')) as Command | Refusal);
}

const contentType = fc.constantFrom(
  undefined,
  'application/json',
  'application/x-ndjson',
  'text/plain',
  'a/b',
  'garbage',
  '\u0000',
);
const recordKey = fc.option(fc.string({ unit: 'binary', maxLength: 8 }), { nil: undefined });

test('random bytes are refused or taken, never thrown over', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), contentType, recordKey, (bytes, type, key) =>
      judge(Buffer.from(bytes), type, key),
    ),
    { numRuns: 2000 },
  );
});

test('valid messages with bytes changed are refused or taken, never thrown over', () => {
  const edit = fc.tuple(fc.nat(), fc.nat(4), fc.uint8Array({ maxLength: 3 }));
  fc.assert(
    fc.property(
      fc.constantFrom(...VALID),
      fc.array(edit, { minLength: 1, maxLength: 4 }),
      contentType,
      recordKey,
      (text, edits, type, key) => {
        let bytes = Buffer.from(text);
        for (const [place, cut, inserted] of edits) {
          const at = place % (bytes.length + 1);
          bytes = Buffer.concat([bytes.subarray(0, at), inserted, bytes.subarray(at + cut)]);
        }
        judge(bytes, type, key);
      },
    ),
    { numRuns: 5000 },
  );
});

test('valid messages with a nasty piece in the place of a token are refused or taken, never thrown over', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...VALID),
      fc.nat(),
      fc.constantFrom(...NASTY),
      contentType,
      (text, place, piece, type) => {
        const tokens = text.match(/"[^"]*"|[0-9.]+|[^"0-9]/g) ?? [];
        const at = place % tokens.length;
        judge(Buffer.from([...tokens.slice(0, at), piece, ...tokens.slice(at + 1)].join('')), type, 'k');
      },
    ),
    { numRuns: 5000 },
  );
});

test('any JSON in the place of any field is refused or taken, never thrown over', () => {
  const field = fc.constantFrom(
    ...[
      'op',
      'key',
      'value',
      'data',
      'ttl',
      'type',
      'values',
      'Key',
      'Value',
      'updated',
      'pattern',
      'keys',
      'battery_id',
      'encoding',
      'contentType',
      'ifVersion',
      'idempotencyKey',
    ],
  );
  const known = fc.constantFrom(
    'put',
    'merge',
    'remove',
    'expire',
    'removeMatching',
    'read',
    'SET',
    'GET',
    'DELETE',
    'DELETE_PATTERN',
    'base64',
    'text/plain',
  );
  const value: fc.Arbitrary<unknown> = fc.oneof(
    known,
    fc.jsonValue(),
    fc.dictionary(field, fc.oneof(known, fc.jsonValue())),
  );
  const object = fc.dictionary(field, fc.oneof(value, fc.dictionary(field, value)));
  fc.assert(
    fc.property(fc.oneof(object, fc.array(object)), contentType, (message, type) =>
      judge(Buffer.from(JSON.stringify(message)), type, 'k'),
    ),
    { numRuns: 1500 },
  );
});

test('a body of brackets alone is refused in time that grows with its size', () => {
  for (const piece of ['[', '{', '{"a":', '[{"op":', '"', '\\', '"\\', '\n', '[],', '{}\n', '0,']) {
    judge(Buffer.from(piece.repeat(200_000)), undefined, 'k');
    judge(Buffer.from(piece.repeat(200_000)), 'application/x-ndjson', 'k');
  }
});
