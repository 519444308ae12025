import type { Readable } from 'node:stream';
import { LatchkeyError } from '@latchkey/client';
import type { Clock } from '../../shared/clock.ts';
import { type Batch, BatchFilling, itemOf, type Place, placeBehind } from './batch.ts';
import type { CsvRows } from './csv-rows.ts';
import type { Mapping } from './mapping.ts';
import type { Reached } from './progress-token.ts';
import type { Row, RowCutter } from './row.ts';

const ROW_BYTES_MAX = 16 * 1024 * 1024;
const MARK = '\u00ef\u00bb\u00bf';

/** Rows as they come out of a stream of bytes, some at a time; only the row that is not whole yet is held. */
export async function* rowsOf(content: Readable, cutter: RowCutter, from: number): AsyncGenerator<readonly Row[]> {
  let offset = from;
  let rest = '';
  for await (const chunk of content) {
    let text = rest + (chunk as Buffer).toString('latin1');
    if (offset === 0 && text.startsWith(MARK)) {
      text = text.slice(MARK.length);
      offset = MARK.length;
    }
    const rows: Row[] = [];
    const taken = cutter.cut(text, offset, false, rows);
    offset += taken;
    rest = text.slice(taken);
    if (rest.length > ROW_BYTES_MAX) {
      throw new LatchkeyError(
        'invalid-request',
        `The row at byte ${offset} does not end within ${ROW_BYTES_MAX / 1024 / 1024} MiB; what is before it is taken. Is the format right? --format names it.`,
      );
    }
    if (rows.length > 0) yield rows;
  }
  const rows: Row[] = [];
  cutter.cut(rest, offset, true, rows);
  if (rows.length > 0) yield rows;
}

export interface BatchReading {
  readonly content: Readable;
  readonly cutter: RowCutter;
  /** Where the content begins. */
  readonly from: number;
  readonly reached: Reached;
  readonly mapping: Mapping | undefined;
  readonly csv: CsvRows | undefined;
  readonly clock: Clock;
}

/** A batch, and whether the server has it already. */
export interface ReadBatch {
  readonly batch: Batch;
  readonly isTaken: boolean;
}

/**
 * Batches from the begin of the last one that was taken: that one again, and those that follow. Rows before it are read over. A row
 * is known by where it begins: the last one of a file may end later once more was written behind it.
 * @throws LatchkeyError `conflict` where the input ends before what was taken of it
 */
export async function* batchesOf(reading: BatchReading): AsyncGenerator<ReadBatch> {
  const { clock, csv, mapping, reached } = reading;
  const filling = new BatchFilling(reached.lastBatchFrom);
  let isTaken = reached.at.offset > reached.lastBatchFrom.offset;
  let last: Place = { offset: reading.from, row: 0 };
  for await (const rows of rowsOf(reading.content, reading.cutter, reading.from)) {
    const at = { mapping, columns: csv?.columns ?? [], nowMicros: clock.nowMicros() };
    for (const row of rows) {
      const begin = last.offset;
      last = placeBehind(row);
      if (begin < reached.lastBatchFrom.offset) continue;
      if (isTaken && begin >= reached.at.offset) {
        const batch = filling.finish();
        if (batch !== undefined) yield { batch, isTaken };
        isTaken = false;
      }
      const batch = filling.add(itemOf(row, at));
      if (batch !== undefined) yield { batch, isTaken };
    }
  }
  const batch = filling.finish();
  if (batch !== undefined) yield { batch, isTaken };
  if (last.offset < reached.at.offset) throw shorter(last.offset, reached.at);
}

export function shorter(size: number, reached: Place): LatchkeyError {
  return new LatchkeyError(
    'conflict',
    `The input ends at byte ${size}, but ${reached.offset} bytes (${reached.row} rows) of it were taken before: it is not the same input. Give that one from its beginning, or another --name, or --restart.`,
  );
}
