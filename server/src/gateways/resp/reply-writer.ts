/**
 * Writes replies in RESP2 or RESP3 into one growing buffer: what has a form of its own in RESP3 (maps, sets, nulls, pushes) is written
 * as the arrays and bulk strings of RESP2 where that is spoken. It does no IO; whoever made the replies takes the bytes.
 *
 * Invariant: `length` bytes of the buffer are whole replies whenever a command has ended.
 */
const BYTES_FIRST = 16 * 1024;
/** A buffer that had to grow further for one big reply is given up afterwards. */
const BYTES_KEPT_MAX = 1024 * 1024;
/** Up to here a loop is done sooner than a call out of JavaScript. */
const BY_CHARACTER_MAX = 16;

export class ReplyWriter {
  /** 2 or 3: what the connection speaks whose replies are written. */
  protocol: 2 | 3 = 2;
  #buffer = Buffer.allocUnsafeSlow(BYTES_FIRST);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** The bytes since the last `take`, as memory of their own. */
  take(): Buffer {
    const bytes = Buffer.copyBytesFrom(this.#buffer, 0, this.#length);
    this.clear();
    return bytes;
  }

  /** As `take`, each byte a character. */
  takeLatin1(): string {
    const text = this.#buffer.toString('latin1', 0, this.#length);
    this.clear();
    return text;
  }

  clear(): void {
    this.#length = 0;
    if (this.#buffer.length > BYTES_KEPT_MAX) this.#buffer = Buffer.allocUnsafeSlow(BYTES_FIRST);
  }

  /** Takes back what was written beyond a `length` of before. */
  truncate(length: number): void {
    this.#length = length;
  }

  /** Bytes that are a whole reply. Texts are of ASCII. */
  raw(bytes: Buffer): void {
    this.#reserve(bytes.length);
    bytes.copy(this.#buffer, this.#length);
    this.#length += bytes.length;
  }

  ascii(text: string): void {
    const { length } = text;
    this.#reserve(length);
    if (length > BY_CHARACTER_MAX) {
      this.#length += this.#buffer.write(text, this.#length, 'latin1');
      return;
    }
    const buffer = this.#buffer;
    const from = this.#length;
    for (let at = 0; at < length; at += 1) buffer[from + at] = text.charCodeAt(at);
    this.#length = from + length;
  }

  ok(): void {
    this.ascii('+OK\r\n');
  }

  /** `text` without line breaks. */
  simple(text: string): void {
    this.ascii(`+${text}\r\n`);
  }

  /** Begins with an upper-case word, `ERR` for most. Line breaks, which would end it early, become spaces. */
  error(text: string): void {
    const line = Buffer.from(`-${text.replace(/[\r\n]/g, ' ')}\r\n`);
    this.raw(line);
  }

  integer(value: number): void {
    if (value >= 0 && value < 10) this.ascii(SMALL_INTEGERS[value] as string);
    else this.ascii(`:${value}\r\n`);
  }

  null(): void {
    this.ascii(this.protocol === 3 ? '_\r\n' : '$-1\r\n');
  }

  nullArray(): void {
    this.ascii(this.protocol === 3 ? '_\r\n' : '*-1\r\n');
  }

  bulk(bytes: Buffer): void {
    this.bulkOf(bytes, 0, bytes.length);
  }

  bulkOf(source: Buffer, start: number, end: number): void {
    const size = end - start;
    this.#reserve(size + 24);
    this.#header(0x24, size);
    source.copy(this.#buffer, this.#length, start, end);
    this.#length += size;
    this.#lineEnd();
  }

  text(text: string): void {
    const size = Buffer.byteLength(text);
    this.#reserve(size + 24);
    this.#header(0x24, size);
    this.#length += this.#buffer.write(text, this.#length, 'utf8');
    this.#lineEnd();
  }

  array(length: number): void {
    this.#reserve(24);
    this.#header(0x2a, length);
  }

  /** A map of so many pairs, each written as its key and its value. */
  map(pairs: number): void {
    this.#reserve(24);
    if (this.protocol === 3) this.#header(0x25, pairs);
    else this.#header(0x2a, pairs * 2);
  }

  set(length: number): void {
    this.#reserve(24);
    this.#header(this.protocol === 3 ? 0x7e : 0x2a, length);
  }

  push(length: number): void {
    this.#reserve(24);
    this.#header(this.protocol === 3 ? 0x3e : 0x2a, length);
  }

  /** Many lines of text. */
  verbatim(text: string): void {
    if (this.protocol === 3) {
      this.ascii(`=${Buffer.byteLength(text) + 4}\r\ntxt:`);
      this.raw(Buffer.from(`${text}\r\n`));
    } else this.text(text);
  }

  #header(sign: number, value: number): void {
    const buffer = this.#buffer;
    let at = this.#length;
    buffer[at] = sign;
    at += 1;
    if (value < 10) {
      buffer[at] = 0x30 + value;
      at += 1;
    } else if (value < 100) {
      buffer[at] = 0x30 + Math.floor(value / 10);
      buffer[at + 1] = 0x30 + (value % 10);
      at += 2;
    } else {
      const digits = String(value);
      at += buffer.write(digits, at, 'latin1');
    }
    buffer[at] = 0x0d;
    buffer[at + 1] = 0x0a;
    this.#length = at + 2;
  }

  #lineEnd(): void {
    this.#buffer[this.#length] = 0x0d;
    this.#buffer[this.#length + 1] = 0x0a;
    this.#length += 2;
  }

  #reserve(bytes: number): void {
    const needed = this.#length + bytes;
    if (needed <= this.#buffer.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.#buffer.length * 2));
    this.#buffer.copy(grown, 0, 0, this.#length);
    this.#buffer = grown;
  }
}

const SMALL_INTEGERS: readonly string[] = Array.from({ length: 10 }, (_value, index) => `:${index}\r\n`);
