import type { Settings } from '../config/settings.ts';
import type { Table } from '../view/view.ts';
import type { DeadLetter, DeadLetterDraft, DeadLetters } from './dead-letter.ts';
import type { Batch } from './log.ts';
import type { Stage } from './stage.ts';

type DeadLetterOps = NonNullable<Batch['deadLetters']>;

interface Counters {
  next: number;
  held: number;
  bytes: number;
  dropped: number;
}

const COUNTERS_KEY = Buffer.from('deadLetters');
const ID_DIGITS = 11;
const FIRST_KEY = Buffer.alloc(0);
const LAST_KEY = Buffer.from([0xff]);
/** At most this many old letters go in one step. */
const EXPIRE_MAX = 1000;

/**
 * Dead letters in the log's own store. A record is u32 length of the head (JSON) · head · message bytes. The oldest go first when
 * a bound is passed, and are counted.
 */
export class LocalDeadLetters implements DeadLetters {
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
    const stored = ledger.get(COUNTERS_KEY);
    this.#counters =
      stored === undefined ? { next: 1, held: 0, bytes: 0, dropped: 0 } : (JSON.parse(stored.toString()) as Counters);
    this.#before = this.#counters;
  }

  get(id: string): DeadLetter | undefined {
    const record = this.#letters.get(Buffer.from(id));
    return record === undefined ? undefined : decode(record);
  }

  list(options: { readonly after?: string; readonly limit: number; readonly source?: string }) {
    const deadLetters: DeadLetter[] = [];
    let start = Buffer.from(options.after === undefined ? '' : `${options.after}\0`);
    for (;;) {
      const page = this.#letters.range(start, LAST_KEY, 256);
      for (const { key, value } of page) {
        const letter = decode(value);
        if (options.source !== undefined && letter.source !== options.source) continue;
        if (deadLetters.length === options.limit) return { deadLetters, next: (deadLetters.at(-1) as DeadLetter).id };
        deadLetters.push(letter);
        start = Buffer.from(key);
      }
      if (page.length < 256) return { deadLetters };
      start = Buffer.concat([(page.at(-1) as { key: Buffer }).key, Buffer.from([0])]);
    }
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
    const letter = decode(record);
    this.#put({ ...letter, replays: letter.replays + count }, record.length);
  }

  #put(letter: DeadLetter, bytesBefore: number): void {
    const record = encode(letter);
    this.#letters.put(Buffer.from(letter.id), record);
    this.#counters.bytes += record.length - bytesBefore;
  }

  #expire(nowMicros: number, dropped: ReadonlySet<string>): void {
    const { ageMaxMs, bytesMax, countMax } = this.#limits;
    for (const { key, value } of this.#letters.range(FIRST_KEY, LAST_KEY, EXPIRE_MAX)) {
      if (dropped.has(key.toString())) continue;
      const isOver = this.#counters.held > countMax || this.#counters.bytes > bytesMax;
      if (!isOver && decode(value).receivedAt >= nowMicros - ageMaxMs * 1000) return;
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

function encode(letter: DeadLetter): Buffer {
  const { message, ...rest } = letter;
  const head = Buffer.from(JSON.stringify(rest));
  const record = Buffer.allocUnsafe(4 + head.length + message.length);
  record.writeUInt32LE(head.length, 0);
  head.copy(record, 4);
  message.copy(record, 4 + head.length);
  return record;
}

function decode(record: Buffer): DeadLetter {
  const end = 4 + record.readUInt32LE(0);
  const head = JSON.parse(record.toString('utf8', 4, end)) as Omit<DeadLetter, 'message'>;
  return { ...head, message: Buffer.from(record.subarray(end)) };
}
