import type { Deployment } from './deployment.ts';
import type { Violation } from './history.ts';
import { CHECKER_NAMES } from './judge.ts';
import type { Lag, LagSummary } from './lag.ts';
import type { Window } from './window.ts';

/** Kept with their evidence; more are only counted. */
const SHOWN_MAX = 100;

export interface FoundViolation {
  readonly checker: string;
  /** The watch or writer it happened to. */
  readonly to: string;
  readonly window: number;
  readonly evidence: string;
}

export interface VerifyReport {
  readonly held: boolean;
  readonly server: string;
  readonly prefix: string;
  readonly seed: number;
  readonly windows: number;
  readonly isInterrupted: boolean;
  /** False: keys under the prefix may be left. */
  readonly isCleanedUp: boolean;
  readonly writes: { readonly acknowledged: number; readonly unanswered: number; readonly refused: number };
  readonly watches: { readonly connections: number; readonly deliveries: number };
  /** How often the deployment went away or ended a connection; `epochs` counts the runs of its log that were met. */
  readonly interruptions: number;
  readonly epochs: number;
  /** Milliseconds from the sending of a write to its arrival at a watcher that was live then. */
  readonly lagMs: LagSummary;
  /** Violations by checker. */
  readonly checkers: Readonly<Record<string, number>>;
  readonly violations: readonly FoundViolation[];
}

export interface Progress {
  readonly leftMs: number;
  readonly acknowledged: number;
  readonly deliveries: number;
  readonly violations: number;
}

interface About {
  readonly server: string;
  readonly prefix: string;
  readonly runId: string;
  readonly seed: number;
}

/** What a run came to so far. Bounded, however long it runs. */
export class Tally {
  readonly #about: About;
  readonly #checkers: Record<string, number>;
  readonly #violations: FoundViolation[] = [];
  #count = 0;
  #windows = 0;
  #writes = { acknowledged: 0, unanswered: 0, refused: 0 };
  #watches = { connections: 0, deliveries: 0 };
  #isCleanedUp = false;

  constructor(about: About) {
    this.#about = about;
    this.#checkers = Object.fromEntries(CHECKER_NAMES.map((name) => [name, 0]));
  }

  add(window: Window, index: number, violations: readonly Violation[]): void {
    const { acknowledged, refused, unanswered } = this.#writes;
    const { connections, deliveries } = this.#watches;
    this.#writes = {
      acknowledged: acknowledged + window.acks.length,
      unanswered: unanswered + window.unanswered,
      refused: refused + window.refused,
    };
    this.#watches = {
      connections: connections + window.connections,
      deliveries: deliveries + window.deliveries,
    };
    this.#windows += 1;
    this.#count += violations.length;
    for (const { guarantee, message, to } of violations) {
      this.#checkers[guarantee] = (this.#checkers[guarantee] ?? 0) + 1;
      if (this.#violations.length >= SHOWN_MAX) continue;
      this.#violations.push({ checker: guarantee, to, window: index, evidence: message });
    }
  }

  cleaned(isCleanedUp: boolean): void {
    this.#isCleanedUp = isCleanedUp;
  }

  progress(window: Window, leftMs: number): Progress {
    return {
      leftMs: Math.max(0, leftMs),
      acknowledged: this.#writes.acknowledged + window.acks.length,
      deliveries: this.#watches.deliveries + window.deliveries,
      violations: this.#count,
    };
  }

  report(deployment: Deployment, lag: Lag, isInterrupted: boolean): VerifyReport {
    const { prefix, runId, seed, server } = this.#about;
    return {
      held: this.#count === 0,
      server,
      prefix: `${prefix}${runId}.`,
      seed,
      windows: this.#windows,
      isInterrupted,
      isCleanedUp: this.#isCleanedUp,
      writes: this.#writes,
      watches: this.#watches,
      interruptions: deployment.interruptions,
      epochs: deployment.epochs,
      lagMs: lag.summary(),
      checkers: this.#checkers,
      violations: this.#violations,
    };
  }
}
