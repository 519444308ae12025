import { randomUUID } from 'node:crypto';
import { LatchkeyError } from '@latchkey/client';
import type { Limits } from '../config/settings.ts';
import type { FollowingView } from '../view/view.ts';
import type { DeadLetters } from './dead-letter.ts';
import type { Lease, Leases } from './lease.ts';
import type { Batch, Log, LogState, Settled } from './log.ts';
import type { LogOwner } from './owner.ts';
import { readProgress } from './progress-table.ts';
import { StoredDeadLetters } from './stored-dead-letters.ts';
import { WaitingWork } from './waiting-work.ts';

export interface ForwardingLogOptions {
  readonly kind: Log['kind'];
  readonly owner: LogOwner;
  readonly view: FollowingView;
  readonly limits: Pick<Limits, 'pendingBytesMax' | 'pendingCommandsMax'>;
}

/** A view that does not get there within this time holds up nobody: what was written is durable. */
const SHOWN_MAX_MS = 5000;

/**
 * The log of a process that owns none: it hands every batch to the process that does, and reads what is stored from its own view.
 * It decides nothing and repeats nothing: an answer that is lost with its connection is lost to the sender too.
 *
 * Invariant: a batch is answered after this process's view shows it, so that whoever wrote here reads it here.
 */
export class ForwardingLog implements Log {
  readonly kind: Log['kind'];
  readonly node = randomUUID().slice(0, 8);
  readonly view: FollowingView;
  readonly deadLetters: DeadLetters;
  readonly leases: Leases;
  readonly #owner: LogOwner;
  readonly #waiting: WaitingWork;
  readonly #underWay = new Set<Promise<Settled>>();
  #isClosing = false;
  #closed: Promise<void> | undefined;

  constructor(options: ForwardingLogOptions) {
    this.kind = options.kind;
    this.view = options.view;
    this.#owner = options.owner;
    this.#waiting = new WaitingWork(options.limits);
    this.deadLetters = new StoredDeadLetters(this.view.table('deadLetters'), this.view.table('ledger'));
    this.leases = { acquire: (name, holder, ttlMs) => this.#acquire(name, holder, ttlMs) };
  }

  async submit(batch: Batch): Promise<Settled> {
    if (this.#isClosing) throw closing();
    const leave = this.#waiting.enter(batch);
    const settled = this.#forward(batch).finally(() => {
      leave();
      this.#underWay.delete(settled);
    });
    this.#underWay.add(settled);
    return settled;
  }

  async progress(source: string): Promise<Readonly<Record<string, string>>> {
    return readProgress(this.view.table('progress'), source);
  }

  state(): LogState {
    return this.#isClosing ? { isReady: false, reason: 'the server is stopping' } : this.#owner.state();
  }

  backup(path: string): ReturnType<Log['backup']> {
    return this.#owner.backup(path);
  }

  close(): Promise<void> {
    this.#isClosing = true;
    this.#closed ??= (async () => {
      await Promise.allSettled(this.#underWay);
      await this.view.close();
    })();
    return this.#closed;
  }

  async #forward(batch: Batch): Promise<Settled> {
    const { settled, step } = await this.#owner.submit(batch);
    await this.view.shown(step, SHOWN_MAX_MS);
    return settled;
  }

  async #acquire(name: string, holder: string, ttlMs: number): Promise<Lease | undefined> {
    const fence = await this.#owner.acquireLease(name, holder, ttlMs);
    if (fence === undefined) return undefined;
    return {
      name,
      holder,
      fence,
      // The same holder gets its own again with the same fence; another fence means that it had run out in between.
      renew: async () => (await this.#owner.acquireLease(name, holder, ttlMs)) === fence,
      release: () => this.#owner.releaseLease(name, holder),
    };
  }
}

function closing(): LatchkeyError {
  return new LatchkeyError('closing', 'The server is stopping; come back, to this or another node.', { retryAfter: 1 });
}
