import { LatchkeyError } from '@latchkey/client';
import type { ProcessReport } from '../gateways/gateway.ts';
import type { LogState } from '../log/log.ts';
import type { LogOwner } from '../log/owner.ts';
import type { Channel } from './channel.ts';
import {
  type CallName,
  type Calls,
  fromPortable,
  type OwnerFrame,
  type OwnerNews,
  type WholeReport,
  type WorkerFrame,
} from './frames.ts';

interface Asked {
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: unknown) => void;
}

export interface OwnerLinkOptions {
  readonly channel: Channel<OwnerFrame, WorkerFrame>;
  /** Called in a turn of its own. */
  readonly onNews: (news: OwnerNews) => void;
  readonly onStop: () => void;
  readonly report: () => Promise<ProcessReport>;
  readonly state: LogState | undefined;
}

const TICK_MS = 1000;
/** The owner waits a second for each worker's report, all at once. */
const REPORTS_MAX_MS = 3000;
/** The owner pings every second; so many seconds of this process's own time without a word, and writes are refused. */
const SILENT_TICKS_MAX = 5;

/**
 * A worker's end of the channel: calls on their way to the owner and back, and what the owner says unasked. It decides nothing, and
 * repeats no call: what became of one whose owner is gone is not known.
 *
 * Invariant: `#asked` holds the calls that were sent and not answered; who calls is bounded by the log and by requests.
 */
export class OwnerLink implements LogOwner {
  readonly #options: OwnerLinkOptions;
  readonly #asked = new Map<number, Asked>();
  readonly #timer: NodeJS.Timeout;
  readonly #channel: Channel<OwnerFrame, WorkerFrame>;
  #nextId = 1;
  #state: LogState;
  #silentTicks = 0;
  #toldStep = -1;

  constructor(options: OwnerLinkOptions) {
    this.#options = options;
    this.#channel = options.channel;
    this.#state = options.state ?? { isReady: true };
    // Ticks are counted and not clock time, which goes on while this process is stopped and the owner's words wait unread.
    this.#timer = setInterval(() => {
      this.#silentTicks += 1;
    }, TICK_MS);
    this.#timer.unref();
  }

  take(frame: OwnerFrame): void {
    this.#silentTicks = 0;
    if (frame.kind === 'wake' || frame.kind === 'ping') {
      if (frame.kind === 'ping') this.#channel.send({ kind: 'pong' });
      if (frame.state !== undefined) this.#state = frame.state;
      this.#options.onNews(frame);
    } else if (frame.kind === 'answer' || frame.kind === 'refusal') this.#settle(frame);
    else if (frame.kind === 'tell') void this.#tell(frame.id);
    else this.#options.onStop();
  }

  /** Reads here show everything up to that step. */
  tellShown(step: number): void {
    if (step <= this.#toldStep) return;
    this.#toldStep = step;
    this.#channel.send({ kind: 'shown', step });
  }

  submit(batch: Calls['submit']['asked']): Promise<Calls['submit']['answer']> {
    if (this.#isSilent) return Promise.reject(silent());
    return this.#call('submit', batch);
  }

  acquireLease(name: string, holder: string, ttlMs: number): Promise<number | undefined> {
    return this.#call('acquireLease', { name, holder, ttlMs });
  }

  async releaseLease(name: string, holder: string): Promise<void> {
    await this.#call('releaseLease', { name, holder });
  }

  backup(path: string): Promise<Calls['backup']['answer']> {
    return this.#call('backup', path);
  }

  reports(): Promise<WholeReport> {
    if (this.#isSilent) return Promise.reject(silent());
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => late.reject(silent()), REPORTS_MAX_MS);
    return Promise.race([this.#call('reports', undefined), late.promise]).finally(() => clearTimeout(timer));
  }

  state(): LogState {
    return this.#isSilent ? { isReady: false, reason: SILENT } : this.#state;
  }

  close(): void {
    clearInterval(this.#timer);
  }

  get #isSilent(): boolean {
    return this.#silentTicks > SILENT_TICKS_MAX;
  }

  #call<Name extends CallName>(name: Name, asked: Calls[Name]['asked']): Promise<Calls[Name]['answer']> {
    const id = this.#nextId;
    this.#nextId += 1;
    return new Promise<Calls[Name]['answer']>((resolve, reject) => {
      this.#asked.set(id, { resolve: resolve as (answer: unknown) => void, reject });
      this.#channel.send({ kind: 'call', id, name, asked } as WorkerFrame);
    });
  }

  #settle(frame: Extract<OwnerFrame, { kind: 'answer' | 'refusal' }>): void {
    const asked = this.#asked.get(frame.id);
    this.#asked.delete(frame.id);
    if (frame.kind === 'answer') asked?.resolve(frame.value);
    else asked?.reject(fromPortable(frame.error));
  }

  async #tell(id: number): Promise<void> {
    const report = await this.#options.report();
    this.#channel.send({ kind: 'report', id, report });
  }
}

const SILENT = 'the process that owns the log does not answer';

function silent(): LatchkeyError {
  return new LatchkeyError('not-ready', `This was not carried out: ${SILENT}. Repeat it later.`, { retryAfter: 1 });
}
