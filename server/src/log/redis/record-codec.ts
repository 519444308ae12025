/**
 * A record of the stream `changes`: what one append made durable, little endian:
 *
 *   format u8 · flags u8 · first f64 · last f64 · now f64 · [tombstone floor f64] · token text8 · [epoch text8]
 *   changes u32 · tables u32 · of each change: key bytes u16 · head bytes u16 · value bytes u32 · key · head · value
 *   of each write of a table: table u8 · isSet u8 · key bytes u32 · value bytes u32 · key · value
 *
 * where text8 is u8 length + UTF-8. Each value crosses the wire once: scripts cut heads and plain values out of the record.
 */
import type { Change, Payload } from '../../shared/change.ts';
import { writeUtf8 } from '../../shared/utf8.ts';
import { TABLE_NAMES } from '../../view/view.ts';
import { ByteReader } from './byte-reader.ts';
import { digestOf } from './digest.ts';
import { keyHeadBytesMax, readKeyHead, withValue, writeDigest, writeKeyHead, writeValueBytes } from './key-head.ts';
import type { LogRecord, TableWrite } from './redis-store.ts';

const FORMAT = 1;
const HAS_EPOCH = 1;
const HAS_FLOOR = 2;
const FIXED_BYTES = 44;
const CHANGE_BYTES = 8;
const TABLE_BYTES = 10;

export interface EncodedRecord {
  readonly bytes: Buffer;
  /** Of the change at index i, three numbers from 3·i: where its head begins, where its value begins, and where that ends. */
  readonly places: Uint32Array;
}

/** Heads carry the digest of the value as bytes; where something else lies under the key it is written over. */
export function encodeRecord(record: LogRecord): EncodedRecord {
  const bytes = Buffer.allocUnsafe(recordBytesMax(record));
  const places = new Uint32Array(record.changes.length * 3);
  let at = writeStart(bytes, record);
  for (const [index, change] of record.changes.entries()) {
    const headStart = writeUtf8(change.key, bytes, at + CHANGE_BYTES);
    const valueStart = writeKeyHead(bytes, headStart, change);
    const end = change.value === undefined ? valueStart : writePayload(bytes, valueStart, change.value);
    if (change.value !== undefined) {
      writeDigest(bytes, headStart, digestOf(bytes, valueStart, end));
      writeValueBytes(bytes, headStart, end - valueStart);
    }
    bytes.writeUInt16LE(headStart - at - CHANGE_BYTES, at);
    bytes.writeUInt16LE(valueStart - headStart, at + 2);
    bytes.writeUInt32LE(end - valueStart, at + 4);
    places[index * 3] = headStart;
    places[index * 3 + 1] = valueStart;
    places[index * 3 + 2] = end;
    at = end;
  }
  for (const { key, table, value } of record.tables) {
    bytes[at] = TABLE_NAMES.indexOf(table);
    bytes[at + 1] = value === undefined ? 0 : 1;
    bytes.writeUInt32LE(key.length, at + 2);
    bytes.writeUInt32LE(value?.length ?? 0, at + 6);
    at += TABLE_BYTES;
    at += key.copy(bytes, at);
    if (value !== undefined) at += value.copy(bytes, at);
  }
  return { bytes: bytes.subarray(0, at), places };
}

/** The bytes MUST be the caller's own: binary values are slices of them. @throws LatchkeyError `data-corrupt` */
export function decodeRecord(bytes: Buffer): LogRecord {
  const reader = new ByteReader(bytes, 'a record');
  reader.version(FORMAT);
  const flags = reader.uint8();
  const first = reader.integer();
  const last = reader.integer();
  const nowMicros = reader.integer();
  const tombstoneFloor = flags & HAS_FLOOR ? reader.integer() : undefined;
  const token = reader.text(reader.uint8());
  const epoch = flags & HAS_EPOCH ? reader.text(reader.uint8()) : undefined;
  const changeCount = reader.uint32();
  const tableCount = reader.uint32();
  if (last - first + 1 !== Math.max(changeCount, 1)) {
    reader.fail(`${changeCount} changes for the offsets ${first} to ${last}`);
  }
  const changes: Change[] = [];
  for (let index = 0; index < changeCount; index += 1) changes.push(readChange(reader, first + index));
  const tables: TableWrite[] = [];
  for (let index = 0; index < tableCount; index += 1) tables.push(readTableWrite(reader));
  if (!reader.isAtEnd) reader.fail('it goes on after its end');
  return { first, last, token, nowMicros, epoch, tombstoneFloor, changes, tables };
}

function readChange(reader: ByteReader, offset: number): Change {
  const keyBytes = reader.uint16();
  const headBytes = reader.uint16();
  const valueBytes = reader.uint32();
  const key = reader.text(keyBytes);
  const head = readKeyHead(reader.bytes(headBytes), key);
  if (head.change.offset !== offset) reader.fail(`a change of offset ${head.change.offset} in the place of ${offset}`);
  if (head.rest.length > 0) reader.fail('a head that goes on after its end');
  if (head.kind === undefined && valueBytes > 0) reader.fail('a remove with a value');
  return withValue(head, reader.bytes(valueBytes));
}

function readTableWrite(reader: ByteReader): TableWrite {
  const table = reader.one(TABLE_NAMES);
  const isSet = reader.one([false, true]);
  const keyBytes = reader.uint32();
  const valueBytes = reader.uint32();
  const key = reader.bytes(keyBytes);
  const value = reader.bytes(valueBytes);
  return { table, key, value: isSet ? value : undefined };
}

function writeStart(bytes: Buffer, record: LogRecord): number {
  bytes[0] = FORMAT;
  bytes[1] = (record.epoch === undefined ? 0 : HAS_EPOCH) | (record.tombstoneFloor === undefined ? 0 : HAS_FLOOR);
  let at = bytes.writeDoubleLE(record.first, 2);
  at = bytes.writeDoubleLE(record.last, at);
  at = bytes.writeDoubleLE(record.nowMicros, at);
  if (record.tombstoneFloor !== undefined) at = bytes.writeDoubleLE(record.tombstoneFloor, at);
  at = writeShortText(bytes, at, record.token);
  if (record.epoch !== undefined) at = writeShortText(bytes, at, record.epoch);
  at = bytes.writeUInt32LE(record.changes.length, at);
  return bytes.writeUInt32LE(record.tables.length, at);
}

function writeShortText(bytes: Buffer, at: number, text: string): number {
  const end = writeUtf8(text, bytes, at + 1);
  bytes.writeUInt8(end - at - 1, at);
  return end;
}

function writePayload(bytes: Buffer, at: number, payload: Payload): number {
  if (payload.kind === 'binary') return at + payload.data.copy(bytes, at);
  return at + bytes.write(payload.data, at, 'utf8');
}

function recordBytesMax(record: LogRecord): number {
  let max = FIXED_BYTES + record.token.length * 3 + (record.epoch?.length ?? 0) * 3;
  for (const change of record.changes) {
    const payload = change.value;
    const valueBytes = payload === undefined ? 0 : Buffer.byteLength(payload.data);
    max += CHANGE_BYTES + change.key.length * 3 + keyHeadBytesMax(change) + valueBytes;
  }
  for (const { key, value } of record.tables) max += TABLE_BYTES + key.length + (value?.length ?? 0);
  return max;
}
