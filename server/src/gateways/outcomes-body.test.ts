import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MemoryView } from '../../../test/support/memory-view.ts';
import type { Outcome } from '../commands/command.ts';
import { outcomeJson } from './outcome-json.ts';
import { outcomesBody } from './outcomes-body.ts';

const applied = (offset: number): Outcome => ({
  outcome: 'applied',
  version: { epoch: 'k3x9', partition: 0, offset },
});
const OUTCOMES: readonly Outcome[] = [
  ...[1, 9, 10, 99, 100, 1042, 999_999_999, 4_294_967_296, Number.MAX_SAFE_INTEGER].map(applied),
  { ...applied(7), previous: null } as Outcome,
  { outcome: 'applied', removed: 2, keys: ['ä'.repeat(200), 'b'], truncated: false },
  { outcome: 'refused', code: 'key-invalid', message: 'Line 3: „ä“', field: 'key' },
  { outcome: 'late', version: { epoch: 'k3x9', partition: 0, offset: 3 } },
  { outcome: 'value', entry: undefined },
];

describe('the body of outcomes', () => {
  for (const partitions of [1, 3]) {
    test(`holds each as it is told by itself, in the form of the commands, with ${partitions} partition(s)`, () => {
      const view = new MemoryView(partitions);
      const texts = OUTCOMES.map((outcome) => outcomeJson(outcome, view));
      assert.equal(outcomesBody(OUTCOMES, view, 'ndjson').toString(), `${texts.join('\n')}\n`);
      assert.equal(outcomesBody(OUTCOMES, view, 'array').toString(), `[${texts.join(',')}]`);
      for (const outcome of OUTCOMES)
        assert.equal(outcomesBody([outcome], view, 'object').toString(), outcomeJson(outcome, view));
    });
  }

  test('is empty for none', () => {
    const view = new MemoryView(1);
    assert.equal(outcomesBody([], view, 'ndjson').toString(), '');
    assert.equal(outcomesBody([], view, 'array').toString(), '[]');
  });
});
