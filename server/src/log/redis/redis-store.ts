/**
 * What a Redis keeps for a log, and the few calls that change it: the contract between the log, which decides on its own view, and
 * the scripts, which write what was decided only while nobody else has written since.
 */
import type { Change, Payload } from '../../shared/change.ts';
import type { TableName } from '../../view/view.ts';

/** Where the log at that Redis ends. An empty one has epoch `''`, offset 0 and token `''`. */
export interface Head {
  readonly epoch: string;
  readonly offset: number;
  /** Random, new with every append: two heads with one token are the same head. */
  readonly token: string;
  /** The log's `now` at the last append, microseconds. */
  readonly nowMicros: number;
  /** Of the server that took the last append. */
  readonly runId: string;
  readonly tombstoneFloor: number;
}

/** One write of a table that every node keeps (`view.ts`): progress, idempotency, dead letters. Undefined: the key is removed. */
export interface TableWrite {
  readonly table: TableName;
  readonly key: Buffer;
  readonly value: Buffer | undefined;
}

/** What one append made durable, as every node applies it. Offsets are `first..last` without a hole; one without changes takes one offset. */
export interface LogRecord {
  readonly first: number;
  readonly last: number;
  readonly token: string;
  readonly nowMicros: number;
  /** Set by the append that begins an epoch: the epoch's id; its first offset is `first`. */
  readonly epoch: string | undefined;
  /** Set by the append that collects tombstones at or below it. */
  readonly tombstoneFloor: number | undefined;
  readonly changes: readonly Change[];
  readonly tables: readonly TableWrite[];
}

/**
 * What lies under a key, as any other client of that Redis sees it. `expires`: microseconds since 1970, in whole milliseconds, the next
 * one up from what was written; it is compared with a tolerance of 10 ms.
 */
export type Found =
  | { readonly kind: 'absent' }
  | { readonly kind: 'string'; readonly data: Buffer; readonly expires: number | undefined }
  | {
      readonly kind: 'hash';
      readonly fields: readonly (readonly [field: Buffer, value: Buffer])[];
      readonly expires: number | undefined;
    }
  /** A list, set, stream…: never written, never read. */
  | { readonly kind: 'foreign'; readonly type: string };

/** What an append does to the plain key of one change. `expires`: microseconds since 1970, undefined: none. */
export type PlainWrite =
  | { readonly kind: 'set'; readonly value: Payload; readonly expires: number | undefined }
  /** HSET of `set`, HDEL of `removed`; never DEL, but of a string that becomes a hash. */
  | {
      readonly kind: 'hash';
      /**
       * Whether `set` holds every field of the value, as where the key was no hash before. Otherwise there must be a hash under the
       * key, or it is answered in `reread`: what `set` leaves out would be missing.
       */
      readonly isWhole: boolean;
      readonly set: readonly (readonly [field: string, value: string])[];
      readonly removed: readonly string[];
      readonly expires: number | undefined;
    }
  | { readonly kind: 'expiry'; readonly expires: number | undefined }
  | { readonly kind: 'remove' }
  /** `stale`, and what was only observed: the key is left as it is. */
  | { readonly kind: 'none' };

/** One key of an append. A key that the step changes several times stands once, with its last change. */
export interface KeyWrite {
  /** The last change of the key in this step; its head (all but the value) goes to `heads`, its offset to `index`. */
  readonly change: Change;
  readonly plain: PlainWrite;
  /** Offset of the key's last change before the step, 0 where it has none. */
  readonly previous: number;
  /**
   * What must be found there before anything is written; a key that differs is answered in `reread`.
   * `known`: the log has a head for it: anything but a foreign type. `unseen`: the log never had it: it must be absent.
   * `as-found`: exactly this (an observation); also a foreign type, with `none` as the write.
   */
  readonly expects:
    | { readonly kind: 'known' }
    | { readonly kind: 'unseen' }
    | { readonly kind: 'as-found'; readonly found: Found };
}

export interface AppendRequest {
  /** The head that was decided on. */
  readonly head: Head;
  readonly record: LogRecord;
  readonly keys: readonly KeyWrite[];
  /** All must hold. */
  readonly fences: readonly { readonly lease: string; readonly number: number }[];
  /** With `record.tombstoneFloor`: the keys whose tombstones go. */
  readonly collected: readonly string[];
  /** With `record.epoch` on an empty Redis: the epochs that the log had before, oldest first, and goes on from. */
  readonly epochs: readonly { readonly id: string; readonly first: number }[];
  /** Of this process's run; `sequence` grows by one with each append that is new (not with a repeat of one whose reply was lost). */
  readonly writer: { readonly incarnation: string; readonly sequence: number };
  /** After 5 lost races: others wait up to 50 ms. */
  readonly wantsTurn: boolean;
  /**
   * Set where nothing decided it but the last changes of the keys that it changes, and of these: then it may be appended to a later
   * head of the same epoch at which they are all as they were, with other offsets and `now`. It changes entries and nothing else, and
   * none of them by `stale`.
   */
  readonly rebase?: readonly Looked[] | undefined;
}

/** A key that was looked at and not changed; `offset`: of its last change, 0 where it has none. */
export interface Looked {
  readonly key: string;
  readonly offset: number;
}

/** Where a step was appended that others were faster than. */
export interface Rebased {
  /** Its first offset. */
  readonly first: number;
  /** Its `now`, which is also when its changes were decided, and updated where their sender told no time. */
  readonly nowMicros: number;
  /** What lies between the head that was decided on and `first`, oldest first; where a reply was lost it may end early. */
  readonly records: readonly LogRecord[];
}

export type AppendAnswer =
  /** It is written: now, or already by an earlier send of this very request. */
  | { readonly kind: 'appended'; readonly rebased?: Rebased }
  /** Somebody was faster: what was appended after `request.head`, oldest first, at most about 1 MiB of it (the rest comes by `tail`). */
  | { readonly kind: 'moved'; readonly records: readonly LogRecord[] }
  /** The head moved, and the records since are no longer all there, or the head is another lineage's: `refill`. */
  | { readonly kind: 'behind'; readonly head: Head }
  /** These keys are not as expected; nothing was written. */
  | { readonly kind: 'reread'; readonly keys: readonly string[] }
  /** These keys hold a list, set…; nothing was written. */
  | { readonly kind: 'wrong-type'; readonly keys: readonly { readonly key: string; readonly type: string }[] }
  /** The ACL does not let the store's user touch these keys; nothing was written. */
  | { readonly kind: 'not-permitted'; readonly keys: readonly string[] }
  | { readonly kind: 'fenced'; readonly lease: string; readonly current: number }
  /**
   * The server's run is not the head's, and the record begins no epoch; or the record begins one for a run that is not the server's.
   * The append that begins one takes `head.runId` as it is, and `record.epoch`.
   */
  | { readonly kind: 'other-run'; readonly runId: string }
  /** The record's `now` is ahead of both the server's time and the head's `now`, or more than 1 s behind the server's time and the head's. */
  | { readonly kind: 'untimely'; readonly serverMicros: number }
  /** Another node has the turn. */
  | { readonly kind: 'turn'; readonly waitMs: number };

export type ConfirmAnswer = { readonly kind: 'confirmed' } | Extract<AppendAnswer, { kind: 'moved' | 'behind' }>;

/**
 * A page of a refill: entries in the order of their offsets, tombstones too. A key that changes while it is read is left out; it lies
 * further on then, or after `head`.
 */
export interface RefillPage {
  /** The head before the page was read. No entry is beyond it. */
  readonly head: Head;
  readonly entries: readonly {
    /**
     * Where `isAsWritten`, the whole last change of the key, its value as it was written (content type too; of a hash the exact JSON
     * text, for fields alone don't tell `5` from `"5"`). Else `value` is absent.
     */
    readonly change: Change;
    /** Whether the log's last value, or none, is still what lies under the key (by digest; its expiry is not looked at). */
    readonly isAsWritten: boolean;
  }[];
  /** Everything with an offset up to here has been answered; undefined: that was the last page. */
  readonly next: number | undefined;
}

export interface ServerFacts {
  readonly version: string;
  readonly runId: string;
  /** `TIME`, microseconds. */
  readonly timeMicros: number;
  readonly maxmemoryPolicy: string;
  readonly maxmemoryBytes: number;
  /** `appendonly`, `appendfsync` and `save`; undefined where CONFIG is not allowed. */
  readonly persistence:
    | { readonly appendonly: boolean; readonly appendfsync: string; readonly save: string }
    | undefined;
  readonly role: string;
  readonly connectedReplicas: number;
}

/**
 * Every call fails with a `LatchkeyError` (translated once, here): `not-ready` where the Redis can't be reached or answers READONLY,
 * LOADING, NOAUTH, WRONGPASS…; `storage-full` for its OOM and MISCONF; `config-invalid` for a command that its ACL refuses, or a key of
 * the log's own, and where one of those is of a wrong type.
 * A lost connection during `append` is `not-ready` as well; the caller then sends the same request again: it is never applied twice.
 */
export interface RedisStore {
  readonly isUp: boolean;
  /** Resolves when there is a connection; rejects with why not. */
  up(timeoutMs: number): Promise<void>;
  facts(): Promise<ServerFacts>;
  head(): Promise<Head>;
  epochs(): Promise<readonly { readonly id: string; readonly first: number }[]>;
  append(request: AppendRequest): Promise<AppendAnswer>;
  /**
   * Whether what was decided on that head, and needs nothing written, holds: it is the head, or, with `looked`, these keys are as they
   * were.
   */
  confirm(head: Head, looked: readonly Looked[] | undefined): Promise<ConfirmAnswer>;
  /** Waits until so many replicas have what was appended here last, or everything that is there; how many have. */
  waitForReplicas(count: number, timeoutMs: number, isEverything: boolean): Promise<number>;
  /**
   * Records after an offset of that lineage, oldest first; waits up to `waitMs` for the first. `behind`: they are not all there. `known`:
   * where the log is known to be by the time they come; what lies before that is left out, if that is all.
   */
  tail(
    after: Head,
    options: {
      readonly waitMs: number;
      readonly bytesMax: number;
      readonly signal?: AbortSignal;
      readonly known?: () => Head;
    },
  ): Promise<readonly LogRecord[] | 'behind'>;
  refill(after: number, options: { readonly entriesMax: number; readonly bytesMax: number }): Promise<RefillPage>;
  /** All of the tables, page by page. */
  refillTables(
    cursor: string | undefined,
  ): Promise<{ readonly writes: readonly TableWrite[]; readonly next: string | undefined }>;
  find(keys: readonly string[]): Promise<readonly Found[]>;
  /** The fence, or undefined while another holder's has not run out. The same holder prolongs its own. */
  lease(name: string, holder: string, ttlMs: number): Promise<number | undefined>;
  releaseLease(name: string, holder: string): Promise<void>;
  /** For `rebuild`: nodes tell how far they know the log, and hear of the others. */
  register(
    node: string,
    known: { readonly epoch: string; readonly offset: number },
    ttlMs: number,
  ): Promise<readonly { readonly node: string; readonly epoch: string; readonly offset: number }[]>;
  close(): Promise<void>;
}
