import { LatchkeyError } from '@latchkey/client';

/** Reads on through bytes that may be anything. @throws LatchkeyError `data-corrupt` where they end too early. */
export class ByteReader {
  readonly #bytes: Buffer;
  readonly #what: string;
  readonly #end: number;
  #at: number;

  constructor(bytes: Buffer, what: string, start = 0, end = bytes.length) {
    this.#bytes = bytes;
    this.#what = what;
    this.#at = start;
    this.#end = end;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#end;
  }

  uint8(): number {
    return this.#bytes[this.#take(1)] as number;
  }

  uint16(): number {
    return this.#bytes.readUInt16LE(this.#take(2));
  }

  uint32(): number {
    return this.#bytes.readUInt32LE(this.#take(4));
  }

  /** Offsets and microseconds. */
  integer(): number {
    const value = this.#bytes.readDoubleLE(this.#take(8));
    return Number.isSafeInteger(value) ? value : this.fail(`${value} is no integer`);
  }

  text(length: number): string {
    const start = this.#take(length);
    return this.#bytes.toString('utf8', start, start + length);
  }

  /** A slice, not a copy. */
  bytes(length: number): Buffer {
    const start = this.#take(length);
    return this.#bytes.subarray(start, start + length);
  }

  rest(): Buffer {
    return this.bytes(this.#end - this.#at);
  }

  version(known: number): void {
    const version = this.uint8();
    if (version !== known) this.fail(`it is of format ${version}, and this program knows ${known}`);
  }

  one<Choice>(choices: readonly Choice[]): Choice {
    const index = this.uint8();
    return index < choices.length ? (choices[index] as Choice) : this.fail(`${index} is no choice there`);
  }

  fail(why: string): never {
    throw new LatchkeyError(
      'data-corrupt',
      `The Redis holds ${this.#what} that can't be read (${why}, before byte ${this.#at} of ${this.#end}). Another program or a newer version wrote it.`,
    );
  }

  #take(length: number): number {
    const start = this.#at;
    if (length > this.#end - start) this.fail(`it ends within ${length} bytes`);
    this.#at = start + length;
    return start;
  }
}
