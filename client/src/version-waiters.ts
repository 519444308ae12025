import { LatchkeyError } from './error.ts';
import { parsePosition } from './position.ts';
import { parseVersion, type Version } from './version.ts';

/*
 * Who waits for a mirror to show a version. Offsets go on through the epochs of one history, so within it they alone are compared;
 * what history an unknown epoch belongs to is known once the server has spoken again.
 */
interface Waiter {
  readonly version: Version;
  /** Events that had come when it began to wait. */
  readonly since: number;
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
}

const WAITERS_MAX = 1000;
const EPOCHS_MAX = 1000;

export class VersionWaiters {
  readonly #waiters = new Set<Waiter>();
  /** Of the history that the mirror follows. */
  readonly #epochs = new Set<string>();
  #events = 0;
  #position = '';
  #isComplete = false;
  #ended: LatchkeyError | undefined;

  /** @throws LatchkeyError `position-invalid`, `overloaded`, `history-replaced`; the signal's own reason */
  async wait(text: string, signal: AbortSignal | undefined): Promise<void> {
    const version = parseVersion(text);
    signal?.throwIfAborted();
    if (this.#ended !== undefined) throw this.#ended;
    if (this.#waiters.size >= WAITERS_MAX) {
      const message = `${WAITERS_MAX} calls wait for versions of this mirror already; wait for some of them first.`;
      throw new LatchkeyError('overloaded', message, { limit: WAITERS_MAX });
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiter = { version, since: this.#events, resolve, reject };
    if (this.#isReached(waiter)) return;
    const abort = () => reject(signal?.reason);
    signal?.addEventListener('abort', abort);
    this.#waiters.add(waiter);
    try {
      await promise;
    } finally {
      this.#waiters.delete(waiter);
      signal?.removeEventListener('abort', abort);
    }
  }

  joined(epoch: string): void {
    this.#epochs.add(epoch);
    // A server keeps as many; of those before it says `reset`.
    if (this.#epochs.size > EPOCHS_MAX) this.#epochs.delete(this.#epochs.values().next().value as string);
  }

  /** The history went on without what this mirror knew of it. */
  replaced(): void {
    for (const waiter of this.#waiters) {
      if (!this.#epochs.has(waiter.version.epoch)) continue;
      const message = `The server lost the history of epoch ${waiter.version.epoch}, or never had it; read the key to see what became of it.`;
      waiter.reject(new LatchkeyError('history-replaced', message));
    }
    this.#epochs.clear();
  }

  /** An event came. `isComplete`: what is shown is not waiting for a fresh snapshot. */
  moved(position: string, isComplete: boolean): void {
    this.#events += 1;
    this.#position = position;
    this.#isComplete = isComplete;
    for (const waiter of this.#waiters) if (this.#isReached(waiter)) waiter.resolve();
  }

  end(error: LatchkeyError): void {
    this.#ended ??= error;
    for (const waiter of this.#waiters) waiter.reject(error);
  }

  #isReached({ version, since }: Waiter): boolean {
    if (!this.#isComplete || (!this.#epochs.has(version.epoch) && since === this.#events)) return false;
    const component = parsePosition(this.#position).components[version.partition];
    // In a snapshot entries come in the order of their last change: one that was changed since is still to come.
    return component !== undefined && component.base === undefined && component.offset >= version.offset;
  }
}
