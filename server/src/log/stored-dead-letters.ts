import type { ReadableTable } from '../view/view.ts';
import type { DeadLetter, DeadLetters } from './dead-letter.ts';

export interface DeadLetterCounters {
  /** Of the next letter's id. */
  readonly next: number;
  readonly held: number;
  readonly bytes: number;
  readonly dropped: number;
}

export const COUNTERS_KEY = Buffer.from('deadLetters');
const LAST_KEY = Buffer.from([0xff]);
const PAGE_LETTERS = 256;

/**
 * Dead letters as they lie in the log's store, for whoever only reads them. A record is u32 length of the head (JSON) · head ·
 * message bytes.
 */
export class StoredDeadLetters implements DeadLetters {
  readonly #letters: ReadableTable;
  readonly #ledger: ReadableTable;

  constructor(letters: ReadableTable, ledger: ReadableTable) {
    this.#letters = letters;
    this.#ledger = ledger;
  }

  get(id: string): DeadLetter | undefined {
    const record = this.#letters.get(Buffer.from(id));
    return record === undefined ? undefined : decodeLetter(record);
  }

  list(options: { readonly after?: string; readonly limit: number; readonly source?: string }) {
    const deadLetters: DeadLetter[] = [];
    let start = Buffer.from(options.after === undefined ? '' : `${options.after}\0`);
    for (;;) {
      const page = this.#letters.range(start, LAST_KEY, PAGE_LETTERS);
      for (const { key, value } of page) {
        const letter = decodeLetter(value);
        if (options.source !== undefined && letter.source !== options.source) continue;
        if (deadLetters.length === options.limit) return { deadLetters, next: (deadLetters.at(-1) as DeadLetter).id };
        deadLetters.push(letter);
        start = Buffer.from(key);
      }
      if (page.length < PAGE_LETTERS) return { deadLetters };
      start = Buffer.concat([(page.at(-1) as { key: Buffer }).key, Buffer.from([0])]);
    }
  }

  counts(): ReturnType<DeadLetters['counts']> {
    const { bytes, dropped, held } = this.counters();
    return { held, bytes, dropped };
  }

  counters(): DeadLetterCounters {
    const stored = this.#ledger.get(COUNTERS_KEY);
    return stored === undefined
      ? { next: 1, held: 0, bytes: 0, dropped: 0 }
      : (JSON.parse(stored.toString()) as DeadLetterCounters);
  }
}

export function encodeLetter(letter: DeadLetter): Buffer {
  const { message, ...rest } = letter;
  const head = Buffer.from(JSON.stringify(rest));
  const record = Buffer.allocUnsafe(4 + head.length + message.length);
  record.writeUInt32LE(head.length, 0);
  head.copy(record, 4);
  message.copy(record, 4 + head.length);
  return record;
}

export function decodeLetter(record: Buffer): DeadLetter {
  const end = 4 + record.readUInt32LE(0);
  const head = JSON.parse(record.toString('utf8', 4, end)) as Omit<DeadLetter, 'message'>;
  return { ...head, message: Buffer.from(record.subarray(end)) };
}
