import { LatchkeyError } from '@latchkey/client';
import { describeFault, faultOf, skipSpace, skipString, skipValue } from '../../shared/json-grammar.ts';
import type { Row, RowCutter } from './row.ts';

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;

/**
 * The elements of one JSON array, or the members of one JSON object with their names, of a document that is never held whole.
 *
 * Invariant: every row that was given is a valid JSON value; behind a fault there is no row.
 */
export class JsonRows implements RowCutter {
  #count = 0;
  #closing: '' | ']' | '}' = '';
  #isClosed = false;

  cut(text: string, offset: number, isEnd: boolean, into: Row[]): number {
    let at = skipSpace(text, 0, text.length);
    if (at < text.length && this.#closing === '') at = this.#open(text, at, offset);
    for (;;) {
      at = skipSpace(text, at, text.length);
      if (at === text.length) {
        if (isEnd && !this.#isClosed) throw this.#fault(text, at, offset);
        return at;
      }
      if (this.#isClosed) throw this.#fault(text, at, offset);
      if (this.#count === 0 && text.charAt(at) === this.#closing) {
        this.#isClosed = true;
        at += 1;
        continue;
      }
      const next = this.#element(text, at, offset, into);
      if (next === undefined) {
        if (isEnd) throw this.#fault(text, text.length, offset);
        return at;
      }
      at = next;
    }
  }

  #open(text: string, at: number, offset: number): number {
    const first = text.charAt(at);
    if (first !== '[' && first !== '{') throw this.#fault(text, at, offset);
    this.#closing = first === '[' ? ']' : '}';
    return at + 1;
  }

  /** The index behind the element and the comma or bracket after it; undefined where more text is needed. */
  #element(text: string, start: number, offset: number, into: Row[]): number | undefined {
    const size = text.length;
    let from = start;
    let name: string | undefined;
    if (this.#closing === '}') {
      if (text.charCodeAt(start) !== QUOTE) throw this.#fault(text, start, offset);
      const nameEnd = skipString(text, start + 1);
      if (nameEnd < 0) return this.#wait(text, nameEnd, offset);
      name = text.slice(start + 1, nameEnd - 1);
      const colon = skipSpace(text, nameEnd, size);
      if (colon < size && text.charCodeAt(colon) !== COLON) throw this.#fault(text, colon, offset);
      from = skipSpace(text, colon + 1, size);
    }
    if (from >= size) return undefined;
    const to = skipValue(text, from, size, 1);
    if (to < 0) return this.#wait(text, to, offset);
    const behind = skipSpace(text, to, size);
    if (behind === size) return undefined;
    const isLast = text.charAt(behind) === this.#closing;
    if (!isLast && text.charCodeAt(behind) !== COMMA) throw this.#fault(text, behind, offset);
    const end = offset + behind + 1;
    this.#count += 1;
    into.push({ text, from, to, number: this.#count, end, ...(name === undefined ? {} : { name }) });
    this.#isClosed = isLast;
    return behind + 1;
  }

  /** A fault at the end of what is there may be none once more is there. */
  #wait(text: string, code: number, offset: number): undefined {
    const fault = faultOf(code);
    if (fault.kind === 'malformed' && fault.at >= text.length) return undefined;
    throw this.#fault(text, fault.at, offset, fault.kind === 'too-deep' ? 'too-deep' : 'malformed');
  }

  #fault(text: string, at: number, offset: number, kind: 'malformed' | 'too-deep' = 'malformed'): LatchkeyError {
    const what = describeFault(text, { kind, at })
      .replace(/ at character \d+$/, '')
      .replace(/,$/, '');
    const message = `The document is not one JSON array or object: ${what} at byte ${offset + at + 1}, behind row ${this.#count}.`;
    return new LatchkeyError(
      'invalid-json',
      `${message} Mend it there; if it has one row a line, say --format ndjson.`,
    );
  }
}
