import type { Change, Timestamp } from '../shared/change.ts';

/*
 * What lies under a key in `entries`, little endian: partition u8 · is it a remove u8 · offset f64 · updated f64 ·
 * record's bytes u32 · flags u8. Places written before the last three were there end after the offset.
 */
export const PLACE_BYTES = 23;
const NEEDS_RECORD = 1;
const HAS_UPDATED_TEXT = 2;

/** Where the record of a place is read. */
export interface Records {
  change(partition: number, offset: number): Change | undefined;
}

/** The place after it. */
export function writePlace(into: Buffer, at: number, change: Change, recordBytes: number): number {
  const needsRecord =
    change.op !== 'put' || change.expires !== undefined || change.valid !== undefined || change.as !== undefined;
  into[at] = change.partition;
  into[at + 1] = change.op === 'remove' ? 1 : 0;
  into.writeDoubleLE(change.offset, at + 2);
  into.writeDoubleLE(change.updated.micros, at + 10);
  into.writeUInt32LE(recordBytes, at + 18);
  into[at + 22] = (needsRecord ? NEEDS_RECORD : 0) | (change.updated.text === undefined ? 0 : HAS_UPDATED_TEXT);
  return at + PLACE_BYTES;
}

/** The entry that a place tells enough of: a `put` without expiry and `valid`. Undefined for any other. */
export function entryOfPlace(
  stored: Buffer,
  key: string,
  partition: number,
  offset: number,
  records: Records,
): PlacedEntry | undefined {
  if (stored.length < PLACE_BYTES) return undefined;
  const flags = stored[22] as number;
  if ((flags & NEEDS_RECORD) !== 0) return undefined;
  const updatedMicros = stored.readDoubleLE(10);
  return new PlacedEntry(
    key,
    partition,
    offset,
    updatedMicros,
    (flags & HAS_UPDATED_TEXT) !== 0,
    stored.readUInt32LE(18),
    records,
  );
}

/**
 * A durable entry as its place tells it: stands between deciding and the store, so that a put that replaces it reads no record. What
 * is not here is read at its first use, or by `load` before the record goes. Never handed to readers: they get `whole`.
 *
 * Invariant: once its record is removed from the store, it is loaded.
 */
export class PlacedEntry implements Change {
  readonly op = 'put';
  readonly key: string;
  readonly partition: number;
  readonly offset: number;
  readonly updated: Timestamp;
  readonly valid = undefined;
  readonly expires = undefined;
  readonly reason = undefined;
  readonly recordBytes: number;
  readonly #records: Records;
  #whole: Change | undefined;

  constructor(
    key: string,
    partition: number,
    offset: number,
    updatedMicros: number,
    hasUpdatedText: boolean,
    recordBytes: number,
    records: Records,
  ) {
    this.key = key;
    this.partition = partition;
    this.offset = offset;
    this.updated = hasUpdatedText ? new PlacedTimestamp(updatedMicros, this) : { micros: updatedMicros };
    this.recordBytes = recordBytes;
    this.#records = records;
  }

  load(): Change {
    this.#whole ??= this.#records.change(this.partition, this.offset);
    if (this.#whole === undefined) throw new Error(`the record of an entry is gone from offset ${this.offset}`);
    return this.#whole;
  }

  get previous(): number {
    return this.load().previous;
  }

  get valueOffset(): number {
    // It is a put.
    return this.offset;
  }

  get value(): Change['value'] {
    return this.load().value;
  }

  get decided(): number {
    return this.load().decided;
  }

  get origin(): string | undefined {
    return this.load().origin;
  }
}

class PlacedTimestamp implements Timestamp {
  readonly micros: number;
  readonly #entry: PlacedEntry;

  constructor(micros: number, entry: PlacedEntry) {
    this.micros = micros;
    this.#entry = entry;
  }

  get text(): string {
    return this.#entry.load().updated.text as string;
  }
}

/** The entry as readers may have it. */
export function whole(change: Change): Change {
  return change instanceof PlacedEntry ? change.load() : change;
}
