import { LatchkeyError } from '@latchkey/client';

export type PythonValue = string | number | boolean | null | readonly PythonValue[] | ReadonlyMap<string, PythonValue>;

export interface PythonEntry {
  readonly value: PythonValue;
  /** From 1: where its name stands. */
  readonly line: number;
}

const NAME = /[A-Za-z_][A-Za-z0-9_]*/y;
const NUMBER =
  /[+-]?(?:0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[bB][01]+|(?:\d+(?:_\d+)*)?\.?\d+(?:_\d+)*\.?(?:[eE][+-]?\d+)?)/y;
const SIMPLE_ESCAPES: Readonly<Record<string, string>> = {
  '\\': '\\',
  "'": "'",
  '"': '"',
  a: '\u0007',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
};
const DEPTH_MAX = 32;

/**
 * The entries of `NAME = {…}`, which is all that the text may be beside comments. Nothing is executed: texts, numbers, `True`,
 * `False`, `None`, lists and dictionaries with texts as names are taken, and everything else is refused with its place.
 * @throws LatchkeyError `config-invalid`
 */
export function parsePythonDictionary(text: string, name: string, file: string): ReadonlyMap<string, PythonEntry> {
  return new Parser(text, file).assignment(name);
}

class Parser {
  readonly #text: string;
  readonly #file: string;
  #at = 0;

  constructor(text: string, file: string) {
    this.#text = text;
    this.#file = file;
  }

  assignment(name: string): ReadonlyMap<string, PythonEntry> {
    this.#space();
    if (this.#match(NAME) !== name) throw this.#fault(`takes ${name} = {…} and nothing else`, 0);
    this.#space();
    this.#expect('=');
    this.#space();
    const entries = this.#entries(0);
    this.#space();
    if (this.#at < this.#text.length) throw this.#fault(`takes nothing behind ${name} = {…}; it is read, never run`);
    return entries;
  }

  #value(depth: number): PythonValue {
    if (depth > DEPTH_MAX) throw this.#fault(`is nested more than ${DEPTH_MAX} deep`);
    const next = this.#text[this.#at];
    if (next === '{') return new Map([...this.#entries(depth)].map(([name, { value }]) => [name, value]));
    if (next === '[') return this.#list(depth);
    if (next !== undefined && /["'rRuU]/.test(next) && this.#isText()) return this.#texts();
    if (next !== undefined && /[-+.0-9]/.test(next)) return this.#number();
    const start = this.#at;
    const word = this.#match(NAME);
    if (word === 'True') return true;
    if (word === 'False') return false;
    if (word === 'None') return null;
    const found = word ?? (next === undefined ? 'the end' : next);
    throw this.#fault(
      `takes a text, a number, True, False, None, a list or a dictionary here, but got ${found}`,
      start,
    );
  }

  #entries(depth: number): Map<string, PythonEntry> {
    this.#expect('{');
    const entries = new Map<string, PythonEntry>();
    this.#items('}', () => {
      const start = this.#at;
      if (!this.#isText()) throw this.#fault('takes a text as a name here, in quotes');
      const name = this.#texts();
      this.#space();
      this.#expect(':');
      this.#space();
      entries.set(name, { value: this.#value(depth + 1), line: this.#place(start).line });
    });
    return entries;
  }

  #list(depth: number): readonly PythonValue[] {
    this.#expect('[');
    const values: PythonValue[] = [];
    this.#items(']', () => values.push(this.#value(depth + 1)));
    return values;
  }

  #items(end: string, item: () => void): void {
    this.#space();
    while (this.#text[this.#at] !== end) {
      item();
      this.#space();
      if (this.#text[this.#at] === end) break;
      this.#expect(',', end);
      this.#space();
    }
    this.#at += 1;
  }

  #number(): number {
    const start = this.#at;
    const written = this.#match(NUMBER);
    const value = written === undefined ? Number.NaN : numberOf(written.replaceAll('_', ''));
    if (Number.isNaN(value) || /[A-Za-z0-9_]/.test(this.#text[this.#at] ?? ''))
      throw this.#fault('takes a number here', start);
    return value;
  }

  /** Neighbours are one text, as in Python. */
  #texts(): string {
    let whole = '';
    do {
      whole += this.#oneText();
      this.#space();
    } while (this.#isText());
    return whole;
  }

  #isText(): boolean {
    return /^[rRuU]?["']/.test(this.#text.slice(this.#at, this.#at + 2));
  }

  #oneText(): string {
    const start = this.#at;
    const isRaw = /[rR]/.test(this.#text[this.#at] as string);
    if (/[rRuU]/.test(this.#text[this.#at] as string)) this.#at += 1;
    const quote = this.#text[this.#at] as string;
    if (this.#text.startsWith(quote.repeat(3), this.#at))
      throw this.#fault('takes no text in three quotes; write it in one', start);
    this.#at += 1;
    let text = '';
    for (;;) {
      const next = this.#text[this.#at];
      if (next === undefined || next === '\n') throw this.#fault('has a text that is not closed', start);
      this.#at += 1;
      if (next === quote) return text;
      if (next !== '\\') text += next;
      else if (isRaw) {
        text += next + (this.#text[this.#at] ?? '');
        this.#at += 1;
      } else text += this.#escape();
    }
  }

  #escape(): string {
    const next = this.#text[this.#at] ?? '';
    if (next === '\n') {
      this.#at += 1;
      return '';
    }
    const simple = SIMPLE_ESCAPES[next];
    if (simple !== undefined) {
      this.#at += 1;
      return simple;
    }
    const code = /^(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{1,3}))/.exec(
      this.#text.slice(this.#at, this.#at + 9),
    );
    if (code === null) {
      if (/[xuUN]/.test(next)) throw this.#fault(`takes no escape like \\${next} here`, this.#at - 1);
      // Python leaves what it does not know as it stands.
      return '\\';
    }
    const point =
      code[4] === undefined
        ? Number.parseInt(code[1] ?? code[2] ?? (code[3] as string), 16)
        : Number.parseInt(code[4], 8);
    if (point > 0x10ffff) throw this.#fault('takes a code point up to 10ffff here', this.#at - 1);
    this.#at += code[0].length;
    return String.fromCodePoint(point);
  }

  /** Blanks, line ends and comments. */
  #space(): void {
    const space = /(?:[\s\uFEFF]|#[^\n]*|\\\r?\n)*/y;
    space.lastIndex = this.#at;
    this.#at += space.exec(this.#text)?.[0].length ?? 0;
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    this.#at += found?.length ?? 0;
    return found;
  }

  #expect(character: string, or?: string): void {
    if (this.#text[this.#at] !== character) {
      const takes = or === undefined ? character : `${character} or ${or}`;
      throw this.#fault(`takes ${takes} here, but got ${this.#text[this.#at] ?? 'the end'}`);
    }
    this.#at += 1;
  }

  #place(at: number): { readonly line: number; readonly column: number } {
    const before = this.#text.slice(0, at).split('\n');
    return { line: before.length, column: (before.at(-1) as string).length + 1 };
  }

  #fault(what: string, at = this.#at): LatchkeyError {
    const { column, line } = this.#place(at);
    return new LatchkeyError('config-invalid', `${this.#file} line ${line}, column ${column}: ${what}.`);
  }
}

function numberOf(text: string): number {
  const sign = text.startsWith('-') ? -1 : 1;
  return sign * Number(text.replace(/^[+-]/, ''));
}
