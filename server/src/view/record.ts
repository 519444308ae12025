import type { RemoveReason } from '@latchkey/client';
import type { Change, Payload } from '../shared/change.ts';
import { writeUtf8 } from '../shared/utf8.ts';
import type { StoredEntry } from './view.ts';

/**
 * How a change lies on disk, little endian:
 *
 *   op u8 · payload kind u8 · reason u8 · flags u8 · previous f64 · valueOffset f64 · updated f64 · decided f64
 *   [valid f64] [expires f64] · key text · [updated text] [valid text] [origin text] [content type text] · value bytes to the end
 *
 * where text is u16 length + UTF-8. Partition and offset are the record's key. Offsets and microseconds are doubles: exact to 2^53.
 */
const OPS = ['put', 'remove', 'stale'] as const;
const KINDS = [undefined, 'json', 'text', 'binary'] as const;
const REASONS: readonly (RemoveReason | undefined)[] = [undefined, 'deleted', 'expired', 'evicted'];
const HEAD_BYTES = 36;

const HAS_UPDATED_TEXT = 1;
const HAS_VALID = 2;
const HAS_VALID_TEXT = 4;
const HAS_EXPIRES = 8;
const HAS_ORIGIN = 16;
const HAS_CONTENT_TYPE = 32;
const IS_HASH = 64;

function flagsOf(change: Change, payload: Payload | undefined): number {
  return (
    (change.updated.text === undefined ? 0 : HAS_UPDATED_TEXT) |
    (change.valid === undefined ? 0 : HAS_VALID) |
    (change.valid?.text === undefined ? 0 : HAS_VALID_TEXT) |
    (change.expires === undefined ? 0 : HAS_EXPIRES) |
    (change.origin === undefined ? 0 : HAS_ORIGIN) |
    (payload?.contentType === undefined ? 0 : HAS_CONTENT_TYPE) |
    (change.as === undefined ? 0 : IS_HASH)
  );
}

/** An upper bound for allocation: UTF-8 takes at most three bytes a UTF-16 unit. */
export function recordBytesMax(change: Change): number {
  const payload = change.value;
  const texts =
    change.key.length +
    (change.updated.text?.length ?? 0) +
    (change.valid?.text?.length ?? 0) +
    (change.origin?.length ?? 0) +
    (payload?.contentType?.length ?? 0);
  const valueBytes =
    payload === undefined ? 0 : payload.kind === 'binary' ? payload.data.length : payload.data.length * 3;
  return HEAD_BYTES + 16 + 10 + texts * 3 + valueBytes;
}

/** The place after the text. */
function writeText(record: Buffer, at: number, text: string): number {
  const end = writeUtf8(text, record, at + 2);
  record.writeUInt16LE(end - at - 2, at);
  return end;
}

export function encodeRecord(change: Change): Buffer {
  const record = Buffer.allocUnsafe(recordBytesMax(change));
  return record.subarray(0, writeRecord(record, 0, change));
}

/** The place after the record, which takes at most `recordBytesMax`. @throws RangeError for a text that its length field can't tell */
export function writeRecord(record: Buffer, start: number, change: Change): number {
  const payload = change.value;
  record[start] = OPS.indexOf(change.op);
  record[start + 1] = KINDS.indexOf(payload?.kind);
  record[start + 2] = REASONS.indexOf(change.reason);
  record[start + 3] = flagsOf(change, payload);
  record.writeDoubleLE(change.previous, start + 4);
  record.writeDoubleLE(change.valueOffset, start + 12);
  record.writeDoubleLE(change.updated.micros, start + 20);
  record.writeDoubleLE(change.decided, start + 28);
  let at = start + HEAD_BYTES;
  if (change.valid !== undefined) at = record.writeDoubleLE(change.valid.micros, at);
  if (change.expires !== undefined) at = record.writeDoubleLE(change.expires, at);
  at = writeText(record, at, change.key);
  if (change.updated.text !== undefined) at = writeText(record, at, change.updated.text);
  if (change.valid?.text !== undefined) at = writeText(record, at, change.valid.text);
  if (change.origin !== undefined) at = writeText(record, at, change.origin);
  if (payload?.contentType !== undefined) at = writeText(record, at, payload.contentType);
  if (payload === undefined) return at;
  return at + (payload.kind === 'binary' ? payload.data.copy(record, at) : record.write(payload.data, at, 'utf8'));
}

/** Up to this length a value is decoded at once: a getter on each object makes it a slow one of a kilobyte. */
const EAGER_BYTES_MAX = 4096;

/** Reads on through a record. */
class Reader {
  readonly record: Buffer;
  at = HEAD_BYTES;

  constructor(record: Buffer) {
    this.record = record;
  }

  double(): number {
    const value = this.record.readDoubleLE(this.at);
    this.at += 8;
    return value;
  }

  skipText(): void {
    this.at += 2 + this.record.readUInt16LE(this.at);
  }

  text(): string {
    const length = this.record.readUInt16LE(this.at);
    const start = this.at + 2;
    this.at = start + length;
    return this.record.toString('utf8', start, this.at);
  }
}

function payloadAt(record: Buffer, start: number, contentType: string | undefined): Payload | undefined {
  const kind = KINDS[record[1] as number];
  if (kind === undefined) return undefined;
  if (kind === 'binary') return { kind, data: record.subarray(start), contentType: contentType as string };
  const data = record.toString('utf8', start);
  return kind === 'text'
    ? { kind, data, contentType: contentType as string }
    : contentType === undefined
      ? { kind, data }
      : { kind, data, contentType };
}

/** The record MUST be the caller's own copy: a long `value` is decoded from it at its first use, and a binary one is a slice of it. */
export function decodeRecord(record: Buffer, partition: number, offset: number): Change {
  const flags = record[3] as number;
  const reader = new Reader(record);
  const validMicros = flags & HAS_VALID ? reader.double() : undefined;
  const expires = flags & HAS_EXPIRES ? reader.double() : undefined;
  const key = reader.text();
  const updatedMicros = record.readDoubleLE(20);
  const updated = flags & HAS_UPDATED_TEXT ? { micros: updatedMicros, text: reader.text() } : { micros: updatedMicros };
  const validText = flags & HAS_VALID_TEXT ? reader.text() : undefined;
  const origin = flags & HAS_ORIGIN ? reader.text() : undefined;
  const contentType = flags & HAS_CONTENT_TYPE ? reader.text() : undefined;
  const valueStart = reader.at;
  const change: Omit<Change, 'value'> = {
    op: OPS[record[0] as number] as Change['op'],
    key,
    partition,
    offset,
    previous: record.readDoubleLE(4),
    valueOffset: record.readDoubleLE(12),
    as: flags & IS_HASH ? 'hash' : undefined,
    reason: REASONS[record[2] as number],
    updated,
    valid:
      validMicros === undefined
        ? undefined
        : validText === undefined
          ? { micros: validMicros }
          : { micros: validMicros, text: validText },
    expires,
    decided: record.readDoubleLE(28),
    origin,
  };
  if (record.length <= EAGER_BYTES_MAX) return { ...change, value: payloadAt(record, valueStart, contentType) };
  let payload: Payload | undefined;
  return {
    ...change,
    // An own getter, not a method: a copy by spread must carry the value too.
    get value() {
      payload ??= payloadAt(record, valueStart, contentType);
      return payload;
    },
  };
}

/** When a record was decided and what key it is of, without decoding the rest. */
export function peekRecord(record: Buffer): { readonly decided: number; readonly key: Buffer } {
  const flags = record[3] as number;
  const at = HEAD_BYTES + (flags & HAS_VALID ? 8 : 0) + (flags & HAS_EXPIRES ? 8 : 0);
  const length = record.readUInt16LE(at);
  return { decided: record.readDoubleLE(28), key: record.subarray(at + 2, at + 2 + length) };
}

/** What lies in a record of a value, without a `Change` being made of it; undefined for a remove. `start` and `end` bound the value's bytes. */
export function storedEntryOf(
  record: Buffer,
  length: number,
  partition: number,
  offset: number,
): StoredEntry | undefined {
  const kind = KINDS[record[1] as number];
  if (kind === undefined) return undefined;
  const flags = record[3] as number;
  const reader = new Reader(record);
  const validMicros = flags & HAS_VALID ? reader.double() : undefined;
  const expires = flags & HAS_EXPIRES ? reader.double() : undefined;
  reader.skipText();
  const updatedText = flags & HAS_UPDATED_TEXT ? reader.text() : undefined;
  const validText = flags & HAS_VALID_TEXT ? reader.text() : undefined;
  if (flags & HAS_ORIGIN) reader.skipText();
  const contentType = flags & HAS_CONTENT_TYPE ? reader.text() : undefined;
  return {
    partition,
    offset,
    isStale: OPS[record[0] as number] === 'stale',
    updatedMicros: record.readDoubleLE(20),
    updatedText,
    validMicros,
    validText,
    expires,
    kind,
    as: flags & IS_HASH ? 'hash' : undefined,
    contentType,
    record,
    start: reader.at,
    end: length,
  };
}
