import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Change } from '../shared/change.ts';
import { RecentChanges } from './recent-changes.ts';

const at = (offset: number): Change => ({
  op: 'put',
  key: 'k',
  partition: 0,
  offset,
  previous: 0,
  valueOffset: offset,
  updated: { micros: 1 },
  decided: offset * 10,
});

describe('the recent changes', () => {
  test('know what was added, and nothing of what came before them', () => {
    const recent = new RecentChanges(10);
    assert.equal(recent.knows(99), false);
    for (let offset = 100; offset < 110; offset += 1) recent.add(at(offset), offset + 1);
    assert.deepEqual(
      [99, 100, 109, 110].map((offset) => recent.knows(offset)),
      [false, true, true, false],
    );
    assert.deepEqual([recent.bytes(104), recent.decided(104), recent.isSuperseded(104)], [105, 1040, false]);
  });

  test('forget the oldest for the newest', () => {
    const recent = new RecentChanges(1);
    for (let offset = 1; offset <= 20_000; offset += 1) recent.add(at(offset), offset);
    const size = 8192;
    assert.deepEqual([recent.knows(20_000 - size), recent.knows(20_000 - size + 1)], [false, true]);
    assert.equal(recent.bytes(20_000 - size + 1), 20_000 - size + 1);
  });

  test('know which were superseded or collected, until their place is taken by a newer one', () => {
    const recent = new RecentChanges(1);
    recent.add(at(1), 5);
    recent.supersede(1);
    recent.forget(1);
    recent.supersede(77);
    assert.deepEqual([recent.isSuperseded(1), recent.bytes(1)], [true, 0]);
    for (let offset = 2; offset <= 8193; offset += 1) recent.add(at(offset), 5);
    assert.deepEqual([recent.isSuperseded(8193), recent.bytes(8193)], [false, 5]);
  });
});
