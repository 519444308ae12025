import type { Change } from '../../shared/change.ts';
import { TABLE_NAMES, type TableName, type WritableView } from '../../view/view.ts';
import type { Head, RedisStore, TableWrite } from './redis-store.ts';
import { CURSOR_KEY, type Replica } from './replica.ts';
import { isUnobserved, type Unobserved, unobservedNote } from './unobserved.ts';

/** As much as other clients of that Redis may have to wait for: a fraction of a millisecond. */
const PAGE = { entriesMax: 128, bytesMax: 1024 * 1024 };
const TABLE_PAGE = 1000;
const FIRST_KEY = Buffer.alloc(0);
const LAST_KEY = Buffer.alloc(17, 0xff);

export interface RefillOptions {
  readonly store: RedisStore;
  readonly view: WritableView;
  readonly replica: Replica;
  readonly unobserved: Unobserved;
}

/**
 * Fills the view from where the log keeps the last change of each key, in the order of their offsets. Writing goes on meanwhile: a key
 * that changes lies further on then, so after the last page everything up to its head has been seen.
 *
 * Invariant: the replica's place moves only over what is in the view; a refill that is cut off goes on from there.
 */
export class Refill {
  readonly #options: RefillOptions;

  constructor(options: RefillOptions) {
    this.#options = options;
  }

  async run(): Promise<void> {
    const { replica, unobserved } = this.#options;
    const head = await this.#entries();
    // Tombstones were collected while this was read: what they stood for may be in the view for ever.
    if (head === undefined) return;
    await this.#tables();
    await replica.filled(head);
    unobserved.look();
  }

  async #entries(): Promise<Head | undefined> {
    const { replica, store } = this.#options;
    let page = await store.refill(replica.head.offset, PAGE);
    const { tombstoneFloor } = page.head;
    for (;;) {
      const { entries, head, next } = page;
      if (head.token === '' || head.tombstoneFloor > tombstoneFloor) return undefined;
      const following = next === undefined ? undefined : store.refill(next, PAGE);
      // It is awaited below; should this page fail before, that is what is told.
      following?.catch(() => undefined);
      const notes: TableWrite[] = [];
      const changes = entries.map((entry) => {
        if (!entry.isAsWritten) notes.push(unobservedNote(entry.change.key));
        return entry.isAsWritten ? entry.change : standIn(entry.change);
      });
      await replica.fill(changes, next ?? head.offset, notes);
      if (following === undefined) return head;
      page = await following;
    }
  }

  /** All of them anew: rows that went meanwhile are told by nobody. */
  async #tables(): Promise<void> {
    const { replica, store } = this.#options;
    const { offset } = replica.head;
    for (const name of TABLE_NAMES) {
      for (let rows = this.#rows(name); rows.length > 0; rows = this.#rows(name)) {
        await replica.fill([], offset, rows);
      }
    }
    let cursor: string | undefined;
    do {
      const { next, writes } = await store.refillTables(cursor);
      await replica.fill([], offset, writes);
      cursor = next;
    } while (cursor !== undefined);
  }

  #rows(table: TableName): readonly TableWrite[] {
    return this.#options.view
      .table(table)
      .range(FIRST_KEY, LAST_KEY, TABLE_PAGE)
      .filter(({ key }) => table !== 'ledger' || (!key.equals(CURSOR_KEY) && !isUnobserved(key)))
      .map(({ key }) => ({ table, key: Buffer.from(key), value: undefined }));
  }
}

/** What the log says of a key whose value is not there any more; what is there instead is observed before this node is ready. */
function standIn(change: Change): Change {
  if (change.op === 'remove') return change;
  return {
    ...change,
    as: undefined,
    value: { kind: 'binary', data: FIRST_KEY, contentType: 'application/octet-stream' },
  };
}
