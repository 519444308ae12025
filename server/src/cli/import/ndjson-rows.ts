import { skipSpace } from '../../shared/json-grammar.ts';
import type { Row, RowCutter } from './row.ts';

/** One row a line; blank lines are none. */
export class NdjsonRows implements RowCutter {
  #count: number;

  /** `rowsBefore`: rows of the input that stand before where this begins. */
  constructor(rowsBefore = 0) {
    this.#count = rowsBefore;
  }

  cut(text: string, offset: number, isEnd: boolean, into: Row[]): number {
    let from = 0;
    while (from < text.length) {
      const found = text.indexOf('\n', from);
      if (found < 0 && !isEnd) return from;
      const to = found < 0 ? text.length : found;
      const next = found < 0 ? to : to + 1;
      if (skipSpace(text, from, to) < to) {
        this.#count += 1;
        into.push({ text, from, to, number: this.#count, end: offset + next });
      }
      from = next;
    }
    return from;
  }
}
