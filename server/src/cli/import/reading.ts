import type { Readable } from 'node:stream';
import { LatchkeyError } from '@latchkey/client';
import type { Clock } from '../../shared/clock.ts';
import { type Batch, BatchFilling, itemOf, type Place } from './batch.ts';
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

/**
 * Batches from the begin of the last one that was taken: that one again (it ends at `reached.at`), and those that follow. Rows
 * before it are read over.
 * @throws LatchkeyError `conflict` where the input ends before what was taken of it
 */
export async function* batchesOf(reading: BatchReading): AsyncGenerator<Batch> {
  const { clock, csv, mapping, reached } = reading;
  const filling = new BatchFilling(reached.lastBatchFrom);
  let isBehind = reached.at.offset === reached.lastBatchFrom.offset;
  let last: Place = { offset: reading.from, row: 0 };
  for await (const rows of rowsOf(reading.content, reading.cutter, reading.from)) {
    const at = { mapping, columns: csv?.columns ?? [], nowMicros: clock.nowMicros() };
    for (const row of rows) {
      last = { offset: row.end, row: row.number };
      if (row.end <= reached.lastBatchFrom.offset) continue;
      if (!isBehind && row.end > reached.at.offset) {
        isBehind = true;
        const taken = filling.finish();
        if (taken !== undefined) yield taken;
      }
      const full = filling.add(itemOf(row, at));
      if (full !== undefined) yield full;
    }
  }
  const rest = filling.finish();
  if (rest !== undefined) yield rest;
  if (last.offset < reached.at.offset) throw shorter(last, reached.at);
}

function shorter(last: Place, reached: Place): LatchkeyError {
  return new LatchkeyError(
    'conflict',
    `The input ends at byte ${last.offset}, but ${reached.offset} bytes (${reached.row} rows) of it were taken before: it is not the same input. Give that one from its beginning, or another --name, or --restart.`,
  );
}
