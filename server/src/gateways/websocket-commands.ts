/**
 * The commands of one WebSocket connection on their way to the log. They go in the order they came, in batches of one submission
 * at a time, so that what arrives meanwhile shares the next durable step. It knows nothing of sockets.
 *
 * Invariant: at most `WAITING_MAX` commands wait here and at most `BATCH_MAX` are with the log, whose outcomes may each carry a
 * whole entry; while the connection has too much to write, none is submitted.
 */
import { LatchkeyError } from '@latchkey/client';
import type { Command, Outcome, Refusal } from '../commands/command.ts';
import type { Log } from '../log/log.ts';
import type { Principal } from '../shared/access.ts';
import type { ReportFault } from '../shared/logger.ts';

/** More are refused with `overloaded`. */
export const WAITING_MAX = 1000;
const BATCH_MAX = 64;

/** A command as it waits: `id` is the client's, as JSON text, and `bytes` what it holds in memory. */
export interface PendingCommand {
  readonly id: string;
  readonly command: Command | Refusal;
  readonly bytes: number;
}

export interface CommandSink {
  /** Of the changes that its commands make. */
  readonly origin: string;
  answer(id: string, outcome: Outcome): void;
  refuse(id: string, error: LatchkeyError): void;
  /** Whether outcomes can be written now; `wake` is called when they can again. */
  hasRoom(): boolean;
  /** Fewer wait than before. */
  onTaken(): void;
}

export class WebsocketCommands {
  readonly #log: Log;
  readonly #reportFault: ReportFault;
  readonly #principal: Principal;
  readonly #sink: CommandSink;
  #waiting: PendingCommand[] = [];
  #waitingBytes = 0;
  #isSubmitting = false;
  #isScheduled = false;
  #isClosed = false;

  constructor(log: Log, reportFault: ReportFault, principal: Principal, sink: CommandSink) {
    this.#log = log;
    this.#reportFault = reportFault;
    this.#principal = principal;
    this.#sink = sink;
  }

  get count(): number {
    return this.#waiting.length;
  }

  get bytes(): number {
    return this.#waitingBytes;
  }

  /** Nothing waits and nothing is with the log. */
  get isIdle(): boolean {
    return this.#waiting.length === 0 && !this.#isSubmitting;
  }

  /** False: too many wait already, and it was not taken. */
  push(pending: PendingCommand): boolean {
    if (this.#waiting.length >= WAITING_MAX) return false;
    this.#waiting.push(pending);
    this.#waitingBytes += pending.bytes;
    this.wake();
    return true;
  }

  wake(): void {
    if (this.#isScheduled || this.#isSubmitting || this.#waiting.length === 0) return;
    this.#isScheduled = true;
    // Behind the other frames of the same packet, so that they make one batch.
    setImmediate(() => {
      this.#isScheduled = false;
      this.#submit().catch((error: unknown) => this.#reportFault('gateways', error));
    });
  }

  /** The connection went: what was not submitted is dropped, as a request cut in the middle is. */
  close(): void {
    this.#isClosed = true;
    this.#waiting = [];
    this.#waitingBytes = 0;
  }

  async #submit(): Promise<void> {
    if (this.#isSubmitting || this.#waiting.length === 0 || !this.#sink.hasRoom()) return;
    this.#isSubmitting = true;
    const batch = this.#waiting.splice(0, BATCH_MAX);
    for (const { bytes } of batch) this.#waitingBytes -= bytes;
    this.#sink.onTaken();
    try {
      const commands = batch.map(({ command }) => command);
      const { outcomes } = await this.#log.submit({ commands, principal: this.#principal, origin: this.#sink.origin });
      for (const [index, { id }] of batch.entries()) {
        if (!this.#isClosed) this.#sink.answer(id, outcomes[index] as Outcome);
      }
    } catch (error) {
      if (!(error instanceof LatchkeyError)) this.#reportFault('gateways', error);
      const known = error instanceof LatchkeyError ? error : new LatchkeyError('internal', INTERNAL, { cause: error });
      for (const { id } of batch) if (!this.#isClosed) this.#sink.refuse(id, known);
    } finally {
      this.#isSubmitting = false;
      this.wake();
    }
  }
}

const INTERNAL = 'Latchkey failed while it carried out this command; its log has the details.';
