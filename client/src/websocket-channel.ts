/**
 * One watch on a WebSocket that it shares: frames wait here between the socket, which can't be told to wait, and the watch's
 * reader. A reader who is too slow makes the watch leave the connection; from its position the server brings it up to date again.
 *
 * Invariant: the frames that wait are together at most `WAITING_LENGTH_MAX` characters long, or but one of them, of any length, holds
 * changes; and no two heartbeats follow each other.
 */
import type { LatchkeyError } from './error.ts';
import type { TransportRequest } from './transport.ts';
import type { ServerFrame } from './websocket-frame.ts';

export const WAITING_LENGTH_MAX = 256 * 1024;
const READ_MAX = 64;

export class WebsocketChannel {
  readonly id: number;
  readonly request: TransportRequest;
  readonly #leave: (channel: WebsocketChannel) => void;
  #waiting: { readonly frame: ServerFrame; readonly length: number }[] = [];
  #next = 0;
  #length = 0;
  /** Of the frames that wait, those that move the reader on. */
  #changesCount = 0;
  #isBehind = false;
  #ended: { readonly error: LatchkeyError | undefined } | undefined;
  #wake: (() => void) | undefined;

  /** The group whose shared frames are for this watch. */
  ref: string | undefined;

  constructor(id: number, request: TransportRequest, leave: (channel: WebsocketChannel) => void) {
    this.id = id;
    this.request = request;
    this.#leave = leave;
  }

  take(frame: ServerFrame, length: number): void {
    if (this.#isBehind || this.#ended !== undefined) return;
    // Only where it would be handed a change first: else it would come back to where it left, and leave there again, for ever.
    if (this.#changesCount > 0 && this.#length + length > WAITING_LENGTH_MAX) {
      this.#isBehind = true;
      this.#leave(this);
    } else this.#keep(frame, length);
    this.#wake?.();
  }

  #keep(frame: ServerFrame, length: number): void {
    const last = this.#waiting.at(-1);
    if (frame.op === 'progress' && last?.frame.op === 'progress' && this.#next < this.#waiting.length) {
      this.#waiting.pop();
      this.#length -= last.length;
    }
    this.#waiting.push({ frame, length });
    this.#length += length;
    if (frame.changes !== undefined) this.#changesCount += 1;
  }

  /** What waits is still handed out; then `next` throws the error, if there is one. Idempotent. */
  end(error?: LatchkeyError): void {
    this.#ended ??= { error };
    this.#wake?.();
  }

  /** Nothing more is handed out. */
  close(): void {
    this.#waiting = [];
    this.#next = 0;
    this.#length = 0;
    this.#changesCount = 0;
    this.end();
    this.#leave(this);
  }

  /** The next frame; `behind` where the reader was too slow for the ones after the last; undefined at the end. */
  async next(): Promise<ServerFrame | 'behind' | undefined> {
    for (;;) {
      const first = this.#waiting[this.#next];
      if (first !== undefined) {
        this.#length -= first.length;
        if (first.frame.changes !== undefined) this.#changesCount -= 1;
        this.#next += 1;
        // A reader that is never quite level must not keep what it has read.
        if (this.#next === this.#waiting.length || this.#next >= READ_MAX) {
          this.#waiting.splice(0, this.#next);
          this.#next = 0;
        }
        return first.frame;
      }
      if (this.#isBehind) return 'behind';
      if (this.#ended?.error !== undefined) throw this.#ended.error;
      if (this.#ended !== undefined) return undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
