import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { OpenRequest, Report } from './reader-process.ts';

/** The orchestrator's side of a process full of watchers. */
export class Readers {
  readonly #child: ChildProcess;

  constructor() {
    this.#child = fork(new URL('./reader-process.ts', import.meta.url));
  }

  async open(request: Omit<OpenRequest, 'op'>): Promise<void> {
    const answer = await this.#ask<{ error?: string }>({ op: 'open', ...request });
    if (answer.error !== undefined) throw new Error(`The watchers could not connect: ${answer.error}`);
  }

  /** What was counted since the start or the last reset. */
  report(): Promise<Report> {
    return this.#ask({ op: 'report' });
  }

  /** Sets all counts to zero. */
  async reset(): Promise<void> {
    await this.#ask({ op: 'reset' });
  }

  /** Resolves with the report once nothing more arrives. */
  async drained(): Promise<Report> {
    let last = await this.report();
    for (;;) {
      await sleep(250);
      const now = await this.report();
      if (now.bytes === last.bytes) return now;
      last = now;
    }
  }

  async close(): Promise<void> {
    const exited = once(this.#child, 'exit');
    this.#child.disconnect();
    await exited;
  }

  async #ask<T>(message: object): Promise<T> {
    const answered = once(this.#child, 'message');
    this.#child.send(message);
    return (await answered)[0] as T;
  }
}
