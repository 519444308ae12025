import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { until } from '../../test/support/fake-websocket.ts';
import { Backoff } from './backoff.ts';
import type { WakeReason, WakeSource } from './wake.ts';

function setUp(random: () => number) {
  const listeners = new Set<(reason: WakeReason) => void>();
  const wake: WakeSource = (listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  };
  const backoff = new Backoff(random, wake);
  return { backoff, listeners, wakeAll: () => [...listeners].forEach((listener) => void listener('online')) };
}

const never = new AbortController().signal;

describe('backoff', () => {
  test('the ceiling doubles up to 30 s and stays there, and every wait is anything below it', async () => {
    const { backoff } = setUp(() => 0.5);
    const waits: number[] = [];
    for (let failure = 0; failure < 40; failure += 1) {
      waits.push(backoff.begin(0));
      await backoff.wait(AbortSignal.abort());
    }
    assert.deepEqual(waits.slice(0, 7), [500, 1000, 2000, 4000, 8000, 15_000, 15_000]);
    assert.ok(waits.slice(5).every((ms) => ms === 15_000));
    backoff.reset();
    assert.equal(backoff.begin(7000), 7500);
    await backoff.wait(AbortSignal.abort());
    assert.equal(backoff.begin(0, 3), 3);
    await backoff.wait(AbortSignal.abort());
  });

  test('a server that asks for no wait at all is given longer ones all the same', async () => {
    const { backoff } = setUp(() => 0.999);
    backoff.baseMs = 0;
    const waits: number[] = [];
    for (let failure = 0; failure < 20; failure += 1) {
      waits.push(backoff.begin(0));
      await backoff.wait(AbortSignal.abort());
    }
    assert.deepEqual([waits[0], waits[4], waits[19]], [0, 15, 29_970]);
  });

  test('whoever fails while a wait runs joins it, and all go on together', async () => {
    const { backoff } = setUp(() => 0.01);
    assert.equal(backoff.begin(0), 10);
    const first = backoff.wait(never);
    assert.equal(backoff.begin(0), 10);
    await Promise.all([first, backoff.wait(never)]);
    assert.equal(backoff.failures, 1);
  });

  test('a wait that nobody waits for any more is no timer and no listener', async () => {
    const { backoff, listeners } = setUp(() => 0.99);
    const abort = new AbortController();
    backoff.begin(0);
    const waits = [backoff.wait(abort.signal), backoff.wait(abort.signal)];
    assert.equal(listeners.size, 1);
    abort.abort();
    await Promise.all(waits);
    assert.equal(listeners.size, 0);
    await backoff.wait(never);
  });

  test('a network that comes back ends the wait soon, spread by jitter', async () => {
    const random = [0.99, 0.001];
    const { backoff, listeners, wakeAll } = setUp(() => random.shift() ?? 0);
    backoff.baseMs = 30_000;
    assert.equal(backoff.begin(0), 29_700);
    let isOver = false;
    void backoff.wait(never).then(() => {
      isOver = true;
    });
    wakeAll();
    await until('end of the wait', () => isOver);
    assert.equal(listeners.size, 0);
  });
});
