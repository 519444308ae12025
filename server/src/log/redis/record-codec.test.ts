import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LatchkeyError } from '@latchkey/client';
import fc from 'fast-check';
import type { Change, Payload } from '../../shared/change.ts';
import { TABLE_NAMES } from '../../view/view.ts';
import { digestOf, digestOfFields } from './digest.ts';
import { readKeyHead, withValue } from './key-head.ts';
import { decodeRecord, encodeRecord } from './record-codec.ts';
import type { LogRecord } from './redis-store.ts';

const object: typeof fc.record = (model: object, constraints: object = {}) =>
  fc.record(model as never, { noNullPrototype: true, ...constraints } as never) as never;
const offset = fc.maxSafeNat();
const text = fc.string({ unit: 'grapheme', maxLength: 200 });
const moment = object(
  { micros: fc.integer({ min: -(2 ** 53) + 1, max: 2 ** 53 - 1 }), text },
  { requiredKeys: ['micros'] },
);
const bytes = fc.uint8Array({ maxLength: 300 }).map((data) => Buffer.from(data));
const payload: fc.Arbitrary<Payload> = fc.oneof(
  fc.json().map((data): Payload => ({ kind: 'json', data })),
  object({ kind: fc.constant('json' as const), data: fc.json(), contentType: text }),
  object({ kind: fc.constant('text' as const), data: text, contentType: text }),
  object({ kind: fc.constant('binary' as const), data: bytes, contentType: text }),
);
const parts = {
  key: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 100 }),
  partition: fc.constant(0),
  previous: offset,
  valueOffset: offset,
  updated: moment,
  valid: fc.option(moment, { nil: undefined }),
  expires: fc.option(offset, { nil: undefined }),
  decided: offset,
  origin: fc.option(text, { nil: undefined }),
};
const change: fc.Arbitrary<Omit<Change, 'offset'>> = fc.oneof(
  object({
    ...parts,
    op: fc.constantFrom('put' as const, 'stale' as const),
    value: payload,
    as: fc.constantFrom(undefined, 'hash' as const),
    reason: fc.constant(undefined),
  }),
  object({
    ...parts,
    op: fc.constant('remove' as const),
    value: fc.constant(undefined),
    as: fc.constant(undefined),
    reason: fc.constantFrom('deleted' as const, 'expired' as const, 'evicted' as const),
  }),
);
const record: fc.Arbitrary<LogRecord> = object({
  first: fc.nat({ max: 2 ** 31 }).map((first) => first * 2 ** 21 + 1),
  token: fc.string({ maxLength: 30 }),
  nowMicros: offset,
  epoch: fc.option(fc.string({ maxLength: 30 }), { nil: undefined }),
  tombstoneFloor: fc.option(offset, { nil: undefined }),
  changes: fc.array(change, { maxLength: 8 }),
  tables: fc.array(
    object({ table: fc.constantFrom(...TABLE_NAMES), key: bytes, value: fc.option(bytes, { nil: undefined }) }),
    { maxLength: 5 },
  ),
}).map(({ changes, first, ...rest }) => ({
  ...rest,
  first,
  last: first + Math.max(1, changes.length) - 1,
  changes: changes.map((one, index) => ({ ...one, offset: first + index })),
}));

/** Values are read lazily, and the moments of a test have no `text: undefined`. */
const plain = (one: LogRecord) => ({ ...one, changes: one.changes.map((each) => ({ ...each })) });

const isCorrupt = (error: unknown) => error instanceof LatchkeyError && error.code === 'data-corrupt';

test('a record comes back as it was', () => {
  fc.assert(
    fc.property(record, (one) => {
      assert.deepEqual(plain(decodeRecord(encodeRecord(one).bytes)), plain(one));
    }),
  );
});

test('the places of a record are where a script cuts heads and values out of it', () => {
  fc.assert(
    fc.property(record, (one) => {
      const { bytes: encoded, places } = encodeRecord(one);
      for (const [index, each] of one.changes.entries()) {
        const [headStart, valueStart, end] = places.subarray(index * 3, index * 3 + 3) as unknown as [
          number,
          number,
          number,
        ];
        const head = readKeyHead(encoded.subarray(headStart, valueStart), each.key);
        assert.deepEqual({ ...withValue(head, encoded.subarray(valueStart, end)) }, { ...each });
        if (each.value !== undefined) assert.deepEqual(head.digest, digestOf(Buffer.from(each.value.data)));
      }
    }),
  );
});

test('what is cut off, goes on or is anything else is refused, and never taken for a record', () => {
  fc.assert(
    fc.property(record, fc.nat(), (one, cut) => {
      const { bytes: encoded } = encodeRecord(one);
      assert.throws(() => decodeRecord(encoded.subarray(0, cut % encoded.length)), isCorrupt);
      assert.throws(() => decodeRecord(Buffer.concat([encoded, Buffer.from([0])])), isCorrupt);
    }),
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (garbage) => {
      assert.throws(() => decodeRecord(Buffer.from(garbage)), isCorrupt);
    }),
  );
});

test('a byte that flips is refused or read as some record, and nothing else happens', () => {
  fc.assert(
    fc.property(record, fc.nat(), fc.integer({ min: 1, max: 255 }), (one, at, mask) => {
      const { bytes: encoded } = encodeRecord(one);
      encoded[at % encoded.length] = (encoded[at % encoded.length] as number) ^ mask;
      try {
        plain(decodeRecord(encoded));
      } catch (error) {
        assert.ok(isCorrupt(error), String(error));
      }
    }),
  );
});

test('a record or head of a newer format says so', () => {
  const { bytes: encoded } = encodeRecord({
    first: 1,
    last: 1,
    token: 't',
    nowMicros: 1,
    epoch: undefined,
    tombstoneFloor: undefined,
    changes: [],
    tables: [],
  });
  encoded[0] = 9;
  assert.throws(
    () => decodeRecord(encoded),
    /a record that can't be read \(it is of format 9, and this program knows 1/,
  );
  assert.throws(() => readKeyHead(Buffer.alloc(60), 'a'), /the head of a key/);
});

test('a digest tells values apart, and does not mind the order of a hash’s fields', () => {
  fc.assert(
    fc.property(bytes, bytes, (one, other) => {
      assert.equal(JSON.stringify(digestOf(one)) === JSON.stringify(digestOf(other)), one.equals(other));
    }),
  );
  const fields = fc.uniqueArray(fc.tuple(text, text), { selector: ([name]) => name, maxLength: 6 });
  fc.assert(
    fc.property(fields, (list) => {
      const reversed = list.map(([name, value]) => [Buffer.from(name), Buffer.from(value)] as const).reverse();
      assert.deepEqual(digestOfFields(list), digestOfFields(reversed));
    }),
  );
  assert.notDeepEqual(digestOfFields([['ab', 'c']]), digestOfFields([['a', 'bc']]));
  assert.notDeepEqual(digestOf(Buffer.from('a\0')), digestOf(Buffer.from('a')));
});
