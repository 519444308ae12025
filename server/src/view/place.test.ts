import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Change } from '../shared/change.ts';
import { entryOfPlace, PLACE_BYTES, whole, writePlace } from './place.ts';

const put: Change = {
  op: 'put',
  key: 'k',
  partition: 3,
  offset: 7,
  previous: 2,
  valueOffset: 7,
  value: { kind: 'json', data: '1' },
  updated: { micros: 5, text: '1970-01-01T00:00:00.000005Z' },
  decided: 9,
  origin: 'http:here',
};

function stored(change: Change): Buffer {
  const place = Buffer.alloc(PLACE_BYTES);
  assert.equal(writePlace(place, 0, change, 120), PLACE_BYTES);
  return place;
}

function entryOf(change: Change, reads: string[] = []) {
  const records = {
    change: (partition: number, offset: number) => {
      reads.push(`${partition}/${offset}`);
      return change;
    },
  };
  return entryOfPlace(stored(change), change.key, change.partition, change.offset, records);
}

describe('a place', () => {
  test('tells of a plain put what deciding asks for without its record, and the rest from it, read once', () => {
    const reads: string[] = [];
    const entry = entryOf(put, reads);
    assert.ok(entry !== undefined);
    assert.deepEqual(
      [entry.op, entry.key, entry.offset, entry.valueOffset, entry.expires, entry.valid, entry.updated.micros],
      ['put', 'k', 7, 7, undefined, undefined, 5],
    );
    assert.equal(entry.recordBytes, 120);
    assert.deepEqual(reads, []);
    assert.deepEqual([entry.value, entry.updated.text, entry.previous], [put.value, put.updated.text, 2]);
    assert.deepEqual([entry.decided, entry.origin, whole(entry)], [9, 'http:here', put]);
    assert.deepEqual(reads, ['3/7']);
  });

  test('says that the record is needed for whatever falls due, is stale or is gone', () => {
    for (const more of [{ expires: 5 }, { valid: { micros: 5 } }, { op: 'stale' }, { op: 'remove' }] as const)
      assert.equal(entryOf({ ...put, ...more }), undefined, JSON.stringify(more));
  });

  test('says so too where it was written before a place told more than the offset', () => {
    const records = { change: () => put };
    assert.equal(entryOfPlace(stored(put).subarray(0, 10), 'k', 3, 7, records), undefined);
  });

  test('keeps the partition, whether it is a remove, and the offset where they have always been', () => {
    const place = stored({ ...put, op: 'remove' });
    assert.deepEqual([place[0], place[1], place.readDoubleLE(2)], [3, 1, 7]);
  });
});
