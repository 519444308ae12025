import type { Settings } from '../config/settings.ts';
import type { Table } from '../view/view.ts';
import type { DeadLetter, DeadLetterDraft, DeadLetters } from './dead-letter.ts';
import type { Batch } from './log.ts';
import type { Stage } from './stage.ts';
import {
  COUNTERS_KEY,
  type DeadLetterCounters,
  decodeLetter,
  encodeLetter,
  StoredDeadLetters,
} from './stored-dead-letters.ts';

type DeadLetterOps = NonNullable<Batch['deadLetters']>;

type Counters = { -readonly [Name in keyof DeadLetterCounters]: DeadLetterCounters[Name] };

const ID_DIGITS = 11;
const FIRST_KEY = Buffer.alloc(0);
const LAST_KEY = Buffer.from([0xff]);
/** At most this many old letters go in one step. */
const EXPIRE_MAX = 1000;

/** Dead letters as a log keeps them, written with the step that made them. The oldest go first when a bound is passed, and are counted. */
export class DeadLetterTable implements DeadLetters {
  readonly #stored: StoredDeadLetters;
  readonly #letters: Table;
  readonly #ledger: Table;
  readonly #limits: Settings['deadLetters'];
  #counters: Counters;
  #before: Counters;
  #noted: DeadLetterOps[] = [];

  constructor(letters: Table, ledger: Table, limits: Settings['deadLetters']) {
    this.#letters = letters;
    this.#ledger = ledger;
    this.#limits = limits;
    this.#stored = new StoredDeadLetters(letters, ledger);
    this.#counters = this.#stored.counters();
    this.#before = this.#counters;
  }

  /** Another node wrote. */
  reload(): void {
    this.#counters = this.#stored.counters();
    this.#before = this.#counters;
  }

  get(id: string): DeadLetter | undefined {
    return this.#stored.get(id);
  }

  list(options: Parameters<DeadLetters['list']>[0]): ReturnType<DeadLetters['list']> {
    return this.#stored.list(options);
  }

  counts(): { readonly held: number; readonly bytes: number; readonly dropped: number } {
    const { held, bytes, dropped } = this.#counters;
    return { held, bytes, dropped };
  }

  /** Notes what a batch does to dead letters; it is written with the step. */
  stage(stage: Stage, ops: DeadLetterOps): void {
    const noted = this.#noted.length;
    this.#noted.push(ops);
    stage.note(() => {
      this.#noted.length = noted;
    });
  }

  /** Within `Step.also`; reads there still see what was before the step. */
  write(nowMicros: number): void {
    if (this.#noted.length === 0) return;
    const ops = this.#noted;
    this.#noted = [];
    this.#before = { ...this.#counters };
    const dropped = new Set<string>();
    for (const id of ops.flatMap((op) => op.drop ?? [])) if (!dropped.has(id) && this.#drop(id)) dropped.add(id);
    const replays = new Map<string, number>();
    for (const id of ops.flatMap((op) => op.countReplay ?? [])) replays.set(id, (replays.get(id) ?? 0) + 1);
    for (const [id, count] of replays) if (!dropped.has(id)) this.#countReplays(id, count);
    for (const draft of ops.flatMap((op) => op.add ?? [])) this.#add(draft, nowMicros);
    this.#expire(nowMicros, dropped);
    this.#ledger.put(COUNTERS_KEY, Buffer.from(JSON.stringify(this.#counters)));
  }

  /** Whether the step that was written became durable. */
  settle(isDurable: boolean): void {
    if (!isDurable) this.#counters = this.#before;
    this.#before = this.#counters;
  }

  #add(draft: DeadLetterDraft, nowMicros: number): void {
    const id = this.#counters.next.toString(36).padStart(ID_DIGITS, '0');
    this.#counters.next += 1;
    this.#counters.held += 1;
    this.#put({ ...draft, id, receivedAt: nowMicros, replays: 0 }, 0);
  }

  #drop(id: string): boolean {
    const key = Buffer.from(id);
    const record = this.#letters.get(key);
    if (record === undefined) return false;
    this.#forget(key, record);
    return true;
  }

  #countReplays(id: string, count: number): void {
    const record = this.#letters.get(Buffer.from(id));
    if (record === undefined) return;
    const letter = decodeLetter(record);
    this.#put({ ...letter, replays: letter.replays + count }, record.length);
  }

  #put(letter: DeadLetter, bytesBefore: number): void {
    const record = encodeLetter(letter);
    this.#letters.put(Buffer.from(letter.id), record);
    this.#counters.bytes += record.length - bytesBefore;
  }

  #expire(nowMicros: number, dropped: ReadonlySet<string>): void {
    const { ageMaxMs, bytesMax, countMax } = this.#limits;
    for (const { key, value } of this.#letters.range(FIRST_KEY, LAST_KEY, EXPIRE_MAX)) {
      if (dropped.has(key.toString())) continue;
      const isOver = this.#counters.held > countMax || this.#counters.bytes > bytesMax;
      if (!isOver && decodeLetter(value).receivedAt >= nowMicros - ageMaxMs * 1000) return;
      this.#forget(key, value);
      this.#counters.dropped += 1;
    }
  }

  #forget(key: Buffer, record: Buffer): void {
    this.#letters.remove(key);
    this.#counters.held -= 1;
    this.#counters.bytes -= record.length;
  }
}
