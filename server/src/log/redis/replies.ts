/** What the scripts return, as the contract has it. */
import { listOfReply, type Reply, textOfReply } from '../../shared/redis/reply.ts';
import { decodeRecord } from './record-codec.ts';
import type { AppendAnswer, ConfirmAnswer, Found, Head, LogRecord, Rebased } from './redis-store.ts';

/** The fields of a head, as `readHead` of the scripts has them first. */
export const HEAD_FIELDS = ['epoch', 'offset', 'token', 'now', 'run', 'floor'] as const;

/** Of `HEAD_FIELDS`. */
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

/** The list `epochs`, oldest first. */
export function epochsOfReply(reply: Reply | undefined): { readonly id: string; readonly first: number }[] {
  return listOfReply(reply).map((entry) => {
    const [first = '', ...id] = text(entry).split(' ');
    return { id: id.join(' '), first: Number(first) };
  });
}

function rebasedOfReply(last: number, nowMicros: number, records: Reply | undefined, length: number): Rebased {
  const first = last - length + 1;
  // Of an append whose reply was lost, others may have gone on since.
  return { first, nowMicros, records: recordsOfReply(records).filter((record) => record.last < first) };
}

/** @throws LatchkeyError `data-corrupt` */
function recordsOfReply(reply: Reply | undefined): LogRecord[] {
  return listOfReply(reply).map((record) => decodeRecord(bytesOfReply(record)));
}

export function confirmationOfReply(reply: Reply): ConfirmAnswer {
  const [word, first] = listOfReply(reply);
  const kind = text(word);
  if (kind === 'confirmed') return { kind };
  if (kind === 'moved') return { kind, records: recordsOfReply(first) };
  if (kind === 'behind') return { kind, head: headOfReply(first) };
  throw new Error(`the confirm script answered ${kind}`);
}

/** `length`: how many offsets the append took. */
export function answerOfReply(reply: Reply, length: number): AppendAnswer {
  const [word, first, second, third] = listOfReply(reply);
  const kind = text(word);
  switch (kind) {
    case 'appended':
      if (first === undefined) return { kind };
      return { kind, rebased: rebasedOfReply(Number(text(first)), Number(text(second)), third, length) };
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

/** Replies are read in binary mode: a bulk string is a buffer. */
export function bytesOfReply(reply: Reply | undefined): Buffer {
  return Buffer.isBuffer(reply) ? reply : Buffer.from(text(reply));
}

function text(reply: Reply | undefined): string {
  return textOfReply(reply) ?? '';
}
