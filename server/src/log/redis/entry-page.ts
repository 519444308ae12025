/**
 * Entries in the order of their last changes, for a node that fills its view: a few short commands over many keys each, and no script,
 * because Lua takes as long over the bytes of a value as all the rest does. What is read is not of one moment: where the change of a
 * key is not the one that the index told of, the key has changed since, and is left out.
 */
import { replyCode } from '../../shared/redis/error.ts';
import { type Argument, listOfReply, type Reply, textOfReply } from '../../shared/redis/reply.ts';
import { digestOf, digestOfFields } from './digest.ts';
import { type KeyHead, readKeyHead, withValue } from './key-head.ts';
import type { KeyNames } from './key-names.ts';
import type { RedisStore, RefillPage } from './redis-store.ts';
import { bytesOfReply, HEAD_FIELDS, headOfReply } from './replies.ts';

interface Sends {
  send(args: readonly Argument[]): Promise<Reply>;
}

type Entry = RefillPage['entries'][number];

interface Row {
  readonly key: string;
  readonly offset: number;
  readonly head: KeyHead;
}

export async function readEntryPage(
  redis: Sends,
  names: KeyNames,
  after: number,
  { bytesMax, entriesMax }: Parameters<RedisStore['refill']>[1],
): Promise<RefillPage> {
  const range = [`(${after}`, '+inf', 'WITHSCORES', 'LIMIT', '0', String(entriesMax)];
  // The head first: what changes after it is told by the stream.
  const [headReply, indexReply] = await Promise.all([
    redis.send(['HMGET', names.head, ...HEAD_FIELDS]),
    redis.send(['ZRANGEBYSCORE', names.index, ...range]),
  ]);
  const head = headOfReply(headReply);
  const words = listOfReply(indexReply).map((word) => textOfReply(word) ?? '');
  if (words.length === 0) return { head, entries: [], next: undefined };
  const keys = words.filter((_, at) => at % 2 === 0);
  const heads = listOfReply(await redis.send(['HMGET', names.heads, ...keys]));
  const rows: Row[] = [];
  let bytes = 0;
  let reached = after;
  let isCut = false;
  for (const [at, key] of keys.entries()) {
    const offset = Number(words[at * 2 + 1]);
    const headBytes = heads[at];
    // Absent where its tombstone was collected in between, or something else took it out of `heads`.
    const keyHead = Buffer.isBuffer(headBytes) ? readKeyHead(headBytes, key) : undefined;
    bytes += keyHead?.valueBytes ?? 0;
    isCut = bytes > bytesMax && reached > after;
    if (isCut) break;
    reached = offset;
    if (keyHead !== undefined && keyHead.change.offset === offset && offset <= head.offset)
      rows.push({ key, offset, head: keyHead });
  }
  const entries = await withoutChanged(redis, names, await readValues(redis, rows));
  return { head, entries, next: isCut || keys.length === entriesMax ? reached : undefined };
}

/** Without those whose value is not as written because the log wrote another meanwhile. */
async function withoutChanged(redis: Sends, names: KeyNames, entries: readonly Entry[]): Promise<readonly Entry[]> {
  const doubtful = entries.filter(({ isAsWritten }) => !isAsWritten);
  if (doubtful.length === 0) return entries;
  const heads = listOfReply(await redis.send(['HMGET', names.heads, ...doubtful.map(({ change }) => change.key)]));
  const changed = new Set<Entry>();
  for (const [at, entry] of doubtful.entries()) {
    const head = heads[at];
    const offset = Buffer.isBuffer(head) ? readKeyHead(head, entry.change.key).change.offset : undefined;
    if (offset !== entry.change.offset) changed.add(entry);
  }
  return entries.filter((entry) => !changed.has(entry));
}

/** The rows with their values, in their order. */
async function readValues(redis: Sends, rows: readonly Row[]): Promise<readonly Entry[]> {
  const strings = rows.filter(({ head }) => head.kind !== undefined && head.change.as === undefined);
  const hashes = rows.filter(({ head }) => head.kind !== undefined && head.change.as === 'hash');
  const removed = rows.filter(({ head }) => head.kind === undefined);
  const read = await Promise.all([readStrings(redis, strings), readHashes(redis, hashes), readRemoved(redis, removed)]);
  return read.flat().sort((one, other) => one.change.offset - other.change.offset);
}

async function readStrings(redis: Sends, rows: readonly Row[]): Promise<readonly Entry[]> {
  if (rows.length === 0) return [];
  const values = listOfReply(await redis.send(['MGET', ...rows.map(({ key }) => key)]));
  return rows.map(({ head }, at) => {
    const value = values[at];
    return Buffer.isBuffer(value) && isOf(head, digestOf(value)) ? asWritten(head, value) : otherwise(head);
  });
}

async function readHashes(redis: Sends, rows: readonly Row[]): Promise<readonly Entry[]> {
  return Promise.all(
    rows.map(async ({ head, key }) => {
      const words = await orWrongType(redis.send(['HGETALL', key]));
      if (words === undefined) return otherwise(head);
      const list = listOfReply(words).map(bytesOfReply);
      const fields = list.flatMap((name, at) => (at % 2 === 0 ? [[name, list[at + 1] as Buffer] as const] : []));
      // A hash without fields is none.
      const isSame = fields.length > 0 && isOf(head, digestOfFields(fields));
      return isSame ? asWritten(head, head.rest) : otherwise(head);
    }),
  );
}

async function readRemoved(redis: Sends, rows: readonly Row[]): Promise<readonly Entry[]> {
  if (rows.length === 0) return [];
  const exist = async (keys: readonly string[]) => Number(await redis.send(['EXISTS', ...keys])) > 0;
  if (!(await exist(rows.map(({ key }) => key)))) return rows.map(({ head }) => asWritten(head, EMPTY));
  return Promise.all(
    rows.map(async ({ head, key }) => ((await exist([key])) ? otherwise(head) : asWritten(head, EMPTY))),
  );
}

const EMPTY = Buffer.alloc(0);

function isOf({ digest }: KeyHead, { high, low }: KeyHead['digest']): boolean {
  return digest.low === low && digest.high === high;
}

function asWritten(head: KeyHead, value: Buffer): Entry {
  return { change: withValue(head, value), isAsWritten: true };
}

function otherwise({ change }: KeyHead): Entry {
  return { change: { ...change, value: undefined }, isAsWritten: false };
}

async function orWrongType(reply: Promise<Reply>): Promise<Reply | undefined> {
  try {
    return await reply;
  } catch (error) {
    if (replyCode(error) !== 'WRONGTYPE') throw error;
    return undefined;
  }
}
