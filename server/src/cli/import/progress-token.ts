import { LatchkeyError, quote } from '@latchkey/client';
import type { Place } from './batch.ts';

/*
 * What `latchkey import` gives the server as its source progress: where it is, and where the batch began that brought it there.
 * The second half tells, after a crash, which rows were taken by an answer that nobody may have read.
 *
 *   OFFSET:ROW,OFFSET:ROW       the end of the last batch, and its begin
 */
const TOKEN = /^(\d{1,15}):(\d{1,15}),(\d{1,15}):(\d{1,15})$/;

export interface Reached {
  readonly at: Place;
  readonly lastBatchFrom: Place;
}

export function progressToken({ at, lastBatchFrom }: Reached): string {
  return `${at.offset}:${at.row},${lastBatchFrom.offset}:${lastBatchFrom.row}`;
}

/** @throws LatchkeyError `conflict` for the progress of some other kind of source */
export function parseProgressToken(text: string, source: string): Reached {
  const match = TOKEN.exec(text);
  if (match !== null) {
    const [offset, row, fromOffset, fromRow] = match.slice(1).map(Number) as [number, number, number, number];
    return { at: { offset, row }, lastBatchFrom: { offset: fromOffset, row: fromRow } };
  }
  throw new LatchkeyError(
    'conflict',
    `Source ${quote(source)} is at ${quote(text)}, which no import wrote: the name is another source's. Choose another --name.`,
  );
}
