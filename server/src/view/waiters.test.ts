import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { LatchkeyError } from '@latchkey/client';
import { Waiters } from './waiters.ts';

const LONG_MS = 60_000;

function codeOf(promise: Promise<void>): Promise<string> {
  return promise.then(
    () => 'reached',
    (error: unknown) => (error instanceof LatchkeyError ? error.code : String(error)),
  );
}

describe('those who wait for the head', () => {
  test('are not kept where it is there already', async () => {
    const waiters = new Waiters(0);
    assert.equal(await codeOf(waiters.until(() => true, 0)), 'reached');
  });

  test('go on in the turn in which it is reached, and only those', async () => {
    const waiters = new Waiters(10);
    let head = 0;
    const told: number[] = [];
    const waits = [3, 1, 2, 1].map((offset) =>
      waiters.until(() => head >= offset, LONG_MS).then(() => told.push(offset)),
    );
    head = 1;
    waiters.check();
    await Promise.all([waits[1], waits[3]]);
    assert.deepEqual(told, [1, 1]);
    head = 3;
    waiters.check();
    await Promise.all(waits);
    assert.deepEqual(told, [1, 1, 3, 2]);
  });

  test('are told when it was not reached in time, and to come back', async () => {
    const waiters = new Waiters(1);
    await assert.rejects(
      waiters.until(() => false, 1),
      (error) => {
        assert.ok(error instanceof LatchkeyError && error.code === 'position-ahead');
        return error.details.retryAfter === 1 && /within 1 ms/.test(error.message);
      },
    );
    // The place is free again.
    assert.equal(await codeOf(waiters.until(() => false, 1)), 'position-ahead');
  });

  test('may give up, before or while they wait', async () => {
    const waiters = new Waiters(1);
    assert.equal(await codeOf(waiters.until(() => false, LONG_MS, AbortSignal.abort())), 'closing');
    const controller = new AbortController();
    const wait = codeOf(waiters.until(() => false, LONG_MS, controller.signal));
    controller.abort();
    assert.equal(await wait, 'closing');
  });

  test('are bounded: one more is refused at once, and let in when another left', async () => {
    const waiters = new Waiters(2);
    let isReached = false;
    const first = [1, 2].map(() => waiters.until(() => isReached, LONG_MS));
    assert.equal(await codeOf(waiters.until(() => isReached, LONG_MS)), 'overloaded');
    isReached = true;
    waiters.check();
    await Promise.all(first);
    isReached = false;
    const next = waiters.until(() => isReached, LONG_MS);
    isReached = true;
    waiters.check();
    await next;
  });

  test('are all told when everything stops', async () => {
    const waiters = new Waiters(10);
    const waits = [1, 2, 3].map(() => codeOf(waiters.until(() => false, LONG_MS)));
    waiters.abort(new LatchkeyError('closing', 'The server is stopping.'));
    assert.deepEqual(await Promise.all(waits), ['closing', 'closing', 'closing']);
  });

  test('may wait anew from within the turn in which they were told', async () => {
    const waiters = new Waiters(1);
    let head = 1;
    const again = waiters.until(() => head >= 2, LONG_MS).then(() => waiters.until(() => head >= 3, LONG_MS));
    head = 2;
    waiters.check();
    await Promise.resolve();
    head = 3;
    await new Promise((resolve) => setImmediate(resolve));
    waiters.check();
    await again;
  });
});
