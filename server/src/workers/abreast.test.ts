import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Abreast } from './abreast.ts';

function world(patienceMs = 60_000, monotonicMs = () => performance.now()) {
  const state = { newest: 0 };
  const abreast = new Abreast(() => state.newest, monotonicMs, patienceMs);
  const [a, b, c] = [{ name: 'a' }, { name: 'b' }, { name: 'c' }];
  for (const worker of [a, b, c]) {
    abreast.join(worker);
    abreast.shown(worker, 0);
  }
  const released: string[] = [];
  const ask = (step: number, asker: object, name: string) => {
    state.newest = Math.max(state.newest, step);
    abreast.when(step, asker, () => released.push(name));
  };
  return { abreast, a, b, c, ask, released };
}

describe('an answer to a write', () => {
  test('waits until all others show the step, and not for who asked', () => {
    const { a, abreast, ask, b, c, released } = world();
    ask(1, a, 'first');
    abreast.shown(b, 1);
    assert.deepEqual(released, []);
    abreast.shown(c, 1);
    assert.deepEqual(released, ['first']);
    // Everybody but the asker is there already.
    ask(1, a, 'second');
    assert.deepEqual(released, ['first', 'second']);
  });

  test('is given in the order of the steps', () => {
    const { a, abreast, ask, b, c, released } = world();
    ask(1, a, '1');
    ask(2, b, '2');
    ask(3, c, '3');
    for (const worker of [a, b, c]) abreast.shown(worker, 3);
    assert.deepEqual(released, ['1', '2', '3']);
  });

  test('does not wait for a worker that is gone', () => {
    const { a, abreast, ask, b, c, released } = world();
    ask(1, a, 'first');
    abreast.shown(b, 1);
    abreast.leave(c);
    assert.deepEqual(released, ['first']);
  });

  test('does not wait for a worker that has just started and shows nothing yet', () => {
    const { a, abreast, ask, b, c, released } = world();
    ask(100, a, 'first');
    for (const worker of [b, c]) abreast.shown(worker, 100);
    abreast.join({ name: 'new' });
    ask(101, a, 'second');
    for (const worker of [b, c]) abreast.shown(worker, 101);
    assert.deepEqual(released, ['first', 'second']);
  });

  test('waits only so long for one that takes nothing, and for it again once it has caught up', async () => {
    const { a, abreast, ask, b, c, released } = world(5);
    const late = Promise.withResolvers<void>();
    abreast.shown(b, 100);
    ask(100, a, 'held');
    abreast.when(100, a, late.resolve);
    await late.promise;
    assert.deepEqual(released, ['held']);
    abreast.shown(b, 101);
    ask(101, a, 'not held');
    assert.deepEqual(released, ['held', 'not held']);
    abreast.shown(c, 101);
    ask(102, a, 'held again');
    abreast.shown(b, 102);
    assert.deepEqual(released, ['held', 'not held']);
    abreast.shown(c, 102);
    assert.deepEqual(released, ['held', 'not held', 'held again']);
  });

  test('waits no longer because a slow worker shows the steps before it one by one', (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    let nowMs = 0;
    const { a, abreast, ask, b, c, released } = world(100, () => nowMs);
    const pass = (ms: number) => {
      nowMs += ms;
      t.mock.timers.tick(ms);
    };
    abreast.leave(c);
    ask(1, a, '1');
    pass(40);
    ask(2, a, '2');
    ask(3, a, '3');
    pass(50);
    abreast.shown(b, 1);
    assert.deepEqual(released, ['1']);
    pass(49);
    assert.deepEqual(released, ['1']);
    pass(1);
    assert.deepEqual(released, ['1', '2', '3']);
  });
});
