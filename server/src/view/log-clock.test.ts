import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { ManualClock } from '../../../test/support/manual-clock.ts';
import { LogClock } from './log-clock.ts';

const SECOND = 1_000_000;

describe('the log’s clock', () => {
  test('is the wall clock while that goes on', () => {
    const wall = new ManualClock();
    const clock = new LogClock(wall, 0);
    for (const ms of [0, 1, 20, 3_600_000]) {
      wall.advance(ms);
      assert.equal(clock.nowMicros(), wall.micros);
    }
  });

  test('never goes back, whatever the wall clock does, and gives whole microseconds', () => {
    const move = fc.record({
      advanceMs: fc.constantFrom(0, 0.0004, 0.003, 1, 1000),
      jumpMs: fc.constantFrom(0, 0, -3_600_000, -1, 5, 3_600_000),
    });
    fc.assert(
      fc.property(fc.integer({ min: -3600, max: 3600 }), fc.array(move, { maxLength: 50 }), (aheadSeconds, moves) => {
        const wall = new ManualClock();
        const clock = new LogClock(wall, wall.micros + aheadSeconds * SECOND);
        let last = wall.micros + aheadSeconds * SECOND;
        for (const { advanceMs, jumpMs } of moves) {
          wall.advance(advanceMs);
          wall.micros = Math.round(wall.micros);
          wall.jump(jumpMs);
          const now = clock.nowMicros();
          assert.ok(now >= last && now >= wall.micros && Number.isInteger(now));
          last = now;
        }
      }),
    );
  });

  test('goes on at half its speed after a jump back, until the wall clock has caught up', () => {
    const wall = new ManualClock();
    const clock = new LogClock(wall, 0);
    const start = clock.nowMicros();
    wall.jump(-10_000);
    wall.advance(4000);
    assert.equal(clock.nowMicros(), start + 2 * SECOND);
    // Asked often or seldom: it is as far.
    for (let tick = 0; tick < 8000; tick += 1) {
      wall.advance(1);
      clock.nowMicros();
    }
    assert.equal(clock.nowMicros(), start + 6 * SECOND);
    assert.equal(clock.nowMicros(), wall.micros + 4 * SECOND, 'still ahead');
    wall.advance(4000);
    assert.equal(clock.nowMicros(), wall.micros + 2 * SECOND);
    wall.advance(4000);
    assert.equal(clock.nowMicros(), wall.micros, 'caught up');
    wall.advance(1000);
    assert.equal(clock.nowMicros(), wall.micros);
  });

  test('goes on from what was kept, where the directory comes from a clock that is ahead', () => {
    const wall = new ManualClock();
    const kept = wall.micros + 60 * SECOND;
    const clock = new LogClock(wall, kept);
    assert.equal(clock.nowMicros(), kept);
    wall.advance(10_000);
    assert.equal(clock.nowMicros(), kept + 5 * SECOND);
  });
});
