import type { RemoveReason } from '@latchkey/client';

/**
 * A value as its sender wrote it. JSON and text are kept as the exact text (UTF-8 on disk and on the wire); anything else as
 * bytes. `contentType` is absent for plain `application/json`, and always present for text and binary.
 */
export type Payload =
  | { readonly kind: 'json'; readonly data: string; readonly contentType?: string }
  | { readonly kind: 'text'; readonly data: string; readonly contentType: string }
  | { readonly kind: 'binary'; readonly data: Buffer; readonly contentType: string };

/** A moment in integer microseconds since 1970, and the sender's own text of it where there was one. */
export interface Timestamp {
  readonly micros: number;
  readonly text?: string;
}

/**
 * What was decided about one key: always the whole resulting entry, never a patch. The entry of a key *is* its last change.
 * `value` may be read lazily by the view; it is absent exactly when `op` is `remove`.
 */
export interface Change {
  readonly op: 'put' | 'remove' | 'stale';
  readonly key: string;
  readonly partition: number;
  readonly offset: number;
  /** Offset of this key's previous change, 0 where there was none. */
  readonly previous: number;
  /** Offset of the last change that put or removed a value; differs from `offset` only for `stale`. */
  readonly valueOffset: number;
  readonly value?: Payload | undefined;
  /** `hash`: where values lie at keys of their own, this flat JSON object is a hash of its fields; absent: a string. */
  readonly as?: 'hash' | undefined;
  readonly reason?: RemoveReason | undefined;
  readonly updated: Timestamp;
  readonly valid?: Timestamp | undefined;
  /** Microseconds since 1970; past it the entry is not served. */
  readonly expires?: number | undefined;
  /** The log's `now` at which it was decided, microseconds since 1970. */
  readonly decided: number;
  /** Where it came from: `http:ADDR:PORT`, `kafka:TOPIC/P@OFFSET`, … */
  readonly origin?: string | undefined;
}

/** A change before the log gave it its place: what `decide` returns. */
export type ChangeDraft = Omit<Change, 'partition' | 'offset' | 'previous' | 'valueOffset'>;

/** Whether a reader at `nowMicros` is served this entry. */
export function isLive(entry: Change, nowMicros: number): boolean {
  return entry.op !== 'remove' && (entry.expires === undefined || entry.expires > nowMicros);
}

export function isStale(entry: Change, nowMicros: number): boolean {
  return entry.op === 'stale' || (entry.valid !== undefined && entry.valid.micros <= nowMicros);
}

/** Bytes of UTF-8 that the value takes on the wire and on disk. */
export function payloadBytes(payload: Payload): number {
  return payload.kind === 'binary' ? payload.data.length : Buffer.byteLength(payload.data);
}
