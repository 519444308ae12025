import { LatchkeyError } from '@latchkey/client';
import type { Outcome } from '../commands/command.ts';
import type { Limits } from '../config/settings.ts';
import type { View } from '../view/view.ts';
import { batchBytes } from './batch-bytes.ts';
import type { BatchRun, RunMark } from './batch-run.ts';
import type { OutcomeCounts, Settled } from './log.ts';
import type { Stage } from './stage.ts';

interface Job {
  readonly run: BatchRun;
  readonly bytes: number;
  readonly resolve: (settled: Settled) => void;
  readonly reject: (error: unknown) => void;
  /** Steps of it that are durable already, and their outcomes. */
  steps: number;
  durable: number;
  /** Its sender was told something and waits no more. */
  isTold: boolean;
}

/** What a step has of a job. */
export interface Touched {
  readonly job: Job;
  /** As the job was before the step, and the outcomes that it has with it. */
  readonly mark: RunMark;
  readonly to: number;
  readonly isDone: boolean;
  readonly error?: unknown;
}

export interface JobQueueOptions {
  readonly limits: Pick<Limits, 'pendingBytesMax' | 'pendingCommandsMax'>;
  readonly view: Pick<View, 'position'>;
  /** Makes what a sender is told of an error that is nobody's but Latchkey's. */
  readonly bug: (error: unknown) => LatchkeyError;
}

/**
 * Batches that were submitted and not answered yet: stands between their senders and the steps they are decided in.
 *
 * Invariant: batches are decided and answered in the order in which they were submitted; what is counted against the limits is
 * exactly what has not been answered.
 */
export class JobQueue {
  readonly #options: JobQueueOptions;
  // Plain numbers: a counter of prom-client hashes its labels at every call, and this is on the way of every write.
  readonly #told = { applied: 0, duplicate: 0, late: 0, conflict: 0, refused: 0, value: 0 };
  /** What senders were told. */
  readonly told: OutcomeCounts = this.#told;
  readonly #jobs: Job[] = [];
  #commands = 0;
  #bytes = 0;

  constructor(options: JobQueueOptions) {
    this.#options = options;
  }

  get length(): number {
    return this.#jobs.length;
  }

  /** The batch that is next. */
  get first(): BatchRun | undefined {
    return this.#jobs[0]?.run;
  }

  /** `isBusy`: others wait that are not in the queue any more. @throws LatchkeyError `overloaded` */
  enter(run: BatchRun, isBusy: boolean): Promise<Settled> {
    const bytes = batchBytes(run.batch);
    const { pendingBytesMax, pendingCommandsMax } = this.#options.limits;
    const isOver =
      this.#commands + run.batch.commands.length > pendingCommandsMax || this.#bytes + bytes > pendingBytesMax;
    // A single batch may be bigger than the bound on what waits; it is let in when nothing does.
    if (isOver && (this.#jobs.length > 0 || isBusy)) {
      const message = `${this.#commands} commands (${this.#bytes} bytes) wait to be written already; come back in a second.`;
      return Promise.reject(new LatchkeyError('overloaded', message, { retryAfter: 1 }));
    }
    return new Promise((resolve, reject) => {
      this.#jobs.push({ run, bytes, resolve, reject, steps: 0, durable: 0, isTold: false });
      this.#commands += run.batch.commands.length;
      this.#bytes += bytes;
    });
  }

  /** Lets batches into the stage in their order, and notes those that are done or under way with it. */
  decide(stage: Stage, touched: Touched[], isWanted: (run: BatchRun) => boolean = () => true): void {
    while (this.#jobs.length > 0 && !stage.isFull) {
      const job = this.#jobs[0] as Job;
      const { run } = job;
      if (!isWanted(run)) return;
      const mark = run.mark();
      try {
        const isDone = run.run(stage) === 'done';
        touched.push({ job, mark, to: run.outcomes.length, isDone });
        if (!isDone) return;
      } catch (error) {
        const told = error instanceof LatchkeyError ? error : this.#options.bug(error);
        touched.push({ job, mark, to: mark.outcomes, isDone: true, error: told });
      }
      this.#jobs.shift();
    }
  }

  /** What they were decided on came to nothing: they are as before, and decided again. */
  takeBack(touched: readonly Touched[]): void {
    for (const { job, mark } of touched) job.run.rewind(mark);
    this.#jobs.unshift(...touched.filter(({ isDone, job }) => isDone && !job.isTold).map(({ job }) => job));
  }

  /** The step that has these of them became durable, or failed. */
  settle(touched: readonly Touched[], failure?: unknown, position = this.#options.view.position()): void {
    for (const { job, isDone, error, to } of touched) {
      const fault = error ?? failure;
      if (fault === undefined && !isDone) {
        job.steps += 1;
        job.durable = to;
        continue;
      }
      if (job.isTold) continue;
      this.#leave(job);
      if (fault !== undefined) this.#refuse(job, fault, position);
      else this.#tell(job, job.run.outcomes, position);
    }
  }

  /** Tells the senders of these that nothing more is known; what becomes of the step is not told to them any more. */
  giveUp(touched: readonly Touched[], error: unknown): void {
    this.settle(
      touched.filter(({ job }) => !job.isTold),
      error,
    );
  }

  /** Tells everybody who waits that nothing (more) of theirs will be kept. */
  refuseAll(error: unknown): void {
    const position = this.#options.view.position();
    for (const job of [...this.#jobs]) {
      this.#leave(job);
      this.#refuse(job, error, position);
    }
  }

  #refuse(job: Job, fault: unknown, position: Settled['position']): void {
    if (job.steps === 0) job.reject(fault);
    else this.#tell(job, withFailure(job, fault), position);
  }

  #tell(job: Job, outcomes: readonly Outcome[], position: Settled['position']): void {
    for (const { outcome } of outcomes) this.#told[outcome] += 1;
    job.resolve({ outcomes, position });
  }

  #leave(job: Job): void {
    job.isTold = true;
    const at = this.#jobs.indexOf(job);
    if (at >= 0) this.#jobs.splice(at, 1);
    this.#commands -= job.run.batch.commands.length;
    this.#bytes -= job.bytes;
  }
}

/** What became durable keeps its outcome; the rest is told that it did not. */
function withFailure(job: Job, failure: unknown): readonly Outcome[] {
  const message = failure instanceof Error ? failure.message : 'The store failed; nothing of this command was kept.';
  const code = failure instanceof LatchkeyError ? failure.code : 'storage-full';
  return job.run.batch.commands.map((command, index): Outcome => {
    if (index < job.durable) return job.run.outcomes[index] as Outcome;
    const isBegun = index === job.durable && 'op' in command && command.op === 'removeMatching';
    const begun = isBegun ? ' Keys that this command removed in earlier steps stay removed.' : '';
    return { outcome: 'refused', code, message: message + begun };
  });
}
