import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MemoryView } from '../../../test/support/memory-view.ts';
import type { ChangeDraft } from '../shared/change.ts';
import { STEP_BYTES_MAX, STEP_CHANGES_MAX, Stage } from './stage.ts';

function draft(key: string, data = '1', op: ChangeDraft['op'] = 'put'): ChangeDraft {
  return { op, key, value: { kind: 'json', data }, updated: { micros: 1 }, decided: 1 };
}

describe('a stage', () => {
  test('gives offsets on from the head, and chains the changes of a key', () => {
    const view = new MemoryView();
    const durable = view.put('a', 0);
    view.put('b', 0);
    const stage = new Stage(view);
    const [first, other, second] = ['a', 'c', 'a'].map((key) => stage.add(draft(key)));
    assert.deepEqual([first?.offset, other?.offset, second?.offset], [3, 4, 5]);
    assert.deepEqual([first?.previous, other?.previous, second?.previous], [durable.offset, 0, 3]);
    assert.deepEqual(
      stage.placed.map(({ before }) => before),
      [durable, undefined, first],
    );
    assert.equal(stage.get('a'), second);
    assert.equal(stage.get('b')?.offset, 2);
    assert.equal(stage.get('none'), undefined);
    assert.deepEqual([stage.at(2), stage.at(3), stage.at(5), stage.at(6)], [undefined, first, second, undefined]);
    assert.equal(view.head(0), 2, 'nothing was written');
  });

  test('that lies on another sees what that one holds, and goes on from it, also once it is durable', () => {
    const view = new MemoryView();
    const below = new Stage(view);
    const first = below.add(draft('a'));
    const stage = new Stage(view, below);
    const second = stage.add(draft('a', '2'));
    assert.deepEqual([second.offset, second.previous, stage.head], [2, 1, 2]);
    assert.equal(stage.placed[0]?.before, first);
    assert.deepEqual([stage.at(1), stage.at(2), stage.bytes], [first, second, 2 * below.bytes]);
    stage.rollback({ placed: 0, bytes: 0, undos: 0 });
    assert.equal(stage.before('a'), first);
    view.put('a', 0);
    stage.settleBelow();
    assert.deepEqual([stage.head, stage.get('a')?.offset, stage.bytes], [1, 1, 0]);
  });

  test('keeps the offset of the value through a stale change', () => {
    const stage = new Stage(new MemoryView());
    stage.add(draft('a'));
    assert.equal(stage.add(draft('a', '1', 'stale')).valueOffset, 1);
    assert.equal(stage.add(draft('a', '2')).valueOffset, 3);
  });

  test('is as before after a rollback: changes, bytes, what is read, and notes from the last to the first', () => {
    const view = new MemoryView();
    const durable = view.put('a', 0);
    const stage = new Stage(view);
    const kept = stage.add(draft('b'));
    const undone: string[] = [];
    stage.note(() => undone.push('kept'));
    const mark = stage.mark();
    for (const key of ['a', 'a', 'b', 'c', 'c']) stage.add(draft(key, 'x'.repeat(100)));
    stage.note(() => undone.push('first'));
    stage.note(() => undone.push('second'));
    stage.rollback(mark);
    assert.deepEqual(undone, ['second', 'first']);
    assert.deepEqual(
      [stage.get('a'), stage.get('b'), stage.get('c'), stage.placed.length],
      [durable, kept, undefined, 1],
    );
    assert.deepEqual(stage.mark(), mark);
    const again = stage.add(draft('c'));
    assert.deepEqual([again.offset, again.previous], [3, 0]);
    stage.rollback({ placed: 0, bytes: 0, undos: 0 });
    assert.ok(stage.isEmpty);
    assert.equal(stage.bytes, 0);
  });

  test('shows a whole entry after a rollback too, where the put that was taken back needed less of it', () => {
    const view = new MemoryView();
    const durable = view.put('a', 0);
    const placed = { ...durable };
    const stage = new Stage({
      ...{ head: () => 1, nowMicros: () => 1, get: (key) => view.get(key) },
      before: () => placed,
    });
    const mark = stage.mark();
    stage.before('a');
    stage.add(draft('a'));
    stage.rollback(mark);
    assert.equal(stage.get('a'), durable);
  });

  test('is not empty by a note alone: progress without a change is a step', () => {
    const stage = new Stage(new MemoryView());
    assert.ok(stage.isEmpty);
    stage.note(() => undefined);
    assert.ok(!stage.isEmpty);
  });

  test('is full at a thousand changes or a MiB, and takes one change of any size', () => {
    const many = new Stage(new MemoryView());
    for (let index = 0; index < STEP_CHANGES_MAX; index += 1) {
      assert.ok(!many.isFull);
      many.add(draft(`k${index}`));
    }
    assert.ok(many.isFull && !many.isOversized());
    const mark = many.mark();
    many.add(draft('more'));
    assert.ok(many.isOversized() && !many.isOversized(mark));
    const big = new Stage(new MemoryView());
    big.add(draft('a', 'x'.repeat(STEP_BYTES_MAX * 2)));
    assert.ok(big.isFull && !big.isOversized());
    big.add(draft('b'));
    assert.ok(big.isOversized());
  });

  test('counts bytes of UTF-8', () => {
    const stage = new Stage(new MemoryView());
    stage.add(draft('a'));
    const { bytes } = stage;
    stage.add(draft('b', 'ü'));
    assert.equal(stage.bytes - bytes, bytes + 1);
  });
});
