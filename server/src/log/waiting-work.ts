import { LatchkeyError } from '@latchkey/client';
import type { Limits } from '../config/settings.ts';
import { batchBytes } from './batch-bytes.ts';
import type { Batch } from './log.ts';

/**
 * What was handed to a log and not answered yet.
 *
 * Invariant: beyond `pendingCommandsMax` and `pendingBytesMax` there is at most one batch.
 */
export class WaitingWork {
  readonly #limits: Pick<Limits, 'pendingBytesMax' | 'pendingCommandsMax'>;
  #batches = 0;
  #commands = 0;
  #bytes = 0;

  constructor(limits: Pick<Limits, 'pendingBytesMax' | 'pendingCommandsMax'>) {
    this.#limits = limits;
  }

  /** Lets a batch in; what is returned lets it out again, once. @throws LatchkeyError `overloaded` */
  enter(batch: Batch): () => void {
    const commands = batch.commands.length;
    const bytes = batchBytes(batch);
    const { pendingBytesMax, pendingCommandsMax } = this.#limits;
    const isOver = this.#commands + commands > pendingCommandsMax || this.#bytes + bytes > pendingBytesMax;
    // A single batch may be bigger than the bound on what waits; it is let in when nothing does.
    if (isOver && this.#batches > 0) {
      const message = `${this.#commands} commands (${this.#bytes} bytes) wait to be written already; come back in a second.`;
      throw new LatchkeyError('overloaded', message, { retryAfter: 1 });
    }
    this.#batches += 1;
    this.#commands += commands;
    this.#bytes += bytes;
    return () => {
      this.#batches -= 1;
      this.#commands -= commands;
      this.#bytes -= bytes;
    };
  }
}
