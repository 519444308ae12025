import { LatchkeyError } from './error.ts';

/** One dispatched event of an event stream. `type` is `message` where the stream named none. */
export interface SseEvent {
  readonly type: string;
  readonly data: string;
  /** The last event id of the stream when this event was dispatched; empty until one was sent. */
  readonly id: string;
}

const EVENT_LENGTH_MAX = 64 * 1024 * 1024;
const LF = 10;
const CR = 13;

/**
 * Reads an event stream as the HTML standard says (§9.2.6): chunks may be cut anywhere, inside a character or between CR and LF.
 *
 * Invariant: what was pushed is either dispatched, part of the one event not yet ended, or in the one line not yet ended; both
 * together are bounded by `EVENT_LENGTH_MAX` characters.
 */
export class SseParser {
  readonly #decoder = new TextDecoder();
  #rest = '';
  #isAtStart = true;
  #mayFollowCr = false;
  #type = '';
  #data: string[] = [];
  #dataLength = 0;
  #pendingId = '';

  /** The id that a new connection sends as `Last-Event-ID`. */
  lastEventId = '';
  /** The delay the server asked for before a new connection, if it did. */
  retryMs: number | undefined;

  /**
   * The events that this chunk completed, in order.
   * @throws LatchkeyError `invalid-request` where one event is longer than 64 Mi characters
   */
  push(chunk: Uint8Array | string): readonly SseEvent[] {
    let text = typeof chunk === 'string' ? chunk : this.#decoder.decode(chunk, { stream: true });
    if (text.length === 0) return [];
    if (this.#isAtStart) {
      // The decoder drops the mark from bytes; text that was decoded elsewhere may still carry it.
      if (typeof chunk === 'string' && text.startsWith('\uFEFF')) text = text.slice(1);
      this.#isAtStart = false;
    }
    if (this.#mayFollowCr && text.length > 0) {
      if (text.charCodeAt(0) === LF) text = text.slice(1);
      this.#mayFollowCr = false;
    }
    return this.#lines(text);
  }

  #lines(text: string): readonly SseEvent[] {
    const events: SseEvent[] = [];
    let start = 0;
    let lineFeed = text.indexOf('\n');
    let carriageReturn = text.indexOf('\r');
    while (lineFeed >= 0 || carriageReturn >= 0) {
      const end = lineFeed < 0 || (carriageReturn >= 0 && carriageReturn < lineFeed) ? carriageReturn : lineFeed;
      const line = this.#rest + text.slice(start, end);
      this.#rest = '';
      start = end + 1;
      if (text.charCodeAt(end) === CR) {
        if (start === text.length) this.#mayFollowCr = true;
        else if (text.charCodeAt(start) === LF) start += 1;
      }
      const event = this.#line(line);
      if (event !== undefined) events.push(event);
      if (lineFeed >= 0 && lineFeed < start) lineFeed = text.indexOf('\n', start);
      if (carriageReturn >= 0 && carriageReturn < start) carriageReturn = text.indexOf('\r', start);
    }
    this.#rest += text.slice(start);
    this.#checkLength();
    return events;
  }

  #line(line: string): SseEvent | undefined {
    if (line === '') return this.#dispatch();
    const colon = line.indexOf(':');
    if (colon === 0) return undefined;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(line.charCodeAt(colon + 1) === 32 ? colon + 2 : colon + 1);
    if (field === 'data') {
      this.#data.push(value);
      this.#dataLength += value.length + 1;
      this.#checkLength();
    } else if (field === 'event') this.#type = value;
    else if (field === 'id' && !value.includes('\0')) this.#pendingId = value;
    else if (field === 'retry' && /^[0-9]+$/.test(value)) this.retryMs = Number(value);
    return undefined;
  }

  #dispatch(): SseEvent | undefined {
    this.lastEventId = this.#pendingId;
    const data = this.#data;
    const type = this.#type;
    this.#data = [];
    this.#dataLength = 0;
    this.#type = '';
    if (data.length === 0) return undefined;
    return { type: type === '' ? 'message' : type, data: data.join('\n'), id: this.lastEventId };
  }

  #checkLength(): void {
    if (this.#dataLength + this.#rest.length <= EVENT_LENGTH_MAX) return;
    throw new LatchkeyError('invalid-request', `An event of the stream is longer than ${EVENT_LENGTH_MAX} characters.`);
  }
}
