import type { Clock } from '../../shared/clock.ts';
import type { LogTime } from '../../view/view.ts';

/**
 * The log's `now` by the clock of the Redis: what it last told, and the time since by this machine's monotonic clock. Before it has
 * told anything time stands still.
 *
 * Invariant: `nowMicros` never goes back. `decidingMicros` may, to where the Redis is: its clock is what appends are held to.
 */
export class ServerTime implements LogTime {
  readonly #clock: Clock;
  #last = 0;
  #told: { readonly serverMicros: number; readonly atMs: number } | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** As the Redis just told it. */
  sync(serverMicros: number): void {
    this.#told = { serverMicros, atMs: this.#clock.monotonicMs() };
  }

  nowMicros(): number {
    this.#last = Math.max(this.#last, this.#serverMicros());
    return this.#last;
  }

  /** What an append after a head of that moment takes for now. */
  decidingMicros(headMicros: number): number {
    return Math.max(headMicros, this.#serverMicros());
  }

  raise(nowMicros: number): void {
    this.#last = Math.max(this.#last, nowMicros);
  }

  #serverMicros(): number {
    if (this.#told === undefined) return this.#last;
    const { atMs, serverMicros } = this.#told;
    return serverMicros + Math.max(0, Math.floor((this.#clock.monotonicMs() - atMs) * 1000));
  }
}
