import type { Refusal } from '../../commands/command.ts';

/*
 * Rows are cut out of latin1 text: one character is one byte of the input, so that an index is an offset, the text goes out again
 * byte for byte, and nothing is decoded that nobody looks at. What JSON is made of is ASCII, so its grammar reads such text too.
 */

/** One row of the input: `text.slice(from, to)`, of which CSV has made cells. */
export interface Row {
  readonly text: string;
  readonly from: number;
  readonly to: number;
  /** Counted from 1, over the whole input. */
  readonly number: number;
  /** Where the next row begins, in bytes of the input as it is when it is not compressed. */
  readonly end: number;
  /** Of a JSON document that is one object: the name of the row, as its JSON text is between the quotes. */
  readonly name?: string;
  readonly cells?: readonly Cell[];
  /** The row can't be read; the ones after it can. */
  readonly refusal?: Refusal;
}

export interface Cell {
  readonly text: string;
  readonly isQuoted: boolean;
}

/**
 * Cuts rows of text that begins at the byte `offset` of the input and adds them to `into`. Answers how many characters it took:
 * the rest is a row that is not whole yet, and comes again with more behind it.
 */
export interface RowCutter {
  cut(text: string, offset: number, isEnd: boolean, into: Row[]): number;
}

/** The latin1 text of the bytes that a text is in UTF-8. */
export function bytesText(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

/** The text that latin1 text of UTF-8 stands for, to be shown. */
export function readable(text: string): string {
  return Buffer.from(text, 'latin1').toString('utf8');
}

const EXCERPT_LENGTH_MAX = 60;

/** What a message can show of a row or a field. */
export function excerpt(text: string): string {
  const shown = readable(text.slice(0, EXCERPT_LENGTH_MAX)).replace(/[\r\n\t]/g, ' ');
  return text.length > EXCERPT_LENGTH_MAX ? `${shown}…` : shown;
}
