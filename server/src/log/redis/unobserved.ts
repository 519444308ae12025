import type { WritableView } from '../../view/view.ts';
import type { Found, RedisStore, TableWrite } from './redis-store.ts';
import type { Replica } from './replica.ts';

const PREFIX = 'observe\0';
const START = Buffer.from(PREFIX);
const END = Buffer.from('observe\u0001');
const PAGE = 500;

/** Whether a row of the ledger is this node's own note of a key. */
export function isUnobserved(key: Buffer): boolean {
  return key.subarray(0, START.length).equals(START);
}

/** A note of this node: what the log last wrote under the key is not what is there. */
export function unobservedNote(key: string): TableWrite {
  return { table: 'ledger', key: Buffer.from(PREFIX + key), value: Buffer.alloc(1) };
}

/**
 * Keys that a refill found otherwise than the log left them. They stand in the view's own ledger until what is there was decided, so
 * that neither memory nor a crash bounds how many there may be.
 *
 * Invariant: a key is forgotten only after a step with what was found there was confirmed.
 */
export class Unobserved {
  readonly #view: WritableView;
  readonly #replica: Replica;
  readonly #store: RedisStore;
  #loaded: readonly Buffer[] = [];
  #isAny: boolean | undefined;

  constructor(view: WritableView, replica: Replica, store: RedisStore) {
    this.#view = view;
    this.#replica = replica;
    this.#store = store;
  }

  get isAny(): boolean {
    this.#isAny ??= this.#view.table('ledger').range(START, END, 1).length > 0;
    return this.#isAny;
  }

  /** The view was filled: there may be others. */
  look(): void {
    this.#isAny = undefined;
    this.#loaded = [];
  }

  /** Finds out what is at some of them. */
  async load(findings: Map<string, Found>): Promise<void> {
    if (!this.isAny || this.#loaded.length > 0) return;
    const rows = this.#view.table('ledger').range(START, END, PAGE);
    const keys = rows.map(({ key }) => key.toString('utf8', START.length));
    const found = await this.#store.find(keys);
    for (const [index, key] of keys.entries()) {
      const there = found[index];
      if (there !== undefined) findings.set(key, there);
    }
    this.#loaded = rows.map(({ key }) => Buffer.from(key));
  }

  /** What was found at the loaded ones is decided and confirmed. */
  async settled(): Promise<void> {
    if (this.#loaded.length === 0) return;
    const loaded = this.#loaded;
    await this.#replica.note(() => {
      for (const key of loaded) this.#view.table('ledger').remove(key);
    });
    this.look();
  }
}
