import type { Refusal } from '../../commands/command.ts';
import { commandOfRow } from './command-row.ts';
import { mappedCommand } from './mapped-row.ts';
import type { Mapping } from './mapping.ts';
import type { Row } from './row.ts';

/** A batch with source progress must fit one durable step: so many changes and bytes. */
const ROWS_MAX = 1000;
const BYTES_MAX = 1024 * 1024;
/** What a change takes beside the text of its command; the server counts as much. */
const ROW_OVERHEAD_BYTES = 100;

/** Between two rows: bytes of the input before it, and rows. */
export interface Place {
  readonly offset: number;
  readonly row: number;
}

/** A row with its command, or with why it has none. */
export interface Item {
  readonly row: Row;
  readonly command?: string;
  readonly refusal?: Refusal;
}

/** Rows that are made durable together with the progress from `from` to `to`. */
export interface Batch {
  readonly from: Place;
  readonly to: Place;
  readonly items: readonly Item[];
}

export interface RowReading {
  readonly mapping: Mapping | undefined;
  readonly columns: readonly string[];
  readonly nowMicros: number;
}

/** An entry whose time is over is an item with neither command nor refusal. */
export function itemOf(row: Row, { columns, mapping, nowMicros }: RowReading): Item {
  if (row.refusal !== undefined) return { row, refusal: row.refusal };
  const command = mapping === undefined ? commandOfRow(row, nowMicros) : mappedCommand(row, mapping, columns);
  if (command === 'expired') return { row };
  return typeof command === 'string' ? { row, command } : { row, refusal: command };
}

/**
 * Stands between items and the sender: fills batches up to what one step holds.
 *
 * Invariant: a batch begins where the one before it ended.
 */
export class BatchFilling {
  #from: Place;
  #items: Item[] = [];
  #bytes = 0;

  constructor(from: Place) {
    this.#from = from;
  }

  /** The batch that is full before this item, if it is. */
  add(item: Item): Batch | undefined {
    const bytes = (item.command?.length ?? 0) + ROW_OVERHEAD_BYTES;
    const isFull = this.#items.length >= ROWS_MAX || this.#bytes + bytes > BYTES_MAX;
    const full = isFull && this.#items.length > 0 ? this.finish() : undefined;
    this.#items.push(item);
    this.#bytes += bytes;
    return full;
  }

  /** What is left. */
  finish(): Batch | undefined {
    const last = this.#items.at(-1);
    if (last === undefined) return undefined;
    const batch = { from: this.#from, to: placeBehind(last.row), items: this.#items };
    this.#from = batch.to;
    this.#items = [];
    this.#bytes = 0;
    return batch;
  }
}

/** Two batches of one that was too big for a step; it must have more than one item. */
export function halves(batch: Batch): readonly [Batch, Batch] {
  const middle = batch.items.length >> 1;
  const first = batch.items.slice(0, middle);
  const at = placeBehind((first.at(-1) as Item).row);
  return [
    { from: batch.from, to: at, items: first },
    { from: at, to: batch.to, items: batch.items.slice(middle) },
  ];
}

export function placeBehind({ end, number }: Row): Place {
  return { offset: end, row: number };
}
