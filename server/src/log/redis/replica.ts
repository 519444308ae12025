import type { Change } from '../../shared/change.ts';
import type { Epoch, EpochTable } from '../../shared/epochs.ts';
import type { Placed, WritableView } from '../../view/view.ts';
import { STEP_CHANGES_MAX } from '../stage.ts';
import type { DecidedStep } from './decided-step.ts';
import type { Head, LogRecord, TableWrite } from './redis-store.ts';
import { waited } from './wait.ts';

/** Of the ledger: how far this node knows the log. */
export const CURSOR_KEY = Buffer.from('redis');
const RETRY_MS = 1000;

/** How far this node knows the log. `isFilling`: what lies before it is not all there yet. */
export interface Cursor extends Head {
  readonly isFilling?: boolean;
}

export const EMPTY_HEAD: Head = { epoch: '', offset: 0, token: '', nowMicros: 0, runId: '', tombstoneFloor: 0 };

/** What goes into the view together, and where the log is known to be then. */
interface Part {
  readonly placed: readonly Placed[];
  readonly tables: readonly TableWrite[];
  readonly cursor: Cursor;
  readonly collectTo: number | undefined;
}

export interface ReplicaOptions {
  readonly view: WritableView;
  /** The view can't take what is durable in the log; it is tried again until it does. */
  readonly onUnfit: (error: unknown) => void;
  readonly onFit: () => void;
  /** Records of others were applied: what is remembered of tables is old. */
  readonly onForeign: () => void;
}

/**
 * Stands between what is known to be in the log and the view: applies records one after the other, each with the tables and the place
 * it was reached by in one transaction.
 *
 * Invariant: `head` is where the log is known to be, and never behind the view; what lies between is handed to the view in its order,
 * and tried again until the view took it. Where `head` is persisted in the view, everything up to it is in there.
 */
export class Replica {
  readonly #options: ReplicaOptions;
  readonly #view: WritableView;
  #cursor: Cursor;
  #tail: Promise<void> = Promise.resolve();
  /** Each resolves when its step is in the view, in their order. */
  readonly #queue: Promise<void>[] = [];
  readonly #parts: Part[] = [];
  #isUnfit = false;
  #tried: Promise<void> = Promise.resolve();
  readonly #stop = new AbortController();

  constructor(options: ReplicaOptions) {
    this.#options = options;
    this.#view = options.view;
    const stored = this.#view.table('ledger').get(CURSOR_KEY);
    this.#cursor = stored === undefined ? EMPTY_HEAD : (JSON.parse(stored.toString()) as Cursor);
  }

  get head(): Head {
    return this.#cursor;
  }

  get isFilling(): boolean {
    return this.#cursor.isFilling === true;
  }

  /** The view could not take the last of it. */
  get isUnfit(): boolean {
    return this.#isUnfit;
  }

  /** Steps that are known and not in the view yet. */
  get waiting(): number {
    return this.#queue.length;
  }

  /** Resolves when fewer steps than that wait. */
  async room(waitingMax: number): Promise<void> {
    while (this.#queue.length >= waitingMax) await this.#queue[0];
  }

  /** Resolves when the view has all that is known, or could not take it yet. */
  tried(): Promise<void> {
    return this.#tried;
  }

  /** Resolves when the view has all that is known; never rejects. */
  applied(): Promise<void> {
    return this.#tail;
  }

  /** The step of this node is in the log. `tried` resolves when the view shows it, or could not take it yet; `shown` when it does. */
  own(step: DecidedStep): { readonly tried: Promise<void>; readonly shown: Promise<void> } {
    const { record } = step;
    const cursor = after(this.#cursor, record);
    return this.#part({ placed: step.stage.placed, tables: record.tables, cursor, collectTo: record.tombstoneFloor });
  }

  /**
   * Records of others that go on from `head`, as far as nothing in them stands alone; `placed` are their changes. Resolves when the view
   * shows them. Undefined: they are to be handed to `foreign`.
   */
  others(records: readonly LogRecord[], place: () => readonly Placed[]): Promise<void> | undefined {
    let next = this.#cursor.offset + 1;
    for (const record of records) {
      if (record.first !== next || isSpecial(record)) return undefined;
      next = record.last + 1;
    }
    const placed = place();
    const tables = records.flatMap((record) => record.tables);
    return this.#part({ placed, tables, cursor: records.reduce<Cursor>(after, this.#cursor), collectTo: undefined })
      .shown;
  }

  /** Records that go on from `head`; those that are known already are passed over. Whether any was new. */
  async foreign(records: readonly LogRecord[]): Promise<'taken' | 'nothing' | 'gap'> {
    const fresh = records.filter(({ last }) => last > this.#cursor.offset);
    if (fresh.length === 0) return 'nothing';
    let next = this.#cursor.offset + 1;
    for (const { first, last } of fresh) {
      if (first !== next) return 'gap';
      next = last + 1;
    }
    await this.#tail;
    for (const group of grouped(fresh)) {
      const last = group.at(-1) as LogRecord;
      const cursor = group.reduce<Cursor>(after, this.#cursor);
      this.#cursor = cursor;
      await this.#enqueue(() => this.#applyForeign(group, last, cursor));
    }
    this.#options.onForeign();
    return 'taken';
  }

  /** Everything goes; the node begins with nothing of that log. */
  async reset(epochs: readonly Epoch[]): Promise<void> {
    await this.#tail;
    this.#cursor = { ...EMPTY_HEAD, isFilling: true };
    await this.#enqueue(() => this.#view.reset(epochs, () => this.#writeTables([], this.#cursor)));
    this.#options.onForeign();
  }

  /** Takes over what the log tells of its epochs. */
  async adopt(epochs: readonly Epoch[]): Promise<void> {
    const known = this.#view.epochs.list();
    const isSame = known.length === epochs.length && known.every(({ id }, index) => id === epochs[index]?.id);
    if (isSame) return;
    await this.#tail;
    await this.#enqueue(() => this.#view.apply({ placed: [], nowMicros: this.#cursor.nowMicros, epochs }));
  }

  /** Entries that were read where the log keeps the last of each key, in the order of their offsets, up to `reached`. */
  async fill(changes: readonly Change[], reached: number, tables: readonly TableWrite[] = []): Promise<void> {
    await this.#tail;
    const cursor: Cursor = {
      ...this.#cursor,
      offset: Math.max(reached, this.#cursor.offset),
      token: '',
      isFilling: true,
    };
    this.#cursor = cursor;
    await this.#enqueue(() =>
      this.#view.apply({
        placed: this.#place(changes),
        nowMicros: cursor.nowMicros,
        head: cursor.offset,
        fill: 'more',
        also: () => this.#writeTables(tables, cursor),
      }),
    );
  }

  /** All up to that head is there. */
  async filled(head: Head): Promise<void> {
    await this.#tail;
    this.#cursor = head;
    await this.#enqueue(() =>
      this.#view.apply({
        placed: [],
        nowMicros: head.nowMicros,
        head: head.offset,
        collectTo: head.tombstoneFloor,
        fill: 'last',
        also: () => this.#writeTables([], head),
      }),
    );
    this.#options.onForeign();
  }

  /** Writes of this node alone, beside the log's. */
  async note(write: () => void): Promise<void> {
    await this.#tail;
    await this.#enqueue(() => this.#view.apply({ placed: [], nowMicros: this.#cursor.nowMicros, also: write }));
  }

  /** What could not be applied by then is applied by the next run, from the log. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#tail;
  }

  #part(part: Part): { readonly tried: Promise<void>; readonly shown: Promise<void> } {
    this.#cursor = part.cursor;
    this.#parts.push(part);
    const tried = this.#enqueue(() => this.#applyParts());
    return { tried, shown: this.#tail };
  }

  /** What came while the view was flushing goes into one transaction. */
  async #applyParts(): Promise<void> {
    const parts = this.#nextParts();
    const last = parts.at(-1);
    // It went with an earlier one.
    if (last === undefined) return;
    await this.#view.apply({
      placed: parts.length === 1 ? last.placed : parts.flatMap(({ placed }) => placed),
      nowMicros: last.cursor.nowMicros,
      head: last.cursor.offset,
      ...(last.collectTo === undefined ? {} : { collectTo: last.collectTo }),
      also: () => {
        for (const { cursor, tables } of parts) this.#writeTables(tables, cursor);
      },
    });
    this.#parts.splice(0, parts.length);
  }

  #nextParts(): readonly Part[] {
    const parts: Part[] = [];
    let changes = 0;
    for (const part of this.#parts) {
      changes += part.placed.length;
      const isAlone = part.collectTo !== undefined;
      if (parts.length > 0 && (changes > STEP_CHANGES_MAX || isAlone)) break;
      parts.push(part);
      if (isAlone) break;
    }
    return parts;
  }

  async #applyForeign(group: readonly LogRecord[], last: LogRecord, cursor: Cursor): Promise<void> {
    const changes = group.length === 1 ? last.changes : group.flatMap((record) => record.changes);
    const tables = group.length === 1 ? last.tables : group.flatMap((record) => record.tables);
    const { epoch, first, tombstoneFloor } = last;
    const epochs = epoch === undefined ? undefined : this.#epochsWith({ id: epoch, first: [first] });
    await this.#view.apply({
      placed: this.#place(changes),
      nowMicros: last.nowMicros,
      head: last.last,
      ...(epochs === undefined ? {} : { epochs }),
      ...(tombstoneFloor === undefined ? {} : { collectTo: tombstoneFloor }),
      also: () => this.#writeTables(tables, cursor),
    });
  }

  /** Undefined where it is known already. */
  #epochsWith(begun: Epoch): readonly Epoch[] | undefined {
    const { epochs } = this.#view;
    const known = isNameless(epochs) ? [] : epochs.list();
    if (known.some(({ id }) => id === begun.id)) return undefined;
    return [...known.filter(({ first }) => (first[0] as number) < (begun.first[0] as number)), begun];
  }

  #place(changes: readonly Change[]): readonly Placed[] {
    const latest = new Map<string, Change>();
    return changes.map((change) => {
      const before = latest.get(change.key) ?? this.#view.before(change.key);
      latest.set(change.key, change);
      return { change, before };
    });
  }

  #writeTables(writes: readonly TableWrite[], cursor: Cursor): void {
    for (const { key, table, value } of writes) {
      if (value === undefined) this.#view.table(table).remove(key);
      else this.#view.table(table).put(key, value);
    }
    this.#view.table('ledger').put(CURSOR_KEY, Buffer.from(JSON.stringify(cursor)));
  }

  #enqueue(write: () => Promise<void>): Promise<void> {
    const tried = Promise.withResolvers<void>();
    const turn = this.#tail;
    const taken = (async () => {
      await turn;
      await this.#untilTaken(write, (isTaken) => {
        // Whoever goes on now finds it counted no more.
        if (isTaken) this.#queue.shift();
        tried.resolve();
      });
    })();
    this.#tail = taken;
    this.#queue.push(taken);
    this.#tried = tried.promise;
    return tried.promise;
  }

  /** A view that is full may have room again: what is durable in the log is not given up. `tried` is called each time. */
  async #untilTaken(write: () => Promise<void>, tried: (isTaken: boolean) => void): Promise<void> {
    for (;;) {
      try {
        await write();
        if (this.#isUnfit) this.#options.onFit();
        this.#isUnfit = false;
        tried(true);
        return;
      } catch (error) {
        if (!this.#isUnfit) this.#options.onUnfit(error);
        this.#isUnfit = true;
        tried(false);
        if (!(await waited(RETRY_MS, this.#stop.signal))) return;
      }
    }
  }
}

export function isNameless(epochs: EpochTable): boolean {
  return epochs.current === '0000';
}

/** The head after a record. */
export function after(head: Head, { epoch, last, nowMicros, token, tombstoneFloor }: LogRecord): Head {
  return {
    epoch: epoch ?? head.epoch,
    offset: last,
    token,
    nowMicros: Math.max(nowMicros, head.nowMicros),
    runId: head.runId,
    tombstoneFloor: Math.max(tombstoneFloor ?? 0, head.tombstoneFloor),
  };
}

/** Records that go into the view in one transaction: many small ones together; what begins an epoch or collects stands alone. */
function grouped(records: readonly LogRecord[]): readonly (readonly LogRecord[])[] {
  const groups: LogRecord[][] = [];
  let changes = 0;
  for (const record of records) {
    const group = groups.at(-1);
    const isAlone = isSpecial(record) || (group !== undefined && isSpecial(group.at(-1) as LogRecord));
    if (group === undefined || isAlone || changes + record.changes.length > STEP_CHANGES_MAX) {
      groups.push([record]);
      changes = record.changes.length;
    } else {
      group.push(record);
      changes += record.changes.length;
    }
  }
  return groups;
}

function isSpecial({ epoch, tombstoneFloor }: LogRecord): boolean {
  return epoch !== undefined || tombstoneFloor !== undefined;
}
