import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type Heard, Inbox } from './inbox.ts';

const WHY = 'too much came';
const message = (micros: number, bytes = 1) =>
  ({ kind: 'message', channel: '', body: Buffer.alloc(bytes, 'x'), micros }) as const;
const gap = (from: number, to: number, reason = 'away') => ({ from, to, reason });
const shown = (entries: readonly Heard[]) =>
  entries.map((entry) => (entry.kind === 'gap' ? `${entry.from}-${entry.to}` : entry.micros));

describe('the inbox of a subscription', () => {
  test('hands out messages in order, up to the next gap, and each gap by itself', () => {
    const inbox = new Inbox({ countMax: 100, bytesMax: 1e6 });
    inbox.hear(message(1), WHY);
    inbox.hear(message(2), WHY);
    inbox.miss(gap(3, 4));
    inbox.miss(gap(5, 6));
    inbox.hear(message(7), WHY);
    assert.deepEqual(shown(inbox.takeOut(10, 1e6)), [1, 2]);
    assert.deepEqual(shown(inbox.takeOut(10, 1e6)), ['3-6']);
    assert.deepEqual(shown(inbox.takeOut(10, 1e6)), [7]);
    assert.ok(inbox.isEmpty);
  });

  test('hands out no more than is asked for, but one message however big it is', () => {
    const inbox = new Inbox({ countMax: 100, bytesMax: 1e6 });
    for (const micros of [1, 2, 3]) inbox.hear(message(micros, 1000), WHY);
    assert.deepEqual(shown(inbox.takeOut(2, 1e6)), [1, 2]);
    inbox.hear(message(4, 1000), WHY);
    assert.deepEqual(shown(inbox.takeOut(10, 10)), [3]);
  });

  test('beyond its bounds the oldest become one gap with their times', () => {
    const inbox = new Inbox({ countMax: 3, bytesMax: 1e6 });
    for (let micros = 1; micros <= 6; micros += 1) inbox.hear(message(micros), WHY);
    assert.deepEqual(shown(inbox.entries()), ['1-3', 4, 5, 6]);
    const small = new Inbox({ countMax: 100, bytesMax: 5000 });
    for (let micros = 1; micros <= 6; micros += 1) small.hear(message(micros, 2000), WHY);
    assert.deepEqual(shown(small.entries()), ['1-4', 5, 6]);
  });

  test('what was taken out and not taken comes first again', () => {
    const inbox = new Inbox({ countMax: 100, bytesMax: 1e6 });
    for (const micros of [1, 2, 3]) inbox.hear(message(micros), WHY);
    const out = inbox.takeOut(2, 1e6);
    inbox.hear(message(4), WHY);
    inbox.putBack(out.slice(1));
    assert.deepEqual(shown(inbox.entries()), [2, 3, 4]);
    assert.equal(inbox.size, 3);
  });

  test('a gap that comes first is cut to what is after a time, or goes', () => {
    const inbox = new Inbox({ countMax: 100, bytesMax: 1e6 });
    inbox.miss(gap(0, 50));
    inbox.hear(message(60), WHY);
    inbox.missedOnlySince(40);
    assert.deepEqual(shown(inbox.entries()), ['40-50', 60]);
    inbox.missedOnlySince(50);
    assert.deepEqual(shown(inbox.entries()), [60]);
  });

  test('holds no more than its bounds and accounts for every message, whatever happens', () => {
    const step = fc.oneof(
      fc.record({ do: fc.constant('hear' as const), bytes: fc.nat(400) }),
      fc.record({ do: fc.constant('take' as const), count: fc.integer({ min: 1, max: 5 }), keep: fc.boolean() }),
      fc.record({ do: fc.constant('miss' as const) }),
      fc.record({ do: fc.constant('forget' as const), age: fc.nat(10) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const inbox = new Inbox({ countMax: 8, bytesMax: 4000 });
        let now = 0;
        let last = 0;
        const isOver = (entries: readonly Heard[]) => {
          for (const entry of entries) {
            const from = entry.kind === 'gap' ? entry.from : entry.micros;
            const to = entry.kind === 'gap' ? entry.to : entry.micros;
            assert.ok(from <= last + 1 && to >= last, `${shown(entries)} after ${last}`);
            last = Math.max(last, to);
          }
        };
        for (const each of steps) {
          if (each.do === 'hear') inbox.hear(message(++now, each.bytes), WHY);
          else if (each.do === 'miss') inbox.miss(gap(now, ++now));
          else if (each.do === 'forget') inbox.forgetBefore(now - each.age, WHY);
          else {
            const out = inbox.takeOut(each.count, 1000);
            if (each.keep && out[0]?.kind === 'message') inbox.putBack(out);
            else isOver(out);
          }
          assert.ok(inbox.size <= 8 + 5);
        }
        while (!inbox.isEmpty) isOver(inbox.takeOut(100, 1e6));
        assert.equal(last, now, 'nothing went without a word');
        assert.equal(inbox.size, 0);
        assert.equal(inbox.bytes, 0);
      }),
    );
  });
});
