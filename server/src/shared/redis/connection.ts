/**
 * One connection to a Redis, Valkey or KeyDB, made anew whenever it breaks. It stands between the log, sources and sinks, and the
 * client library, whose own reconnecting is off: what was in flight is rejected, so that who sent it can find out what became of it,
 * and Sentinels are asked for the primary each time. It queues nothing: without a connection a command fails at once.
 *
 * Invariant: there is at most one client, and it is `#client` only once `onUp` has resolved for it. No command waits longer than
 * `answerMaxMs` without the connection being given up.
 */
import { LatchkeyError } from '@latchkey/client';
import type { RedisPlace } from '../../config/redis-settings.ts';
import { type ClientChoices, clientFor, type RawClient } from './endpoint.ts';
import { describePlace, redisError, replyCode } from './error.ts';
import type { Argument, Reply } from './reply.ts';

export interface ConnectionOptions extends Partial<Omit<ClientChoices, 'isWatched'>> {
  readonly place: RedisPlace;
  /** What the connection is for, e.g. `latchkey-log`. */
  readonly name: string;
  /** 0 ≤ x < 1; spreads reconnecting. */
  readonly random?: () => number;
  /** Prepares a new client (checks, subscriptions) before it is used; what it throws gives the client up. */
  readonly onUp?: (client: RawClient) => Promise<void>;
  /** It broke, or could not be made; told at each try. */
  readonly onDown?: (error: LatchkeyError) => void;
  /** A command that is not answered for so long means that nobody is there. */
  readonly answerMaxMs?: number;
}

const BACKOFF_MIN_MS = 50;
const BACKOFF_MAX_MS = 3000;
const ANSWER_MAX_MS = 5000;
const WATCH_INTERVAL_MS = 500;

export class RedisConnection {
  readonly place: RedisPlace;
  readonly #options: ConnectionOptions;
  readonly #answerMaxMs: number;
  #client: RawClient | undefined;
  #failure: LatchkeyError | undefined;
  #waiting: { readonly resolve: () => void; readonly reject: (error: LatchkeyError) => void }[] = [];
  #retry: NodeJS.Timeout | undefined;
  #watchdog: NodeJS.Timeout | undefined;
  /** When the commands that are not answered were sent, in their order. */
  readonly #sent = new Map<number, number>();
  #sequence = 0;
  #failures = 0;
  #isClosed = false;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.place = options.place;
    this.#answerMaxMs = options.answerMaxMs ?? ANSWER_MAX_MS;
    void this.#connect();
  }

  get isUp(): boolean {
    return this.#client !== undefined;
  }

  /** Why it is not up, as far as is known. */
  get failure(): LatchkeyError | undefined {
    return this.#client === undefined ? this.#failure : undefined;
  }

  /** Resolves when it is up; rejects with why it isn't after `timeoutMs`, and at `close`. */
  async up(timeoutMs: number): Promise<void> {
    if (this.#client !== undefined) return;
    if (this.#isClosed) throw closed();
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => settle(() => reject(this.#failure ?? this.#absent())), timeoutMs);
      const settle = (done: () => void) => {
        clearTimeout(timer);
        this.#waiting = this.#waiting.filter((other) => other !== waiting);
        done();
      };
      const waiting = { resolve: () => settle(resolve), reject: (error: LatchkeyError) => settle(() => reject(error)) };
      this.#waiting.push(waiting);
    });
  }

  /**
   * Sends one command. A reply that is an error rejects with the library's own error (`replyCode` tells which); anything else that
   * goes wrong means that the connection is gone and that nobody knows whether the command was carried out.
   */
  send(args: readonly Argument[], waitsMs = 0): Promise<Reply> {
    const client = this.#client;
    if (client === undefined) return Promise.reject(this.#failure ?? this.#absent());
    return this.sendOn(client, args, waitsMs);
  }

  /** As `send`, to a client that is not up yet (`onUp`). `waitsMs`: how long the command itself may block. */
  async sendOn(client: RawClient, args: readonly Argument[], waitsMs = 0): Promise<Reply> {
    const number = this.#sequence++;
    this.#sent.set(number, performance.now() + waitsMs + this.#answerMaxMs);
    try {
      return await client.sendCommand(args);
    } finally {
      this.#sent.delete(number);
    }
  }

  /** Whether an error of `send` is the server's answer, so that the connection is good. */
  static isAnswer(error: unknown): boolean {
    return replyCode(error) !== undefined;
  }

  /** As one `LatchkeyError`, for whoever asked. */
  translate(error: unknown, doing: string): LatchkeyError {
    return redisError(error, this.place, doing);
  }

  /** Gives this client up, and makes another: for answers that show it to be the wrong one (`READONLY`). */
  renew(error: LatchkeyError): void {
    this.#drop(this.#client, error);
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#retry);
    clearInterval(this.#watchdog);
    const client = this.#client;
    this.#client = undefined;
    destroy(client);
    for (const { reject } of this.#waiting) reject(closed());
  }

  async #connect(): Promise<void> {
    let client: RawClient | undefined;
    try {
      const { hasInvalidations = false, isBinary = false, name, onUp, place, resp = 2 } = this.#options;
      client = await clientFor(place, { name, isBinary, resp, hasInvalidations, isWatched: true });
      const made = client;
      made.on('error', (error) => this.#drop(made, error));
      made.on('end', () => this.#drop(made, undefined));
      this.#watchdog ??= setInterval(() => this.#watch(), WATCH_INTERVAL_MS);
      this.#watchdog.unref();
      this.#making = made;
      await this.#greet(made);
      await onUp?.(made);
      if (this.#isClosed || !made.isReady) throw new Error('the connection ended');
      this.#making = undefined;
      this.#client = made;
      this.#failures = 0;
      this.#failure = undefined;
      for (const { resolve } of [...this.#waiting]) resolve();
    } catch (error) {
      this.#making = undefined;
      destroy(client);
      this.#fail(error);
    }
  }

  /** A server that takes the connection and then says nothing is given up as well: the library waits for its greeting for ever. */
  async #greet(client: RawClient): Promise<void> {
    const timer = setTimeout(() => destroy(client), this.#answerMaxMs);
    await client.connect().finally(() => clearTimeout(timer));
  }

  /** The one that is being prepared. */
  #making: RawClient | undefined;

  #drop(client: RawClient | undefined, error: unknown): void {
    if (client === undefined || client !== this.#client) return;
    this.#client = undefined;
    destroy(client);
    this.#fail(error ?? new Error('the connection ended'));
  }

  #fail(error: unknown): void {
    if (this.#isClosed) return;
    this.#failure = redisError(error, this.place, 'connecting');
    this.#options.onDown?.(this.#failure);
    // Whoever was told may have given it up.
    if (this.#isClosed) return;
    const random = this.#options.random ?? Math.random;
    const delayMs = Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** Math.min(this.#failures, 10)) * (0.5 + random() / 2);
    this.#failures += 1;
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => void this.#connect(), delayMs);
  }

  /** Half-open connections end here: nothing else notices them. */
  #watch(): void {
    const nowMs = performance.now();
    for (const deadlineMs of this.#sent.values()) {
      if (deadlineMs > nowMs) continue;
      const error = new LatchkeyError(
        'not-ready',
        `${describePlace(this.place)} did not answer for ${this.#answerMaxMs} ms; it is asked anew.`,
        { retryAfter: 1 },
      );
      if (this.#making !== undefined) destroy(this.#making);
      this.#drop(this.#client, error);
      return;
    }
  }

  #absent(): LatchkeyError {
    return new LatchkeyError('not-ready', `${describePlace(this.place)} is not connected yet.`, { retryAfter: 1 });
  }
}

function destroy(client: RawClient | undefined): void {
  try {
    client?.destroy();
  } catch {
    // It was closed already.
  }
}

function closed(): LatchkeyError {
  return new LatchkeyError('closing', 'The server is stopping; come back, to this or another node.', { retryAfter: 1 });
}
