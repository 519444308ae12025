import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { DEFAULT_SETTINGS } from '../config/settings.ts';
import { decodeAnyCommand } from './command.ts';
import { decodePlainPut } from './plain-put.ts';

// A failure prints its seed and path: give both to fc.assert to see it again.

const limits = { ...DEFAULT_SETTINGS.limits, keyBytesMax: 16, valueBytesMax: 600 };

/** The fast decoder's answer, once it is known to be the other's, down to the order of the fields, which digests depend on. */
function agreed(text: string, from = 0, to = text.length): unknown {
  const plain = decodePlainPut(text, from, to, limits);
  if (plain === undefined) return undefined;
  const other = decodeAnyCommand(text, from, to, limits);
  assert.deepEqual(plain, other, text);
  assert.equal(JSON.stringify(plain), JSON.stringify(other), text);
  return plain;
}

const names = fc.constantFrom(
  'op',
  'key',
  'value',
  'updated',
  'ttl',
  'idempotencyKey',
  'valid',
  'o',
  'keys',
  'ifAbsent',
);
const texts = fc.oneof(
  fc.constantFrom(
    'put',
    'merge',
    'a',
    '',
    'a.b',
    'ä',
    '\u0007',
    '\u007f',
    'k'.repeat(17),
    '2026-11-20T12:00:00Z',
    '60',
    'q"',
  ),
  fc.string({ maxLength: 20 }),
);
const values = fc.oneof(
  texts.map((text) => JSON.stringify(text)),
  fc.json({ maxDepth: 3 }),
  fc.constantFrom(
    '1.0',
    '-0',
    '1e400',
    '60',
    '0',
    '-1',
    '0.5',
    'null',
    'true',
    'tru',
    '01',
    '[1, 2]',
    '"\\u0041"',
    '"'.concat('x'.repeat(700), '"'),
  ),
);
const blanks = fc.constantFrom('', '', '', ' ', '  ', '\t');
const member = fc
  .tuple(names, blanks, blanks, values)
  .map(([name, before, after, value]) => `"${name}"${before}:${after}${value}`);
const usual = fc
  .tuple(texts, values)
  .map(([key, value]) => ['"op":"put"', `"key":${JSON.stringify(key)}`, `"value":${value}`]);
const lines = fc
  .tuple(fc.oneof(usual, fc.constant<string[]>([])), fc.array(member, { maxLength: 4 }), blanks, fc.context())
  .chain(([some, more, blank]) =>
    fc
      .shuffledSubarray([...some, ...more], { minLength: Math.min(2, some.length) })
      .map((members) => `{${members.join(`,${blank}`)}}`),
  );
const mutated = fc
  .tuple(lines, fc.nat(), fc.nat(3), fc.constantFrom('', '"', '}', '{', ',', ':', ' ', '\\', '\n', '0', '\u00e9'))
  .map(
    ([line, at, drop, put]) =>
      line.slice(0, at % (line.length + 1)) + put + line.slice((at % (line.length + 1)) + drop),
  );

describe('a plain put', () => {
  test('is what the decoder of everything makes of it, whatever the line and whatever was done to it', () => {
    let taken = 0;
    fc.assert(
      fc.property(fc.oneof(lines, mutated), (line) => {
        if (agreed(line) !== undefined) taken += 1;
      }),
      { numRuns: 20_000 },
    );
    assert.ok(taken > 100, `only ${taken} of the generated lines are plain puts`);
  });

  test('is seen in a line among others, and never takes what stands behind it', () => {
    const line = '{"op":"put","key":"a","value":{"t":1.0}}';
    const text = `x\n${line}\n{"op":"put"}`;
    assert.deepEqual(agreed(text, 2, 2 + line.length), {
      op: 'put',
      key: 'a',
      value: { kind: 'json', data: '{"t":1.0}' },
    });
    for (let to = 3; to < 2 + line.length; to += 1)
      assert.equal(decodePlainPut(text, 2, to, limits), undefined, `${to}`);
  });

  test('may be spaced as Python writes it, have its fields in any order, and the times and key of a repeat', () => {
    for (const line of [
      '{"op": "put", "key": "a", "value": {"t": 1}}',
      '{"key":"a","value":"x","op":"put"}',
      '{"op":"put","key":"a","value":1,"updated":"2026-11-20T12:00:00Z","ttl":60,"idempotencyKey":"i"}',
      '{"idempotencyKey":"i","ttl":0.5,"op":"put","updated":"2026-11-20T12:00:00Z","key":"a","value":[]}',
    ])
      assert.ok(agreed(line) !== undefined, line);
  });

  test('leaves to the other what it would have to refuse, unescape or count in bytes', () => {
    for (const line of [
      '{"op":"put","key":"a","key":"b","value":1}',
      '{"op":"put","key":"","value":1}',
      '{"op":"put","key":"\\u0061","value":1}',
      '{"op":"put","key":"ä","value":1}',
      '{"op":"put","key":"a","value":1,"ttl":"60"}',
      '{"op":"put","key":"a","value":1,"ttl":-1}',
      '{"op":"put","key":"a","value":1,"updated":"yesterday"}',
      '{"op":"put","key":"a","value":01}',
      '{"op":"put","key":"a","value":1,}',
      '{"op":"put","key":"a"}',
      `{"op":"put","key":"a","value":"${'ä'.repeat(300)}"}`,
    ])
      assert.equal(decodePlainPut(line, 0, line.length, limits), undefined, line);
  });
});
