import { LatchkeyError, quote } from '@latchkey/client';
import type { ReadableTable, Table } from '../view/view.ts';
import type { ProgressStep } from './log.ts';
import type { Stage } from './stage.ts';
import { StepNotes } from './step-notes.ts';

const SOURCE_PARTITIONS_MAX = 10_000;

export function readProgress(table: ReadableTable, source: string): Readonly<Record<string, string>> {
  const prefix = `${source}\0`;
  const progress: Record<string, string> = {};
  for (const { key, value } of table.range(
    Buffer.from(prefix),
    Buffer.from(`${source}\u0001`),
    SOURCE_PARTITIONS_MAX,
  )) {
    progress[key.toString().slice(prefix.length)] = value.toString();
  }
  return progress;
}

/** Source progress: (source, source partition) → the source's own next offset, moved by compare-and-set with the changes. */
export class ProgressTable {
  readonly #table: Table;
  readonly #notes: StepNotes;

  constructor(table: Table) {
    this.#table = table;
    this.#notes = new StepNotes(table);
  }

  read(source: string): Readonly<Record<string, string>> {
    return readProgress(this.#table, source);
  }

  /** @throws LatchkeyError `progress-mismatch` with `progress` */
  advance(stage: Stage, step: ProgressStep): void {
    const key = Buffer.from(`${step.source}\0${step.sourcePartition}`);
    const current = this.#notes.get(key)?.toString() ?? null;
    if (current !== step.expected) {
      const place = `${step.source}/${step.sourcePartition}`;
      throw new LatchkeyError(
        'progress-mismatch',
        `Source ${quote(place)} is at ${quote(current)}, not at ${quote(step.expected)}; go on from there.`,
        { extra: { progress: current } },
      );
    }
    this.#notes.put(stage, key, Buffer.from(step.next));
  }

  write(): void {
    this.#notes.write();
  }

  settle(): void {
    this.#notes.settle();
  }
}
