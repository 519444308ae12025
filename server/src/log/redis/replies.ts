/** What the scripts return, as the contract has it. */
import { listOfReply, type Reply, textOfReply } from '../../shared/redis/reply.ts';
import { digestOf, digestOfFields } from './digest.ts';
import { readKeyHead, withValue } from './key-head.ts';
import { decodeRecord } from './record-codec.ts';
import type { AppendAnswer, Found, Head, LogRecord, RefillPage } from './redis-store.ts';

/** The fields of `readHead`. */
export function headOfReply(reply: Reply | undefined): Head {
  const [epoch, offset, token, now, run, floor] = listOfReply(reply).map(textOfReply);
  return {
    epoch: epoch ?? '',
    offset: Number(offset ?? 0),
    token: token ?? '',
    nowMicros: Number(now ?? 0),
    runId: run ?? '',
    tombstoneFloor: Number(floor ?? 0),
  };
}

/** @throws LatchkeyError `data-corrupt` */
export function recordsOfReply(reply: Reply | undefined): LogRecord[] {
  return listOfReply(reply).map((record) => decodeRecord(bytesOfReply(record)));
}

export function answerOfReply(reply: Reply): AppendAnswer {
  const [word, first, second] = listOfReply(reply);
  const kind = text(word);
  switch (kind) {
    case 'appended':
      return { kind };
    case 'moved':
      return { kind, records: recordsOfReply(first) };
    case 'behind':
      return { kind, head: headOfReply(first) };
    case 'reread':
      return { kind, keys: listOfReply(first).map(text) };
    case 'wrong-type': {
      const words = listOfReply(first).map(text);
      const keys = [];
      for (let at = 0; at < words.length; at += 2)
        keys.push({ key: words[at] as string, type: words[at + 1] as string });
      return { kind, keys };
    }
    case 'fenced':
      return { kind, lease: text(first), current: Number(text(second)) };
    case 'other-run':
      return { kind, runId: text(first) };
    case 'untimely':
      return { kind, serverMicros: Number(text(first)) };
    case 'turn':
      return { kind, waitMs: Math.max(1, Number(text(first))) };
    default:
      throw new Error(`the append script answered ${kind}`);
  }
}

/** What `find` of the scripts returns of one key. */
export function foundOfReply(reply: Reply | undefined, shiftMicros: number): Found {
  const [word, data, expiry] = listOfReply(reply);
  const kind = text(word);
  const milliseconds = textOfReply(expiry) ?? '';
  const expires = milliseconds === '' ? undefined : Number(milliseconds) * 1000 + shiftMicros;
  if (kind === 'none') return { kind: 'absent' };
  if (kind === 'string') return { kind, data: bytesOfReply(data), expires };
  if (kind !== 'hash') return { kind: 'foreign', type: kind };
  const words = listOfReply(data).map(bytesOfReply);
  const fields: [Buffer, Buffer][] = [];
  for (let at = 0; at < words.length; at += 2) fields.push([words[at] as Buffer, words[at + 1] as Buffer]);
  return { kind, fields, expires };
}

/** What the refill script returns of one key: offset, key, head and what was found. @throws LatchkeyError `data-corrupt` */
export function entryOfReply(reply: Reply, shiftMicros: number): RefillPage['entries'][number] | undefined {
  const [, key, headBytes, foundReply] = listOfReply(reply);
  // Somebody else took it out of `heads` alone: what is under the key is unknown to the log, as before its first change.
  if (headBytes === null || headBytes === undefined) return undefined;
  const head = readKeyHead(bytesOfReply(headBytes), text(key));
  const found = foundOfReply(foundReply, shiftMicros);
  const { change, digest } = head;
  if (change.op === 'remove') return { change: withValue(head, EMPTY), found, isAsWritten: found.kind === 'absent' };
  const actual =
    found.kind === 'string' && change.as === undefined
      ? digestOf(found.data)
      : found.kind === 'hash' && change.as === 'hash'
        ? digestOfFields(found.fields)
        : undefined;
  const isAsWritten = actual !== undefined && actual.low === digest.low && actual.high === digest.high;
  if (!isAsWritten) return { change: { ...change, value: undefined }, found, isAsWritten };
  return { change: withValue(head, found.kind === 'string' ? found.data : head.rest), found, isAsWritten };
}

const EMPTY = Buffer.alloc(0);

/** Replies are read in binary mode: a bulk string is a buffer. */
export function bytesOfReply(reply: Reply | undefined): Buffer {
  return Buffer.isBuffer(reply) ? reply : Buffer.from(text(reply));
}

function text(reply: Reply | undefined): string {
  return textOfReply(reply) ?? '';
}
