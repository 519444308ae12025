import type { Table, TableName, WritableView } from '../../view/view.ts';
import type { TableWrite } from './redis-store.ts';

/**
 * The tables of the view as deciding sees them: what is written to them is taken down for the record of the step instead, so that
 * every node writes it when it applies the record.
 */
export class RecordedTables {
  readonly #view: Pick<WritableView, 'table'>;
  #writes: TableWrite[] = [];

  constructor(view: Pick<WritableView, 'table'>) {
    this.#view = view;
  }

  table(name: TableName): Table {
    const table = this.#view.table(name);
    return {
      get: (key) => table.get(key),
      range: (start, end, limit) => table.range(start, end, limit),
      put: (key, value) => this.#writes.push({ table: name, key, value }),
      remove: (key) => this.#writes.push({ table: name, key, value: undefined }),
    };
  }

  /** What was written since the last call. */
  take(): readonly TableWrite[] {
    const writes = this.#writes;
    if (writes.length > 0) this.#writes = [];
    return writes;
  }
}
