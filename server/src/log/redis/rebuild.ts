import { LatchkeyError } from '@latchkey/client';
import { decide } from '../../commands/decide.ts';
import type { Change } from '../../shared/change.ts';
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
const FIRST_KEY = Buffer.alloc(0);
const LAST_KEY = Buffer.alloc(17, 0xff);
/** Where the ledger tells every node that the log is being put back, and from which offset on. */
const REBUILDING_KEY = Buffer.from('rebuilding');
/**
 * These begin anew. Whoever else knows the log as it was finds that it goes on otherwise, and takes its tables as they are at the Redis.
 */
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

  /** The first offset of what is put back, while it is, as far as the view knows. */
  static firstOf(view: Pick<WritableView, 'table'>): number | undefined {
    const first = view.table('ledger').get(REBUILDING_KEY);
    return first === undefined ? undefined : Number(first.toString());
  }

  /** Whether the view has anything that was not put back by the node that came to the end of it. */
  static isMore(view: Pick<WritableView, 'scan'>, first: number): boolean {
    const options = { until: first - 1, changesMax: 1, bytesMax: 1, skipSuperseded: true, skipRemoves: false };
    for (let after = 0; after < options.until; ) {
      const { changes, reached } = view.scan(0, after, options);
      if (changes.length > 0) return true;
      after = reached;
    }
    return false;
  }

  /** Into a Redis that has nothing of the log. */
  async begin(epoch: string): Promise<void> {
    if (await this.#begin(epoch)) await this.goOn();
  }

  /** From where it is: nothing is put back twice. */
  async goOn(): Promise<void> {
    const { logger, replica, view } = this.#options;
    const first = Rebuild.firstOf(view);
    if (first === undefined) return;
    logger.warn({ keys: view.counts().keys, offset: replica.head.offset, first }, 'the log is put back into the Redis');
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
    const forgotten = FORGOTTEN.flatMap((table) =>
      this.#rows(table).map(({ key }) => ({ table, key, value: undefined })),
    );
    return this.#append({
      head: EMPTY_HEAD,
      first: known.offset + 1,
      epoch,
      epochs: epochs.map(({ first, id }) => ({ id, first: first[0] as number })),
      changes: [],
      tables: [...progress, { table: 'ledger', key: REBUILDING_KEY, value: Buffer.from(String(known.offset + 1)) }],
      forgotten,
    });
  }

  #rows(table: TableName): readonly { readonly key: Buffer; readonly value: Buffer }[] {
    return this.#options.view
      .table(table)
      .range(FIRST_KEY, LAST_KEY, Number.MAX_SAFE_INTEGER)
      .filter(({ key }) => table !== 'ledger' || COUNTERS.includes(key.toString()));
  }

  async #putBack(entries: readonly Change[]): Promise<void> {
    const { store, time, view } = this.#options;
    let found = new Map<string, Found>();
    for (;;) {
      const head = this.#options.replica.head;
      const nowMicros = time.decidingMicros(head.nowMicros);
      const observed = new Map<string, Observed>();
      const foreign = new Map<string, string>();
      const placed: Placed[] = [];
      for (const entry of entries) {
        const there = found.get(entry.key);
        const offset = head.offset + placed.length + 1;
        const change =
          there === undefined || there.kind === 'absent'
            ? again(entry, offset, nowMicros)
            : taken(entry, there, offset, nowMicros);
        // What is no value stays where it is, and the log lets go of the key.
        if (there?.kind === 'foreign') foreign.set(entry.key, there.type);
        else if (there !== undefined && there.kind !== 'absent')
          observed.set(entry.key, { found: there, entry: change });
        placed.push({ change, before: entry });
      }
      if (placed.length === 0) return;
      const keys = keyWrites(
        placed.map(({ change }) => ({ change, before: undefined })),
        nowMicros,
        { observed, foreign },
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
    readonly forgotten?: readonly TableWrite[];
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
    /** In the view of this node alone, with the step. */
    readonly forgotten?: readonly TableWrite[];
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
      const { forgotten = [] } = step;
      await replica.foreign([{ ...record, tables: [...forgotten, ...record.tables] }]);
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
