import { createHash } from 'node:crypto';
import type { Outcome } from '../commands/command.ts';
import type { Settings } from '../config/settings.ts';
import type { Change } from '../shared/change.ts';
import type { Table, View } from '../view/view.ts';
import type { Stage } from './stage.ts';
import { StepNotes } from './step-notes.ts';

const COUNTERS_KEY = Buffer.from('idempotency');
const FIRST_KEY = Buffer.alloc(0);
const LAST_KEY = Buffer.alloc(17, 0xff);
/** At most this many old answers go with one step, so that no step grows without a bound. */
const FORGET_MAX = 2000;
/** Mostly there is nothing to forget, so little is read at a time. */
const FORGET_PAGE = 16;
const ZERO = Buffer.from([0]);

interface Counters {
  next: number;
  held: number;
}

interface Remembered {
  readonly digest: string;
  readonly outcomes: readonly unknown[];
}

/** An entry inside an outcome is kept as its place: the log still has it, or it is old news. */
interface Reference {
  readonly partition: number;
  readonly offset: number;
}

/** What was answered under an idempotency key or a sender's sequence, kept for a time and up to a count. */
export class IdempotencyTable {
  readonly #notes: StepNotes;
  readonly #order: Table;
  readonly #table: Table;
  readonly #ledger: Table;
  readonly #view: View;
  readonly #limits: Settings['idempotency'];
  #counters: Counters;
  #before: Counters;

  constructor(
    tables: { readonly table: Table; readonly order: Table; readonly ledger: Table },
    view: View,
    limits: Settings['idempotency'],
  ) {
    this.#table = tables.table;
    this.#notes = new StepNotes(tables.table);
    this.#order = tables.order;
    this.#ledger = tables.ledger;
    this.#view = view;
    this.#limits = limits;
    this.#counters = this.#stored();
    this.#before = this.#counters;
  }

  /** Another node wrote. */
  reload(): void {
    this.#counters = this.#stored();
    this.#before = this.#counters;
  }

  /** The first answer, `mismatch` where the same name came with another body, or undefined for a new name. */
  find(stage: Stage, name: string, digest: string): readonly Outcome[] | 'mismatch' | undefined {
    const record = this.#notes.get(keyOf(name));
    if (record === undefined) return undefined;
    const remembered = JSON.parse(record.toString()) as Remembered;
    return remembered.digest === digest
      ? remembered.outcomes.map((outcome) => this.#restore(stage, outcome))
      : 'mismatch';
  }

  remember(stage: Stage, name: string, digest: string, outcomes: readonly Outcome[]): void {
    const remembered: Remembered = { digest, outcomes: outcomes.map(refer) };
    this.#notes.put(stage, keyOf(name), Buffer.from(JSON.stringify(remembered)));
  }

  write(nowMicros: number): void {
    const keys = this.#notes.write();
    if (keys.length === 0) return;
    this.#before = { ...this.#counters };
    for (const key of keys) {
      this.#order.put(orderKey(nowMicros, this.#counters.next), key);
      this.#counters.next += 1;
      this.#counters.held += 1;
    }
    this.#forget(nowMicros);
    this.#ledger.put(COUNTERS_KEY, Buffer.from(JSON.stringify(this.#counters)));
  }

  settle(isDurable: boolean): void {
    this.#notes.settle();
    if (!isDurable) this.#counters = this.#before;
    this.#before = this.#counters;
  }

  #stored(): Counters {
    const stored = this.#ledger.get(COUNTERS_KEY);
    return stored === undefined ? { next: 1, held: 0 } : (JSON.parse(stored.toString()) as Counters);
  }

  #forget(nowMicros: number): void {
    let start = FIRST_KEY;
    for (let forgotten = 0; forgotten < FORGET_MAX; ) {
      const page = this.#order.range(start, LAST_KEY, FORGET_PAGE);
      for (const { key, value } of page) {
        const isOld = Number(key.readBigUInt64BE(0)) < nowMicros - this.#limits.ageMaxMs * 1000;
        if (!isOld && this.#counters.held <= this.#limits.countMax) return;
        this.#order.remove(key);
        this.#table.remove(value);
        this.#counters.held -= 1;
        forgotten += 1;
        start = Buffer.concat([key, ZERO]);
      }
      if (page.length < FORGET_PAGE) return;
    }
  }

  #restore(stage: Stage, stored: unknown): Outcome {
    const outcome = stored as Outcome & { entry?: Reference; previous?: Reference | null };
    const entry = outcome.entry === undefined ? {} : { entry: this.#lookUp(stage, outcome.entry) };
    const previous = outcome.previous ? { previous: this.#lookUp(stage, outcome.previous) ?? null } : {};
    return { ...outcome, ...entry, ...previous } as Outcome;
  }

  #lookUp(stage: Stage, { offset, partition }: Reference): Change | undefined {
    return this.#view.at(partition, offset) ?? stage.at(offset);
  }
}

function refer(outcome: Outcome): unknown {
  const short = (change: Change | null | undefined) =>
    change ? { partition: change.partition, offset: change.offset } : (change ?? undefined);
  const entry = 'entry' in outcome ? { entry: short(outcome.entry) } : {};
  const previous =
    'previous' in outcome ? { previous: outcome.previous === null ? null : short(outcome.previous) } : {};
  return { ...outcome, ...entry, ...previous };
}

function keyOf(name: string): Buffer {
  return createHash('sha256').update(name).digest();
}

function orderKey(nowMicros: number, sequence: number): Buffer {
  const key = Buffer.allocUnsafe(16);
  key.writeBigUInt64BE(BigInt(nowMicros), 0);
  key.writeBigUInt64BE(BigInt(sequence), 8);
  return key;
}

/** A digest of whatever the same name must come with again. */
export function digestOf(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('base64url');
}
