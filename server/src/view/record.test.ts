import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { Change, Payload } from '../shared/change.ts';
import { MICROS_MAX } from '../shared/timestamp.ts';
import { decodeRecord, encodeRecord, peekRecord } from './record.ts';

// Keys, times and origins are bounded where they come in; a record takes 64 KiB of each.
const text = fc.string({ unit: 'binary', maxLength: 200 }).filter((value) => value.isWellFormed());
const key = text.filter((value) => value.length > 0);
const micros = fc.oneof(
  fc.integer({ min: -62_135_596_800_000_000, max: Number.MAX_SAFE_INTEGER }),
  fc.constantFrom(0, -1, 1, Number.MAX_SAFE_INTEGER, MICROS_MAX),
);
const offset = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const timestamp = fc.tuple(micros, fc.option(text, { nil: undefined })).map(([at, sent]) => ({
  micros: at,
  ...(sent === undefined ? {} : { text: sent }),
}));
const payload: fc.Arbitrary<Payload> = fc.oneof(
  fc.tuple(text, fc.option(text, { nil: undefined })).map(([data, contentType]): Payload => {
    return contentType === undefined ? { kind: 'json', data } : { kind: 'json', data, contentType };
  }),
  fc.tuple(text, text).map(([data, contentType]): Payload => ({ kind: 'text', data, contentType })),
  fc
    .tuple(fc.uint8Array({ maxLength: 500 }), text)
    .map(([data, contentType]): Payload => ({ kind: 'binary', data: Buffer.from(data), contentType })),
);
const change: fc.Arbitrary<Change> = fc.record(
  {
    op: fc.constantFrom('put', 'remove', 'stale'),
    key,
    partition: fc.integer({ min: 0, max: 63 }),
    offset,
    previous: offset,
    valueOffset: offset,
    value: fc.option(payload, { nil: undefined }),
    as: fc.constantFrom(undefined, 'hash'),
    reason: fc.constantFrom(undefined, 'deleted', 'expired', 'evicted'),
    updated: timestamp,
    valid: fc.option(timestamp, { nil: undefined }),
    expires: fc.option(micros, { nil: undefined }),
    decided: micros,
    origin: fc.option(text, { nil: undefined }),
  },
  { noNullPrototype: true },
);

function throughRecord(written: Change): Change {
  return decodeRecord(Buffer.from(encodeRecord(written)), written.partition, written.offset);
}

const VALUE_BYTES = 1024 * 1024;

describe('a record', () => {
  test('gives back every change as it was, whatever its fields hold', () => {
    fc.assert(
      fc.property(change, (written) => {
        const read = throughRecord(written);
        // A copy by spread carries the value too.
        assert.deepEqual({ ...read }, written);
        assert.deepEqual(read.value, written.value);
      }),
      { numRuns: 2000 },
    );
  });

  test('tells when it was decided and its key without the rest', () => {
    fc.assert(
      fc.property(change, (written) => {
        const peeked = peekRecord(encodeRecord(written));
        assert.equal(peeked.decided, written.decided);
        assert.equal(peeked.key.toString(), written.key);
      }),
    );
  });

  test('takes values of a MiB, of bytes and of characters of every length', () => {
    const one = { op: 'put', key: 'k', partition: 0, offset: 1, previous: 0, valueOffset: 1, decided: 5 } as const;
    const values: readonly Payload[] = [
      { kind: 'json', data: JSON.stringify('v'.repeat(VALUE_BYTES - 2)) },
      { kind: 'text', data: '😀ü'.repeat(VALUE_BYTES / 6), contentType: 'text/plain' },
      { kind: 'binary', data: Buffer.alloc(VALUE_BYTES, 0xa5), contentType: 'image/png' },
    ];
    for (const value of values) {
      const written: Change = { ...one, value, updated: { micros: -1 } };
      assert.deepEqual(throughRecord(written).value, value);
    }
  });

  test('keeps its value apart from the next record that is read into the same memory', () => {
    const one = { op: 'put', key: 'k', partition: 0, offset: 1, previous: 0, valueOffset: 1, decided: 5 } as const;
    const data = Buffer.from('first');
    const record = encodeRecord({ ...one, value: { kind: 'binary', data, contentType: 'x' }, updated: { micros: 1 } });
    data.fill(0);
    assert.equal(decodeRecord(record, 0, 1).value?.data.toString(), 'first');
  });

  test('refuses, before anything is written, a text that its length field cannot tell', () => {
    const origin = 'o'.repeat(65_536);
    const place = { partition: 0, offset: 1, previous: 0, valueOffset: 1 };
    const written: Change = { op: 'remove', key: 'k', ...place, updated: { micros: 1 }, decided: 1, origin };
    assert.throws(() => encodeRecord(written), RangeError);
  });
});
