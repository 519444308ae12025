/** A worker that does not get there in this time is not waited for. */
const PATIENCE_MS = 100;
/** Under steady writing a word of a worker is always a step or two old when it arrives. */
const CAUGHT_UP_STEPS = 16;

interface Held {
  readonly step: number;
  readonly untilMs: number;
  /** Waits for that itself before it answers. */
  readonly asker: object;
  readonly release: () => void;
}

/**
 * Holds back what a worker is told of its write until the other workers show it too, so that whoever has the answer reads what was
 * written wherever it asks next. It stands between the log's answers and the channels. A worker that is stopped or busy for too long
 * is not waited for until it has caught up: reads there may be late, writes everywhere go on.
 *
 * Invariant: `#held` is in the order of steps, and its first waits for somebody; the timer runs exactly while there is one, and ends
 * with the patience of the first.
 */
export class Abreast {
  readonly #newest: () => number;
  readonly #monotonicMs: () => number;
  readonly #patienceMs: number;
  readonly #workers = new Map<object, { shown: number; isLagging: boolean }>();
  readonly #held: Held[] = [];
  #timer: NodeJS.Timeout | undefined;

  /** `newest` answers with the newest durable step. */
  constructor(newest: () => number, monotonicMs: () => number, patienceMs = PATIENCE_MS) {
    this.#newest = newest;
    this.#monotonicMs = monotonicMs;
    this.#patienceMs = patienceMs;
  }

  /** It is waited for once it has caught up. */
  join(worker: object): void {
    this.#workers.set(worker, { shown: 0, isLagging: true });
  }

  leave(worker: object): void {
    this.#workers.delete(worker);
    this.#sweep();
  }

  shown(worker: object, step: number): void {
    const known = this.#workers.get(worker);
    if (known === undefined) return;
    known.shown = step;
    if (step + CAUGHT_UP_STEPS >= this.#newest()) known.isLagging = false;
    this.#sweep();
  }

  /** Calls `release` once all but the asker show that step; within the call where they do already. */
  when(step: number, asker: object, release: () => void): void {
    const held = { step, untilMs: this.#monotonicMs() + this.#patienceMs, asker, release };
    if (this.#held.length === 0 && this.#isReached(held)) {
      release();
      return;
    }
    this.#held.push(held);
    this.#arm();
  }

  #isReached({ asker, step }: Held): boolean {
    for (const [worker, { isLagging, shown }] of this.#workers) {
      if (worker !== asker && !isLagging && shown < step) return false;
    }
    return true;
  }

  #sweep(): void {
    let released = 0;
    for (const held of this.#held) {
      if (!this.#isReached(held)) break;
      released += 1;
      held.release();
    }
    if (released === 0) return;
    this.#held.splice(0, released);
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#arm();
  }

  #arm(): void {
    const [first] = this.#held;
    if (first === undefined || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      for (const worker of this.#workers.values()) {
        if (worker.shown < first.step) worker.isLagging = true;
      }
      this.#sweep();
    }, first.untilMs - this.#monotonicMs());
  }
}
