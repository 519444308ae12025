import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { MICROS_MAX } from '../shared/timestamp.ts';
import { afterMoment, afterPrefix, dueKey, momentOf, offsetOf, placeKey } from './keys.ts';

const offset = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
// The last moment that a timestamp can have lies beyond 2^53, where doubles are 32 microseconds apart.
const moment = fc.oneof(offset, fc.constantFrom(0, 1, 2 ** 32 - 1, 2 ** 32, MICROS_MAX));
const bytes = fc.uint8Array({ maxLength: 4 }).map((array) => Buffer.from(array));

describe('a place in the store', () => {
  test('lies in the order of partition and offset, and gives the offset back', () => {
    fc.assert(
      fc.property(fc.nat(63), offset, fc.nat(63), offset, (partitionA, a, partitionB, b) => {
        const order = Buffer.compare(placeKey(partitionA, a), placeKey(partitionB, b));
        assert.equal(order, Math.sign(partitionA - partitionB) || Math.sign(a - b));
        assert.equal(offsetOf(placeKey(partitionA, a)), a);
      }),
    );
  });
});

describe('a due', () => {
  test('lies in the order of moment, kind and key, and gives all of them back', () => {
    const due = fc.tuple(moment, fc.constantFrom(0, 1), bytes);
    fc.assert(
      fc.property(due, due, ([momentA, kindA, keyA], [momentB, kindB, keyB]) => {
        const a = dueKey(momentA, kindA, keyA);
        const order = Math.sign(momentA - momentB) || Math.sign(kindA - kindB) || Buffer.compare(keyA, keyB);
        assert.equal(Buffer.compare(a, dueKey(momentB, kindB, keyB)), order);
        assert.deepEqual([momentOf(a), a[8], a.subarray(9)], [momentA, kindA, keyA]);
      }),
    );
  });

  test('lies before the end of its moment and after the end of the one before', () => {
    fc.assert(
      fc.property(offset, fc.constantFrom(0, 1), bytes, (at, kind, key) => {
        assert.equal(Buffer.compare(dueKey(at, kind, key), afterMoment(at)), -1);
        if (at > 0) assert.equal(Buffer.compare(dueKey(at, kind, key), afterMoment(at - 1)), 1);
      }),
    );
  });

  test('from before 1970 is due at once', () => {
    assert.equal(momentOf(dueKey(-5, 1, Buffer.from('k'))), 0);
    assert.equal(Buffer.compare(dueKey(-5, 1, Buffer.from('k')), afterMoment(0)), -1);
    assert.equal(Buffer.compare(dueKey(0, 0, Buffer.alloc(0)), afterMoment(-5)), 1, 'nothing is due before 1970');
  });
});

describe('the end of a prefix', () => {
  test('is above every key with the prefix, and not above any other key that is', () => {
    fc.assert(
      fc.property(bytes, bytes, bytes, (prefix, rest, other) => {
        const end = afterPrefix(prefix);
        if (end === undefined) return assert.ok(prefix.every((byte) => byte === 0xff));
        assert.equal(Buffer.compare(Buffer.concat([prefix, rest]), end), -1);
        const isWithin = Buffer.compare(other, prefix) >= 0 && Buffer.compare(other, end) < 0;
        assert.equal(isWithin, other.subarray(0, prefix.length).equals(prefix));
      }),
    );
  });

  test('leaves the prefix as it was', () => {
    const prefix = Buffer.from([1, 255]);
    assert.deepEqual(afterPrefix(prefix), Buffer.from([2]));
    assert.deepEqual(prefix, Buffer.from([1, 255]));
    assert.equal(afterPrefix(Buffer.from([255, 255])), undefined);
    assert.equal(afterPrefix(Buffer.alloc(0)), undefined);
  });
});
