/**
 * All of a key's change but key and value, as it lies in the hash `heads` and within records, little endian:
 *
 *   format u8 · op u8 · payload kind u8 · reason u8 · flags u16 · digest 2×u32 · value bytes u32 · offset f64 · previous f64 · decided f64
 *   [valueOffset f64] · [updated f64] · [valid f64] · [expires f64] · [updated text] [valid text] [origin text] [content type text] · [rest]
 *
 * where valueOffset is left out if it is the offset, updated if it is decided, text is u16 length + UTF-8, and the rest, of a hash in `heads` alone, the JSON text that its fields came from. Offsets and microseconds are doubles: exact to 2^53.
 */
import type { RemoveReason } from '@latchkey/client';
import type { Change, Payload } from '../../shared/change.ts';
import { writeUtf8 } from '../../shared/utf8.ts';
import { ByteReader } from './byte-reader.ts';
import type { Digest } from './digest.ts';

const FORMAT = 1;
const OPS = ['put', 'remove', 'stale'] as const;
const KINDS = [undefined, 'json', 'text', 'binary'] as const;
const REASONS: readonly (RemoveReason | undefined)[] = [undefined, 'deleted', 'expired', 'evicted'];
const DIGEST_AT = 6;
const VALUE_BYTES_AT = 14;
const FIXED_BYTES = 42;
const TEXT_BYTES_MAX = 0xffff;

const HAS_UPDATED_TEXT = 1;
const HAS_VALID = 2;
const HAS_VALID_TEXT = 4;
const HAS_EXPIRES = 8;
const HAS_ORIGIN = 16;
const HAS_CONTENT_TYPE = 32;
const IS_HASH = 64;
const HAS_VALUE_OFFSET = 128;
const HAS_UPDATED = 256;

/** An upper bound for allocation: UTF-8 takes at most three bytes a UTF-16 unit. */
export function keyHeadBytesMax(change: Change): number {
  const length =
    (change.updated.text?.length ?? 0) +
    (change.valid?.text?.length ?? 0) +
    (change.origin?.length ?? 0) +
    (change.value?.contentType?.length ?? 0);
  return FIXED_BYTES + 32 + 8 + length * 3;
}

/** The place after the head, which tells of no value yet: `writeValueBytes`, `writeDigest`. @throws RangeError for a text of more than 65,535 bytes */
export function writeKeyHead(bytes: Buffer, start: number, change: Change): number {
  const payload = change.value;
  bytes[start] = FORMAT;
  bytes[start + 1] = OPS.indexOf(change.op);
  bytes[start + 2] = KINDS.indexOf(payload?.kind);
  bytes[start + 3] = REASONS.indexOf(change.reason);
  let at = bytes.writeUInt16LE(flagsOf(change, payload), start + 4);
  at = bytes.writeDoubleLE(0, at);
  at = bytes.writeUInt32LE(0, at);
  at = bytes.writeDoubleLE(change.offset, at);
  at = bytes.writeDoubleLE(change.previous, at);
  at = bytes.writeDoubleLE(change.decided, at);
  if (change.valueOffset !== change.offset) at = bytes.writeDoubleLE(change.valueOffset, at);
  if (change.updated.micros !== change.decided) at = bytes.writeDoubleLE(change.updated.micros, at);
  if (change.valid !== undefined) at = bytes.writeDoubleLE(change.valid.micros, at);
  if (change.expires !== undefined) at = bytes.writeDoubleLE(change.expires, at);
  if (change.updated.text !== undefined) at = writeText(bytes, at, change.updated.text);
  if (change.valid?.text !== undefined) at = writeText(bytes, at, change.valid.text);
  if (change.origin !== undefined) at = writeText(bytes, at, change.origin);
  if (payload?.contentType !== undefined) at = writeText(bytes, at, payload.contentType);
  return at;
}

/** Into a head that begins at `start`: of what lies under the key once the change is written. */
export function writeDigest(bytes: Buffer, start: number, digest: Digest): void {
  bytes.writeUInt32LE(digest.high, bytes.writeUInt32LE(digest.low, start + DIGEST_AT));
}

/** Into a head that begins at `start`: how long the value is, so that whoever reads many takes no more than it can hold. */
export function writeValueBytes(bytes: Buffer, start: number, length: number): void {
  bytes.writeUInt32LE(length, start + VALUE_BYTES_AT);
}

/** A head as it was read: the change with the value to come, of which kind it is, and what it was recognised by. */
export interface KeyHead {
  readonly change: Omit<Change, 'value'>;
  readonly kind: Payload['kind'] | undefined;
  readonly contentType: string | undefined;
  readonly digest: Digest;
  readonly valueBytes: number;
  /** What follows the head: in `heads`, the text of a value that is kept as a hash. */
  readonly rest: Buffer;
}

/** @throws LatchkeyError `data-corrupt` */
export function readKeyHead(bytes: Buffer, key: string): KeyHead {
  const reader = new ByteReader(bytes, 'the head of a key');
  reader.version(FORMAT);
  const op = reader.one(OPS);
  const kind = reader.one(KINDS);
  const reason = reader.one(REASONS);
  const flags = reader.uint16();
  const digest = { low: reader.uint32(), high: reader.uint32() };
  const valueBytes = reader.uint32();
  if ((kind === undefined) !== (op === 'remove')) reader.fail(`a ${op} with a value of kind ${kind ?? 'none'}`);
  const offset = reader.integer();
  const previous = reader.integer();
  const decided = reader.integer();
  const valueOffset = flags & HAS_VALUE_OFFSET ? reader.integer() : offset;
  const updatedMicros = flags & HAS_UPDATED ? reader.integer() : decided;
  const validMicros = flags & HAS_VALID ? reader.integer() : undefined;
  const expires = flags & HAS_EXPIRES ? reader.integer() : undefined;
  const text = (flag: number) => (flags & flag ? reader.text(reader.uint16()) : undefined);
  const updatedText = text(HAS_UPDATED_TEXT);
  const validText = text(HAS_VALID_TEXT);
  const origin = text(HAS_ORIGIN);
  const contentType = text(HAS_CONTENT_TYPE);
  const rest = reader.rest();
  if (rest.length > 0 && (kind !== 'json' || !(flags & IS_HASH))) reader.fail('it goes on after its end');
  if (contentType === undefined && (kind === 'text' || kind === 'binary')) reader.fail(`${kind} without a type`);
  const change: Omit<Change, 'value'> = {
    op,
    key,
    partition: 0,
    offset,
    previous,
    valueOffset,
    as: flags & IS_HASH ? 'hash' : undefined,
    reason,
    updated: moment(updatedMicros, updatedText),
    valid: validMicros === undefined ? undefined : moment(validMicros, validText),
    expires,
    decided,
    origin,
  };
  return { change, kind, contentType, digest, valueBytes, rest };
}

/** The change whole. Bytes of a binary value are not copied: they MUST stay as they are. */
export function withValue({ change, contentType, kind }: KeyHead, bytes: Buffer): Change {
  // At once, for nearly all are written to a view. A getter on each object would make it a slow one of a kilobyte.
  return { ...change, value: kind === undefined ? undefined : payloadOf(kind, bytes, contentType) };
}

function payloadOf(kind: Payload['kind'], bytes: Buffer, contentType: string | undefined): Payload {
  if (kind === 'binary') return { kind, data: bytes, contentType: contentType as string };
  const data = bytes.toString('utf8');
  if (kind === 'text') return { kind, data, contentType: contentType as string };
  return contentType === undefined ? { kind, data } : { kind, data, contentType };
}

function moment(micros: number, text: string | undefined) {
  return text === undefined ? { micros } : { micros, text };
}

function flagsOf(change: Change, payload: Payload | undefined): number {
  return (
    (change.updated.text === undefined ? 0 : HAS_UPDATED_TEXT) |
    (change.valid === undefined ? 0 : HAS_VALID) |
    (change.valid?.text === undefined ? 0 : HAS_VALID_TEXT) |
    (change.expires === undefined ? 0 : HAS_EXPIRES) |
    (change.origin === undefined ? 0 : HAS_ORIGIN) |
    (payload?.contentType === undefined ? 0 : HAS_CONTENT_TYPE) |
    (change.as === undefined ? 0 : IS_HASH) |
    (change.valueOffset === change.offset ? 0 : HAS_VALUE_OFFSET) |
    (change.updated.micros === change.decided ? 0 : HAS_UPDATED)
  );
}

function writeText(bytes: Buffer, at: number, text: string): number {
  const end = writeUtf8(text, bytes, at + 2);
  if (end - at - 2 > TEXT_BYTES_MAX) throw new RangeError(`a text of ${end - at - 2} bytes`);
  bytes.writeUInt16LE(end - at - 2, at);
  return end;
}
