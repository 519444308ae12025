/**
 * Reads on in the stream of records from wherever a node is. Stands between the store and the connection that may wait; it keeps nothing
 * but how much to ask for. Plain commands and no script: in Lua the bytes of a record take longer than all the rest.
 *
 * Invariant: what is returned goes on from the head that was given, by its token, or, where that is not known any more, by its epoch.
 */
import { type Argument, listOfReply, type Reply, textOfReply } from '../../shared/redis/reply.ts';
import type { KeyNames } from './key-names.ts';
import { decodeRecord } from './record-codec.ts';
import type { Head, LogRecord, RedisStore } from './redis-store.ts';
import { bytesOfReply, epochsOfReply, HEAD_FIELDS, headOfReply } from './replies.ts';

export type TailOptions = Parameters<RedisStore['tail']>[1];

interface Waits {
  sendWaiting(args: readonly Argument[], waitsMs?: number): Promise<Reply>;
  unblock(): Promise<void>;
}

/** Records are of any size, so the count bounds what one reply may hold. */
const RECORDS_MAX = 32;
const COUNT_FIRST = 8;

interface StreamEntry {
  /** Of the head that the record was appended to. */
  readonly before: string;
  readonly bytes: Buffer;
}

export class StreamReader {
  readonly #redis: Waits;
  readonly #names: KeyNames;
  #count = COUNT_FIRST;
  /** Token of the record that was read last, where that was all there was: then it waits at once. */
  #lastToken: string | undefined;

  constructor(redis: Waits, names: KeyNames) {
    this.#redis = redis;
    this.#names = names;
  }

  async tail(after: Head, options: TailOptions): Promise<readonly LogRecord[] | 'behind'> {
    if (options.signal?.aborted === true) return [];
    const isAtHead = after.token !== '' && after.token === this.#lastToken;
    this.#lastToken = undefined;
    if (!isAtHead) {
      const records = await this.#readOn(after, options.bytesMax);
      if (records === 'behind' || records.length > 0) return records;
    }
    return this.#next(after, options);
  }

  async #readOn(after: Head, bytesMax: number): Promise<readonly LogRecord[] | 'behind'> {
    const { changes, head: headKey } = this.#names;
    const count = this.#count;
    // The head first: a stream that is read later has at least what it tells of.
    const [headReply, reply] = await Promise.all([
      this.#redis.sendWaiting(['HMGET', headKey, ...HEAD_FIELDS]),
      this.#redis.sendWaiting(['XRANGE', changes, `(${after.offset}-0`, '+', 'COUNT', String(count)]),
    ]);
    const entries = listOfReply(reply).map(entryOfReply);
    const [first] = entries;
    if (first === undefined) return (await this.#isAt(headOfReply(headReply), after)) ? [] : 'behind';
    if (!(await this.#goesOn(first, after))) return 'behind';
    const records: LogRecord[] = [];
    let bytes = 0;
    for (const entry of entries) {
      bytes += entry.bytes.length;
      if (records.length > 0 && bytes > bytesMax) break;
      records.push(decodeRecord(entry.bytes));
    }
    this.#count = Math.max(1, Math.min(RECORDS_MAX, 2 * count, Math.floor((bytesMax * records.length) / bytes)));
    if (entries.length < count) this.#lastToken = records.at(-1)?.token;
    return records;
  }

  /** Waits for one record: what is appended after the head, by whomever. */
  async #next(after: Head, { signal, waitMs }: TailOptions): Promise<readonly LogRecord[] | 'behind'> {
    if (signal?.aborted === true) return [];
    const unblock = () => void this.#redis.unblock();
    signal?.addEventListener('abort', unblock, { once: true });
    const block = String(Math.max(1, Math.ceil(waitMs)));
    try {
      const args = ['XREAD', 'COUNT', '1', 'BLOCK', block, 'STREAMS', this.#names.changes, `${after.offset}-0`];
      const [stream] = listOfReply(await this.#redis.sendWaiting(args, waitMs));
      const [row] = listOfReply(listOfReply(stream)[1]);
      if (row === undefined) return [];
      const entry = entryOfReply(row);
      return (await this.#goesOn(entry, after)) ? [decodeRecord(entry.bytes)] : 'behind';
    } finally {
      signal?.removeEventListener('abort', unblock);
    }
  }

  async #goesOn({ before, bytes }: StreamEntry, after: Head): Promise<boolean> {
    if (after.token !== '' || after.offset === 0) return before === after.token;
    return decodeRecord(bytes).first === after.offset + 1 && (await this.#isOfEpoch(after));
  }

  async #isAt(head: Head, after: Head): Promise<boolean> {
    if (after.token !== '' || after.offset === 0) return head.token === after.token;
    return head.offset === after.offset && (await this.#isOfEpoch(after));
  }

  /** Whether the log has had that epoch for so long. */
  async #isOfEpoch({ epoch, offset }: Head): Promise<boolean> {
    const epochs = epochsOfReply(await this.#redis.sendWaiting(['LRANGE', this.#names.epochs, '0', '-1']));
    const index = epochs.findLastIndex(({ id }) => id === epoch);
    const next = epochs[index + 1];
    return index >= 0 && (next === undefined || offset < next.first);
  }
}

function entryOfReply(reply: Reply): StreamEntry {
  const [, before, , record] = listOfReply(listOfReply(reply)[1]);
  return { before: textOfReply(before) ?? '', bytes: bytesOfReply(record) };
}
