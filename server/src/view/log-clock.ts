import type { Clock } from '../shared/clock.ts';
import type { LogTime } from './view.ts';

/**
 * The log's `now`: the wall clock, made never to go back. Where the wall clock is behind what was already given out (it jumped, or
 * another machine wrote this directory), time goes on at half its speed until the wall clock has caught up, so that nothing that
 * expires waits for ever.
 *
 * Invariant: each reading is at least the one before.
 */
export class LogClock implements LogTime {
  readonly #clock: Clock;
  #last: number;
  #lastMonotonicMs: number;

  constructor(clock: Clock, persistedMicros: number) {
    this.#clock = clock;
    this.#last = persistedMicros;
    this.#lastMonotonicMs = clock.monotonicMs();
  }

  /** Integer microseconds since 1970. */
  nowMicros(): number {
    const wall = this.#clock.nowMicros();
    const monotonicMs = this.#clock.monotonicMs();
    const slowed = this.#last + Math.max(0, Math.floor((monotonicMs - this.#lastMonotonicMs) * 500));
    if (wall > this.#last) {
      this.#last = wall;
      this.#lastMonotonicMs = monotonicMs;
    } else if (slowed > this.#last) {
      this.#last = slowed;
      this.#lastMonotonicMs = monotonicMs;
    }
    return this.#last;
  }

  /** Takes over what was given out elsewhere: no reading from now on is below it. */
  raise(nowMicros: number): void {
    if (nowMicros <= this.#last) return;
    this.#last = nowMicros;
    this.#lastMonotonicMs = this.#clock.monotonicMs();
  }
}
