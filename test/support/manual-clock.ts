import type { Clock } from '../../server/src/shared/clock.ts';

/** A clock that goes only where the test sets it. */
export class ManualClock implements Clock {
  micros = Date.parse('2026-11-20T12:00:00Z') * 1000;
  #monotonicMs = 1000;

  nowMicros(): number {
    return this.micros;
  }

  monotonicMs(): number {
    return this.#monotonicMs;
  }

  /** Both clocks move on. */
  advance(ms: number): void {
    this.micros += ms * 1000;
    this.#monotonicMs += ms;
  }

  /** Only the wall clock moves, in either direction. */
  jump(ms: number): void {
    this.micros += ms * 1000;
  }
}
