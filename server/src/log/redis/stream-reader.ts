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
  readonly last: number;
  /** Of the head that the record was appended to. */
  readonly before: string;
  readonly bytes: Buffer;
}

export class StreamReader {
  readonly #redis: Waits;
  readonly #names: KeyNames;
  #count = COUNT_FIRST;
  /** Token of the record that was read last: who goes on from there need not look where the log is. */
  #lastToken: string | undefined;

  constructor(redis: Waits, names: KeyNames) {
    this.#redis = redis;
    this.#names = names;
  }

  async tail(after: Head, options: TailOptions): Promise<readonly LogRecord[] | 'behind'> {
    if (options.signal?.aborted === true) return [];
    const isGoingOn = after.token !== '' && after.token === this.#lastToken;
    this.#lastToken = undefined;
    if (!isGoingOn) {
      const records = await this.#readOn(after, options.bytesMax);
      if (records === 'behind' || records.length > 0) return records;
    }
    return this.#next(after, options);
  }

  async #readOn(after: Head, bytesMax: number): Promise<readonly LogRecord[] | 'behind'> {
    const { changes, head: headKey } = this.#names;
    // The head first: a stream that is read later has at least what it tells of.
    const [headReply, reply] = await Promise.all([
      this.#redis.sendWaiting(['HMGET', headKey, ...HEAD_FIELDS]),
      this.#redis.sendWaiting(['XRANGE', changes, `(${after.offset}-0`, '+', 'COUNT', String(this.#count)]),
    ]);
    const entries = listOfReply(reply).map(entryOfReply);
    if (entries.length === 0) return (await this.#isAt(headOfReply(headReply), after)) ? [] : 'behind';
    return this.#recordsOf(entries, after, bytesMax);
  }

  /** Waits for what is appended after the head, by whomever. Nothing came: the next time it is looked where the log is. */
  async #next(after: Head, { bytesMax, known, signal, waitMs }: TailOptions): Promise<readonly LogRecord[] | 'behind'> {
    if (signal?.aborted === true) return [];
    const unblock = () => void this.#redis.unblock();
    signal?.addEventListener('abort', unblock, { once: true });
    const block = String(Math.max(1, Math.ceil(waitMs)));
    const from = `${after.offset}-0`;
    try {
      const args = ['XREAD', 'COUNT', String(this.#count), 'BLOCK', block, 'STREAMS', this.#names.changes, from];
      const [stream] = listOfReply(await this.#redis.sendWaiting(args, waitMs));
      const entries = listOfReply(listOfReply(stream)[1]).map(entryOfReply);
      if (entries.length === 0) return [];
      const reached = known?.();
      if (reached !== undefined && (entries.at(-1) as StreamEntry).last <= reached.offset) {
        this.#lastToken = reached.token;
        return [];
      }
      return await this.#recordsOf(entries, after, bytesMax);
    } finally {
      signal?.removeEventListener('abort', unblock);
    }
  }

  async #recordsOf(
    entries: readonly StreamEntry[],
    after: Head,
    bytesMax: number,
  ): Promise<readonly LogRecord[] | 'behind'> {
    if (!(await this.#goesOn(entries[0] as StreamEntry, after))) return 'behind';
    const records: LogRecord[] = [];
    let bytes = 0;
    for (const entry of entries) {
      bytes += entry.bytes.length;
      if (records.length > 0 && bytes > bytesMax) break;
      records.push(decodeRecord(entry.bytes));
    }
    this.#count = Math.max(1, Math.min(RECORDS_MAX, 2 * this.#count, Math.floor((bytesMax * records.length) / bytes)));
    this.#lastToken = records.at(-1)?.token;
    return records;
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
  const [id, fields] = listOfReply(reply);
  const [, before, , record] = listOfReply(fields);
  // An id is `OFFSET-0`.
  return {
    last: Number.parseInt(textOfReply(id) ?? '', 10),
    before: textOfReply(before) ?? '',
    bytes: bytesOfReply(record),
  };
}
