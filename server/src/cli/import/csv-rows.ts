import { LatchkeyError } from '@latchkey/client';
import { refuse } from '../../shared/refusal.ts';
import type { Cell, Row, RowCutter } from './row.ts';

const MARK = '\u00ef\u00bb\u00bf';

/**
 * CSV as RFC 4180 has it and spreadsheets write it: quoted cells may hold delimiters, line breaks and doubled quotes; lines end
 * with LF or CRLF; the first line names the columns.
 */
export class CsvRows implements RowCutter {
  #delimiter: string | undefined;
  #columns: readonly string[] | undefined;
  #count = 0;

  /** Without a delimiter: the one of comma, semicolon and tab that the first line has most of. */
  constructor(delimiter?: string) {
    this.#delimiter = delimiter;
  }

  /** The names of the first line; empty before it was read. */
  get columns(): readonly string[] {
    return this.#columns ?? [];
  }

  cut(text: string, offset: number, isEnd: boolean, into: Row[]): number {
    let from = 0;
    while (from < text.length) {
      const end = lineEnd(text, from, isEnd);
      if (end === undefined) return from;
      const to = text.charAt(end - 1) === '\r' ? end - 1 : end;
      if (to > from) this.#line(text, from, to, offset + Math.min(end + 1, text.length), into);
      from = Math.min(end + 1, text.length);
    }
    return from;
  }

  #line(text: string, from: number, to: number, end: number, into: Row[]): void {
    if (this.#columns === undefined) {
      this.#head(text.slice(from, to));
      return;
    }
    this.#count += 1;
    const row = { text, from, to, number: this.#count, end };
    const cells = cellsOf(text.slice(from, to), this.#delimiter as string);
    if (cells === undefined) {
      const message = 'The row has a quote inside a cell that is not quoted, or text behind a closing quote.';
      into.push({ ...row, refusal: refuse('event-invalid', message) });
    } else if (cells.length !== this.#columns.length) {
      const message = `The row has ${cells.length} cells, but the first line names ${this.#columns.length} columns.`;
      into.push({ ...row, refusal: refuse('event-invalid', message) });
    } else into.push({ ...row, cells });
  }

  #head(line: string): void {
    const head = line.startsWith(MARK) ? line.slice(MARK.length) : line;
    this.#delimiter ??= guessDelimiter(head);
    const names = cellsOf(head, this.#delimiter)?.map(({ text }) => text.trim());
    const twice = names?.find((name, index) => name === '' || names.indexOf(name) !== index);
    if (names !== undefined && twice === undefined) {
      this.#columns = names;
      return;
    }
    const why =
      twice === undefined
        ? 'has a quote out of place'
        : twice === ''
          ? 'leaves a column without a name'
          : `names ${JSON.stringify(twice)} twice`;
    throw new LatchkeyError(
      'event-invalid',
      `The first line of CSV names the columns, but it ${why}; mend it, or say --format.`,
    );
  }
}

/** The index of the line break that ends the line, the text's length where the last line has none; undefined where more is needed. */
function lineEnd(text: string, from: number, isEnd: boolean): number | undefined {
  // Inside quotes, doubled ones included, there is an odd number of them before.
  let isInside = false;
  for (let at = from; ; ) {
    const found = text.indexOf('\n', at);
    const end = found < 0 ? text.length : found;
    if (hasOddQuotes(text.slice(at, end))) isInside = !isInside;
    if (found < 0) return isEnd ? end : undefined;
    if (!isInside) return end;
    at = end + 1;
  }
}

function hasOddQuotes(part: string): boolean {
  let isOdd = false;
  for (let at = part.indexOf('"'); at >= 0; at = part.indexOf('"', at + 1)) isOdd = !isOdd;
  return isOdd;
}

function guessDelimiter(line: string): string {
  let best = ',';
  for (const each of [';', '\t']) if (line.split(each).length > line.split(best).length) best = each;
  return best;
}

/** Undefined where quotes stand where none may. */
function cellsOf(line: string, delimiter: string): readonly Cell[] | undefined {
  if (!line.includes('"')) return line.split(delimiter).map((text) => ({ text, isQuoted: false }));
  const cells: Cell[] = [];
  for (let at = 0; ; at += 1) {
    if (line.charAt(at) === '"') {
      let close = line.indexOf('"', at + 1);
      while (close >= 0 && line.charAt(close + 1) === '"') close = line.indexOf('"', close + 2);
      if (close < 0) return undefined;
      cells.push({ text: line.slice(at + 1, close).replaceAll('""', '"'), isQuoted: true });
      at = close + 1;
    } else {
      const found = line.indexOf(delimiter, at);
      const end = found < 0 ? line.length : found;
      const text = line.slice(at, end);
      if (text.includes('"')) return undefined;
      cells.push({ text, isQuoted: false });
      at = end;
    }
    if (at === line.length) return cells;
    if (line.charAt(at) !== delimiter) return undefined;
  }
}
