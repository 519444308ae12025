import type { Table } from '../view/view.ts';
import type { Stage } from './stage.ts';

/**
 * Small records beside the changes of a step (source progress, what was answered under an idempotency key): seen by the batches
 * decided after them, written with the step, taken back with it.
 */
export class StepNotes {
  readonly #table: Table;
  #pending = new Map<string, Buffer>();

  constructor(table: Table) {
    this.#table = table;
  }

  get(key: Buffer): Buffer | undefined {
    return this.#pending.get(key.toString('latin1')) ?? this.#table.get(key);
  }

  put(stage: Stage, key: Buffer, value: Buffer): void {
    const name = key.toString('latin1');
    const before = this.#pending.get(name);
    this.#pending.set(name, value);
    stage.note(() => {
      if (before === undefined) this.#pending.delete(name);
      else this.#pending.set(name, before);
    });
  }

  /** Within `Step.also`. */
  write(): readonly Buffer[] {
    const keys = [];
    for (const [name, value] of this.#pending) {
      const key = Buffer.from(name, 'latin1');
      this.#table.put(key, value);
      keys.push(key);
    }
    return keys;
  }

  /** The step ended, well or not. */
  settle(): void {
    this.#pending = new Map();
  }
}
