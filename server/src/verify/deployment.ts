/**
 * A running deployment as its clients know it: requests, streams and sockets towards one URL, and whether it answers. It retries
 * nothing; who asks decides that, and reports what failed.
 *
 * Invariant: `#lostAtMs` is set exactly while nothing has been answered since the last failure.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Command, ERRORS, type ErrorCode, LatchkeyError, type Outcome, quote } from '@latchkey/client';
import { WebSocket } from 'ws';
import type { Clock } from '../shared/clock.ts';
import { parseSent } from './sight.ts';

export interface Place {
  readonly server: string;
  readonly token?: string;
}

export interface Answer {
  readonly status: number;
  readonly text: string;
}

const ANSWER_TIMEOUT_MS = 10_000;
/** For a restart; a deployment that is away for longer is unavailable. */
const AWAY_MAX_MS = 60_000;
const RETRY_MS = 150;
const EPOCHS_MAX = 1000;

export class Deployment {
  readonly #base: URL;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #clock: Clock;
  readonly #epochs = new Set<string>();
  #lostAtMs: number | undefined;
  /** How often it went away, or ended a connection by itself. */
  interruptions = 0;

  constructor(place: Place, clock: Clock) {
    this.#base = new URL(place.server);
    if (!this.#base.pathname.endsWith('/')) this.#base.pathname += '/';
    this.#headers = place.token === undefined ? {} : { authorization: `Bearer ${place.token}` };
    this.#clock = clock;
  }

  get epochs(): number {
    return this.#epochs.size;
  }

  sawEpoch(epoch: string): void {
    if (this.#epochs.size < EPOCHS_MAX) this.#epochs.add(epoch);
  }

  /** @throws LatchkeyError where the answer is neither 2xx nor 404 */
  async ask(path: string, request: { method?: string; body?: string; type?: string } = {}): Promise<Answer> {
    const { body, method = 'GET', type } = request;
    const headers = { ...this.#headers, ...(type === undefined ? {} : { 'content-type': type }) };
    const signal = AbortSignal.timeout(ANSWER_TIMEOUT_MS);
    const init = { method, headers, signal, ...(body === undefined ? {} : { body }) };
    let response: Response;
    let text: string;
    try {
      response = await fetch(new URL(path, this.#base), init);
      text = await response.text();
    } catch (cause) {
      throw this.#noAnswer(cause);
    }
    if (!response.ok && response.status !== 404) throw this.#refusal(response.status, text);
    this.#lostAtMs = undefined;
    return { status: response.status, text };
  }

  /** The outcome of one command. @throws LatchkeyError also where it was refused */
  async command(command: Command): Promise<Outcome> {
    const body = JSON.stringify([command]);
    const { status, text } = await this.ask('v1/commands', { method: 'POST', body, type: 'application/json' });
    const [outcome] = status === 404 ? [] : parseSent<readonly Outcome[]>(text);
    if (outcome !== undefined && outcome.outcome !== 'refused') return outcome;
    throw this.#refusal(status, text);
  }

  /** An event stream. @throws LatchkeyError */
  async stream(query: URLSearchParams, lastEventId: string | undefined, signal: AbortSignal): Promise<Response> {
    const headers = { ...this.#headers, ...(lastEventId === undefined ? {} : { 'last-event-id': lastEventId }) };
    let response: Response;
    try {
      response = await fetch(new URL(`v1/watch?${query}`, this.#base), { headers, signal });
    } catch (cause) {
      throw this.#noAnswer(cause);
    }
    if (!response.ok) throw this.#refusal(response.status, await response.text().catch(() => ''));
    this.#lostAtMs = undefined;
    return response;
  }

  /** Not open yet. */
  socket(): WebSocket {
    const url = new URL('v1/watch', this.#base);
    url.protocol = url.protocol.replace('http', 'ws');
    return new WebSocket(url, {
      headers: this.#headers,
      handshakeTimeout: ANSWER_TIMEOUT_MS,
      perMessageDeflate: false,
    });
  }

  /** What a socket's handshake said. */
  socketError(cause: Error): LatchkeyError {
    const status = Number(/Unexpected server response: (\d{3})/.exec(cause.message)?.[1] ?? 503);
    return status === 503 ? this.#noAnswer(cause) : this.#refusal(status, cause.message);
  }

  ended(what: string): LatchkeyError {
    return new LatchkeyError('unavailable', `${this.#base.origin} ended ${what}.`);
  }

  /**
   * Takes in that something failed, and waits a little before it is tried again.
   * @throws what cannot be mended by trying again; LatchkeyError `unavailable` after a minute without any answer
   */
  async failed(error: unknown): Promise<void> {
    if (!(error instanceof LatchkeyError) || !error.retryable) throw error;
    const nowMs = this.#clock.monotonicMs();
    if (this.#lostAtMs === undefined) {
      this.#lostAtMs = nowMs;
      this.interruptions += 1;
    }
    if (nowMs - this.#lostAtMs > AWAY_MAX_MS) {
      const message = `${this.#base.origin} did not answer for ${AWAY_MAX_MS / 1000} s: ${error.message}`;
      throw new LatchkeyError('unavailable', message, { cause: error });
    }
    await sleep(RETRY_MS);
  }

  #noAnswer(cause: unknown): LatchkeyError {
    const message = `No answer from ${this.#base.origin}: is a Latchkey server running there?`;
    return new LatchkeyError('unavailable', message, { cause });
  }

  #refusal(status: number, text: string): LatchkeyError {
    const code = /"code":"([a-z-]+)"/.exec(text)?.[1] ?? '';
    const message = `${this.#base.origin} answered ${status}: ${quote(text, 300)}.`;
    if (Object.hasOwn(ERRORS, code)) return new LatchkeyError(code as ErrorCode, message);
    if (status === 401) return new LatchkeyError('unauthorised', message);
    if (status === 403) return new LatchkeyError('forbidden', message);
    return new LatchkeyError(status >= 500 || status === 429 ? 'unavailable' : 'invalid-request', message);
  }
}
