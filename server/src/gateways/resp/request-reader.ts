/**
 * Cuts requests out of the bytes of one connection: arrays of bulk strings (`*2\r\n$3\r\nGET\r\n$1\r\nk\r\n`) and inline ones
 * (`GET k\r\n`), as Redis takes them. It does no IO, decodes nothing, and looks at no byte twice however the bytes are cut.
 *
 * Invariant: `bufferedBytes` never exceeds a chunk and `requestBytesMax`; the arguments hold until the next `next` or `push`.
 */
import { isUtf8 } from 'node:buffer';
import { splitInline } from './inline-request.ts';

export interface RequestLimits {
  readonly argumentsMax: number;
  /** Of one request, all its arguments and their headers together. */
  readonly requestBytesMax: number;
  /** How a request beyond them is called in the error. */
  readonly fault: 'invalid' | 'unauthenticated';
}

/** What is sent is not the protocol; whoever sends it can't be followed any more. The message is Redis's own. */
export class ProtocolError extends Error {}

const LF = 0x0a;
const CR = 0x0d;
const STAR = 0x2a;
const DOLLAR = 0x24;
const MINUS = 0x2d;
/** As in Redis: an inline request, or the line of a header. */
const LINE_BYTES_MAX = 64 * 1024;
const EMPTY = Buffer.alloc(0);
/** Distinct from every count: the line is not complete. */
const INCOMPLETE = Number.NEGATIVE_INFINITY;

export class RequestReader {
  limits: RequestLimits;
  /** The arguments of the current request; the first one is the command's name. */
  count = 0;
  #buffer: Buffer = EMPTY;
  /** Where the current request begins, how far it was looked at, and where the bytes end. */
  #from = 0;
  #at = 0;
  #end = 0;
  /** Bulk strings that are still to come; 0 between requests. */
  #missing = 0;
  /** Of the bulk string whose header was read; negative where none was. */
  #length = -1;
  /** Whether `#buffer` is this reader's own, so that it may be written to. */
  #isOwn = false;
  /** Holds the arguments: `#buffer`, or what an inline request became. */
  #source: Buffer = EMPTY;
  /** Places of the arguments: from the start of `#source`, while it is read from the start of the request. */
  readonly #starts: number[] = [];
  readonly #ends: number[] = [];
  #base = 0;

  constructor(limits: RequestLimits) {
    this.limits = limits;
  }

  /** Bytes that were pushed and are not part of a request that `next` gave. */
  get bufferedBytes(): number {
    return this.#end - this.#from;
  }

  /** What is pushed MUST NOT be written to by anybody else any more. */
  push(chunk: Buffer): void {
    const left = this.#end - this.#from;
    if (left === 0) {
      this.#buffer = chunk;
      this.#isOwn = false;
      this.#from = 0;
      this.#at = 0;
      this.#end = chunk.length;
      return;
    }
    const needed = left + chunk.length;
    if (!this.#isOwn || this.#end + chunk.length > this.#buffer.length) {
      // Doubled, so that a big request that comes in many pieces is not copied for each of them.
      const isRoomy = this.#isOwn && needed * 2 <= this.#buffer.length;
      const target = isRoomy ? this.#buffer : Buffer.allocUnsafeSlow(Math.max(needed * 2, 4096));
      this.#buffer.copy(target, 0, this.#from, this.#end);
      this.#buffer = target;
      this.#isOwn = true;
      this.#at -= this.#from;
      this.#from = 0;
      this.#end = left;
    }
    chunk.copy(this.#buffer, this.#end);
    this.#end += chunk.length;
  }

  /**
   * Whether there is a whole request; then `count`, `text` and `bytes` are of it.
   * @throws ProtocolError; nothing can be read after it
   */
  next(): boolean {
    for (;;) {
      if (this.#missing === 0) {
        this.#from = this.#at;
        if (this.#at >= this.#end) return this.#starve();
        if (this.#buffer[this.#at] !== STAR) {
          const found = this.#nextInline();
          if (found === 'more') return false;
          if (found === 'nothing') continue;
          return true;
        }
        const missing = this.#readHeader('too big mbulk count string', 'invalid multibulk length');
        if (missing === INCOMPLETE) return false;
        if (missing > this.limits.argumentsMax)
          throw new ProtocolError(`Protocol error: ${this.limits.fault} multibulk length`);
        if (missing <= 0) continue;
        this.#missing = missing;
        this.count = 0;
      }
      if (!this.#readBulks()) return false;
      this.#source = this.#buffer;
      this.#base = this.#from;
      this.#from = this.#at;
      return true;
    }
  }

  /** Length of an argument in bytes. */
  size(index: number): number {
    return (this.#ends[index] as number) - (this.#starts[index] as number);
  }

  /** An argument as it lies in what was pushed: copy it to keep it. */
  bytes(index: number): Buffer {
    return this.#source.subarray(
      this.#base + (this.#starts[index] as number),
      this.#base + (this.#ends[index] as number),
    );
  }

  /** Each byte a character. */
  latin1(index: number): string {
    return this.#source.toString(
      'latin1',
      this.#base + (this.#starts[index] as number),
      this.#base + (this.#ends[index] as number),
    );
  }

  /** Whether an argument is this text of ASCII. */
  equals(index: number, text: string): boolean {
    const source = this.#source;
    const start = this.#base + (this.#starts[index] as number);
    if (this.#base + (this.#ends[index] as number) - start !== text.length) return false;
    for (let at = 0; at < text.length; at += 1) if (source[start + at] !== text.charCodeAt(at)) return false;
    return true;
  }

  /** An argument in UTF-8; undefined where it is not. */
  text(index: number): string | undefined {
    const source = this.#source;
    const start = this.#base + (this.#starts[index] as number);
    const end = this.#base + (this.#ends[index] as number);
    for (let at = start; at < end; at += 1) {
      if ((source[at] as number) < 0x80) continue;
      const bytes = source.subarray(start, end);
      return isUtf8(bytes) ? bytes.toString() : undefined;
    }
    return source.toString('latin1', start, end);
  }

  #readBulks(): boolean {
    while (this.#missing > 0) {
      if (this.#length < 0) {
        if (this.#at >= this.#end) return false;
        const code = this.#buffer[this.#at] as number;
        if (code !== DOLLAR) throw new ProtocolError(`Protocol error: expected '$', got '${shownByte(code)}'`);
        const length = this.#readHeader('too big bulk count string', 'invalid bulk length');
        if (length === INCOMPLETE) return false;
        if (length < 0) throw new ProtocolError('Protocol error: invalid bulk length');
        if (this.#at - this.#from + length > this.limits.requestBytesMax)
          throw new ProtocolError(`Protocol error: ${this.limits.fault} bulk length`);
        this.#length = length;
      }
      const end = this.#at + this.#length;
      if (end + 2 > this.#end) return false;
      this.#starts[this.count] = this.#at - this.#from;
      this.#ends[this.count] = end - this.#from;
      this.count += 1;
      // What stands in the place of the line's end is not looked at, as in Redis.
      this.#at = end + 2;
      this.#length = -1;
      this.#missing -= 1;
    }
    return true;
  }

  /** The number behind the sign at `#at`, which is passed by. */
  #readHeader(tooBig: string, invalid: string): number {
    const buffer = this.#buffer;
    let at = this.#at + 1;
    const isNegative = buffer[at] === MINUS && at < this.#end;
    if (isNegative) at += 1;
    let value = 0;
    let digits = 0;
    for (; at < this.#end; at += 1) {
      const code = buffer[at] as number;
      if (code >= 0x30 && code <= 0x39 && digits < 15) {
        value = value * 10 + code - 0x30;
        digits += 1;
      } else break;
    }
    if (at + 1 >= this.#end || buffer[at] !== CR || digits === 0) return this.#oddHeader(tooBig, invalid);
    this.#at = at + 2;
    return isNegative ? -value : value;
  }

  /** A line that has not arrived yet, or is none of a number. */
  #oddHeader(tooBig: string, invalid: string): number {
    const end = this.#buffer.subarray(this.#at, this.#end).indexOf(CR);
    if (end < 0) {
      if (this.#end - this.#at > LINE_BYTES_MAX) throw new ProtocolError(`Protocol error: ${tooBig}`);
      return INCOMPLETE;
    }
    if (this.#at + end + 1 >= this.#end) return INCOMPLETE;
    throw new ProtocolError(`Protocol error: ${invalid}`);
  }

  #nextInline(): 'request' | 'nothing' | 'more' {
    const found = this.#buffer.subarray(this.#at, this.#end).indexOf(LF);
    if (found < 0 ? this.#end - this.#at > LINE_BYTES_MAX : found > LINE_BYTES_MAX)
      throw new ProtocolError('Protocol error: too big inline request');
    if (found < 0) return 'more';
    const end = this.#at + found;
    const line = this.#buffer.subarray(this.#at, end > this.#at && this.#buffer[end - 1] === CR ? end - 1 : end);
    const parts = splitInline(line);
    if (parts === undefined) throw new ProtocolError('Protocol error: unbalanced quotes in request');
    this.#at = end + 1;
    this.#from = this.#at;
    if (parts.length === 0) return 'nothing';
    this.#source = Buffer.concat(parts);
    this.#base = 0;
    this.count = parts.length;
    let start = 0;
    for (const [index, part] of parts.entries()) {
      this.#starts[index] = start;
      start += part.length;
      this.#ends[index] = start;
    }
    return 'request';
  }

  /** Nothing is left: what was pushed may go. */
  #starve(): false {
    if (this.#source !== this.#buffer) this.#source = EMPTY;
    if (this.#isOwn) {
      this.#buffer = EMPTY;
      this.#isOwn = false;
      this.#from = 0;
      this.#at = 0;
      this.#end = 0;
    }
    return false;
  }
}

function shownByte(code: number): string {
  return code >= 0x20 && code < 0x7f ? String.fromCharCode(code) : '?';
}
