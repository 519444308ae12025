import { LatchkeyError } from '@latchkey/client';
import { decide } from '../../commands/decide.ts';
import type { Change } from '../../shared/change.ts';
import type { Epoch } from '../../shared/epochs.ts';
import type { Logger } from '../../shared/logger.ts';
import type { Placed, TableName, WritableView } from '../../view/view.ts';
import { type Appending, newToken } from './appending.ts';
import { observationOf } from './found-value.ts';
import { keyWrites, type Observed } from './key-writes.ts';
import type { AppendRequest, Found, Head, LogRecord, RedisStore, TableWrite } from './redis-store.ts';
import { EMPTY_HEAD, isNameless, type Replica } from './replica.ts';
import type { ServerTime } from './server-time.ts';

const PAGE = 500;
const PAGE_BYTES = 512 * 1024;
const ROWS = 1000;
const FIRST_KEY = Buffer.alloc(0);
const LAST_KEY = Buffer.alloc(17, 0xff);
/** Where the ledger tells every node that the log is being put back, and by whom. */
const REBUILDING_KEY = Buffer.from('rebuilding');
/** What was answered of these is not known any more; it begins anew on all nodes. */
const FORGOTTEN: readonly TableName[] = ['idempotency', 'idempotencyOrder', 'deadLetters', 'ledger'];

export interface RebuildOptions {
  readonly store: RedisStore;
  readonly view: WritableView;
  readonly replica: Replica;
  readonly appending: Appending;
  readonly time: ServerTime;
  readonly logger: Logger;
}

/**
 * Puts a log back that its Redis lost, from this node's view: every entry and tombstone as a new change, in a new epoch that goes on
 * from the offsets there were. A key that somebody has written meanwhile keeps what it has.
 *
 * Invariant: as long as it is not done the ledger says so, and no node decides.
 */
export class Rebuild {
  readonly #options: RebuildOptions;

  constructor(options: RebuildOptions) {
    this.#options = options;
  }

  /** Whether the log is being put back, as far as the view knows. */
  static isUnderWay(view: Pick<WritableView, 'table'>): boolean {
    return view.table('ledger').get(REBUILDING_KEY) !== undefined;
  }

  /** From the beginning, or on from where another node stopped. */
  async run(epoch: string): Promise<void> {
    const { logger, replica, view } = this.#options;
    const isBegun = Rebuild.isUnderWay(view);
    logger.warn(
      { keys: view.counts().keys, offset: replica.head.offset, isBegun },
      'the log is put back into the Redis',
    );
    if (!isBegun && !(await this.#begin(epoch))) return;
    const epochs = view.epochs.list();
    const first = (epochs.at(-1) as Epoch).first[0] as number;
    let after: string | undefined;
    do {
      const page = view.list({
        ...{ limit: PAGE, bytesMax: PAGE_BYTES, withRemoves: true },
        ...(after === undefined ? {} : { after }),
      });
      await this.#putBack(page.entries.filter(({ offset }) => offset < first));
      after = page.next;
    } while (after !== undefined);
    await this.#append({ changes: [], tables: [{ table: 'ledger', key: REBUILDING_KEY, value: undefined }] });
    logger.info({ keys: view.counts().keys }, 'the log is back in the Redis');
  }

  /** False: another node was faster. */
  async #begin(epoch: string): Promise<boolean> {
    const { replica, view } = this.#options;
    const known = replica.head;
    const epochs = isNameless(view.epochs) ? [] : view.epochs.list();
    const progress = this.#rows('progress').map(({ key, value }) => ({ table: 'progress' as const, key, value }));
    const begun = await this.#append({
      head: EMPTY_HEAD,
      first: known.offset + 1,
      epoch,
      epochs: epochs.map(({ first, id }) => ({ id, first: first[0] as number })),
      changes: [],
      tables: [...progress, { table: 'ledger', key: REBUILDING_KEY, value: Buffer.from('1') }],
    });
    if (!begun) return false;
    for (const table of FORGOTTEN) {
      for (let rows = this.#rows(table); rows.length > 0; rows = this.#rows(table))
        await this.#append({ changes: [], tables: rows.map(({ key }) => ({ table, key, value: undefined })) });
    }
    return true;
  }

  #rows(table: TableName): readonly { readonly key: Buffer; readonly value: Buffer }[] {
    return this.#options.view
      .table(table)
      .range(FIRST_KEY, LAST_KEY, table === 'progress' ? Number.MAX_SAFE_INTEGER : ROWS)
      .filter(({ key }) => table !== 'ledger' || COUNTERS.includes(key.toString()))
      .map(({ key, value }) => ({ key: Buffer.from(key), value: Buffer.from(value) }));
  }

  async #putBack(entries: readonly Change[]): Promise<void> {
    const { store, time, view } = this.#options;
    let found = new Map<string, Found>();
    for (;;) {
      const head = this.#options.replica.head;
      const nowMicros = time.decidingMicros(head.nowMicros);
      const observed = new Map<string, Observed>();
      const placed: Placed[] = [];
      for (const entry of entries) {
        const there = found.get(entry.key);
        // A type that is no value stays where it is, and the log lets go of the key when it is decided next.
        if (there?.kind === 'foreign') continue;
        const offset = head.offset + placed.length + 1;
        const change =
          there === undefined || there.kind === 'absent'
            ? again(entry, offset, nowMicros)
            : taken(entry, there, offset, nowMicros);
        if (there !== undefined && there.kind !== 'absent') observed.set(entry.key, { found: there, entry: change });
        placed.push({ change, before: entry });
      }
      if (placed.length === 0) return;
      const keys = keyWrites(
        placed.map(({ change }) => ({ change, before: undefined })),
        nowMicros,
        { observed, foreign: new Map() },
      );
      const result = await this.#send({ changes: placed.map(({ change }) => change), keys, nowMicros, tables: [] });
      if (result === true) return;
      const there = await store.find(result);
      found = new Map([...found, ...result.map((key, index) => [key, there[index] as Found] as const)]);
      if (view.head(0) !== this.#options.replica.head.offset) await this.#options.replica.applied();
    }
  }

  async #append(step: {
    readonly head?: Head;
    readonly first?: number;
    readonly epoch?: string;
    readonly epochs?: AppendRequest['epochs'];
    readonly changes: readonly Change[];
    readonly tables: readonly TableWrite[];
  }): Promise<boolean> {
    return (await this.#send({ ...step, keys: [] })) === true;
  }

  /** True, or the keys that are not as was expected. @throws LatchkeyError `not-ready` where another node wrote */
  async #send(step: {
    readonly head?: Head;
    readonly first?: number;
    readonly epoch?: string;
    readonly epochs?: AppendRequest['epochs'];
    readonly changes: readonly Change[];
    readonly keys: AppendRequest['keys'];
    readonly tables: readonly TableWrite[];
    readonly nowMicros?: number;
  }): Promise<true | readonly string[]> {
    const { appending, replica, time } = this.#options;
    const head = step.head ?? replica.head;
    const first = step.first ?? head.offset + 1;
    const record: LogRecord = {
      first,
      last: first + Math.max(0, step.changes.length - 1),
      token: newToken(),
      nowMicros: step.nowMicros ?? time.decidingMicros(head.nowMicros),
      epoch: step.epoch,
      tombstoneFloor: undefined,
      changes: step.changes,
      tables: step.tables,
    };
    const answer = await appending.send({
      ...{ head, record, keys: step.keys, fences: [], collected: [], epochs: step.epochs ?? [], wantsTurn: false },
      writer: appending.nextWriter(),
    });
    if (answer.kind === 'appended') {
      await replica.foreign([record]);
      return true;
    }
    if (answer.kind === 'reread') return answer.keys;
    if (answer.kind === 'wrong-type') return answer.keys.map(({ key }) => key);
    if (answer.kind === 'untimely') time.sync(answer.serverMicros);
    throw new LatchkeyError(
      'not-ready',
      `The log could not be put back (${answer.kind}); it is tried again by itself.`,
      {
        retryAfter: 1,
      },
    );
  }
}

const COUNTERS = ['idempotency', 'deadLetters'];

/** The entry as a change of its own; a tombstone is as old as its log. */
function again(entry: Change, offset: number, decided: number): Change {
  const { as, expires, key, op, origin, reason, updated, valid, value } = entry;
  const place = { partition: 0, offset, previous: entry.offset, valueOffset: offset };
  return { op, key, ...place, value, as, reason, updated, valid, expires, decided, origin };
}

/** What somebody else has put there since. */
function taken(entry: Change, found: Found, offset: number, nowMicros: number): Change {
  const context = {
    now: nowMicros,
    maxFutureSkewMicros: 0,
    valueBytesMax: Number.MAX_SAFE_INTEGER,
    holdsVersion: () => false,
  };
  const draft = decide(entry, observationOf(entry.key, found, entry.value), context).drafts.at(-1);
  return again(draft === undefined ? entry : { ...entry, ...draft }, offset, nowMicros);
}
