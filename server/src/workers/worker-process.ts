import type { ChildProcess } from 'node:child_process';
import type { Socket } from 'node:net';
import { LatchkeyError } from '@latchkey/client';
import type { ProcessReport } from '../gateways/gateway.ts';
import { Channel } from './channel.ts';
import { fromPortable, type OwnerFrame, type OwnerNews, type WorkerFrame } from './frames.ts';

/** Where the pipe is among the worker's descriptors. */
export const CHANNEL_DESCRIPTOR = 4;

export interface WorkerProcessOptions {
  readonly number: number;
  readonly child: ChildProcess;
  readonly news: () => OwnerNews;
  readonly onShown: (step: number) => void;
  readonly onCall: (frame: Extract<WorkerFrame, { kind: 'call' }>, reply: (frame: OwnerFrame) => void) => void;
}

export interface WorkerEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** What it said before it ended, where it could not start. */
  readonly reason: LatchkeyError | undefined;
}

/**
 * One worker as the owner sees it: its process, the channel to it, whether it serves and whether it answers. It stands between the
 * channel and the supervisor, which decides what becomes of it.
 *
 * Invariant: at most one ping and one wake are on their way unanswered or owed, however long the worker takes nothing.
 */
export class WorkerProcess {
  readonly number: number;
  readonly pid: number;
  readonly ready: Promise<void>;
  readonly ended: Promise<WorkerEnd>;
  readonly #options: WorkerProcessOptions;
  readonly #channel: Channel<WorkerFrame, OwnerFrame>;
  readonly #asked = new Map<number, (report: ProcessReport | undefined) => void>();
  readonly #ready = Promise.withResolvers<void>();
  #nextId = 1;
  #isServing = false;
  #hasServed = false;
  #isWakeOwed = false;
  #isPongOwed = false;
  #missedPings = 0;
  #toldState = '';
  #reason: LatchkeyError | undefined;

  constructor(options: WorkerProcessOptions) {
    const { child, number } = options;
    this.#options = options;
    this.number = number;
    this.pid = child.pid ?? -1;
    this.ready = this.#ready.promise;
    // Whoever waits is told; nobody may.
    this.ready.catch(() => undefined);
    const socket = child.stdio[CHANNEL_DESCRIPTOR] as Socket;
    this.#channel = new Channel(
      socket,
      (frame) => this.#take(frame),
      () => undefined,
    );
    this.#channel.onDrain(() => {
      if (this.#isWakeOwed) this.wake();
    });
    this.ended = new Promise((resolve) => {
      const end = (code: number | null, signal: NodeJS.Signals | null) => {
        this.#isServing = false;
        this.#channel.close();
        for (const answer of this.#asked.values()) answer(undefined);
        this.#asked.clear();
        this.#ready.reject(this.#reason ?? died(number, code, signal));
        resolve({ code, signal, reason: this.#reason });
      };
      child.once('exit', end);
      child.once('error', () => end(null, null));
    });
  }

  get isServing(): boolean {
    return this.#isServing;
  }

  /** Also once it has ended. */
  get wasServing(): boolean {
    return this.#hasServed;
  }

  /** Owed instead of sent while much waits that the worker has not taken: it needs only the newest. */
  wake(): void {
    this.#isWakeOwed = this.#channel.isFull;
    if (!this.#isWakeOwed) this.#channel.send({ kind: 'wake', ...this.#news() });
  }

  /** How many pings in a row went without an answer, this one not counted. */
  ping(): number {
    this.#missedPings = this.#isPongOwed ? this.#missedPings + 1 : 0;
    if (!this.#isPongOwed) this.#channel.send({ kind: 'ping', ...this.#news() });
    this.#isPongOwed = true;
    return this.#missedPings;
  }

  stop(): void {
    this.#channel.send({ kind: 'stop' });
  }

  kill(): void {
    this.#options.child.kill('SIGKILL');
  }

  /** Undefined where it did not tell in time. */
  report(timeoutMs: number): Promise<ProcessReport | undefined> {
    if (!this.#isServing) return Promise.resolve(undefined);
    const id = this.#nextId;
    this.#nextId += 1;
    return new Promise((resolve) => {
      const answer = (report: ProcessReport | undefined) => {
        clearTimeout(timer);
        this.#asked.delete(id);
        resolve(report);
      };
      const timer = setTimeout(answer, timeoutMs, undefined);
      this.#asked.set(id, answer);
      this.#channel.send({ kind: 'tell', id });
    });
  }

  #take(frame: WorkerFrame): void {
    this.#missedPings = 0;
    if (frame.kind === 'call') this.#options.onCall(frame, (reply) => this.#reply(reply));
    else if (frame.kind === 'shown') this.#options.onShown(frame.step);
    else if (frame.kind === 'pong') this.#isPongOwed = false;
    else if (frame.kind === 'report') this.#asked.get(frame.id)?.(frame.report);
    else if (frame.kind === 'failed') this.#reason = fromPortable(frame.error);
    else {
      this.#isServing = true;
      this.#hasServed = true;
      this.#ready.resolve();
    }
  }

  #reply(frame: OwnerFrame): void {
    // Whoever is answered finds the log in the state that the answer speaks of.
    if (JSON.stringify(this.#options.news().state) !== this.#toldState) this.wake();
    this.#channel.send(frame);
  }

  #news(): OwnerNews {
    const { state, ...news } = this.#options.news();
    const text = JSON.stringify(state);
    if (text === this.#toldState) return news;
    this.#toldState = text;
    return { ...news, state };
  }
}

function died(number: number, code: number | null, signal: NodeJS.Signals | null): LatchkeyError {
  const message = `Worker ${number} ended (${signal ?? `exit code ${code}`}) before it served; its own log lines say why.`;
  return new LatchkeyError('internal', message);
}
