import type { ErrorCode, Version } from '@latchkey/client';
import type { Change, Payload, Timestamp } from '../shared/change.ts';

/** Conditions and times that `put` and `merge` share. */
export interface WriteOptions {
  readonly updated?: Timestamp;
  readonly valid?: Timestamp;
  /** Microseconds from the decision; absent: `put` clears and `merge` keeps the expiry. Always positive. */
  readonly ttlMicros?: number;
  readonly ifVersion?: Version;
  readonly ifAbsent?: boolean;
  readonly ifPresent?: boolean;
  readonly keepExpiry?: boolean;
  readonly returnPrevious?: boolean;
  /** What a Redis keeps the value as; absent: as the entry is, a string where there is none. A hash takes flat JSON objects only. */
  readonly as?: 'string' | 'hash';
  /** The source takes commands in arrival order: an older `updated` is not late. */
  readonly acceptLate?: boolean;
  /** An equal result is recorded as a change all the same (the seeds notify on every message). */
  readonly recordEqual?: boolean;
}

interface Keyed {
  readonly key: string;
  readonly idempotencyKey?: string;
}

export type PutCommand = {
  readonly op: 'put';
  readonly value: Payload;
  /** Microseconds since 1970 at which it ends, in the place of `ttlMicros`; one that has passed is as good as now. */
  readonly expires?: number;
} & Keyed &
  WriteOptions;
/** `patch` is the text of a JSON object, applied by RFC 7386. */
export type MergeCommand = {
  readonly op: 'merge';
  readonly patch: string;
  /** Onto a value that is no flat JSON object it is a conflict, instead of being taken for a merge onto nothing. */
  readonly ifFlat?: boolean;
  /** Where the object has a member of this name it is a conflict. */
  readonly ifNoMember?: string;
  /** What it is kept as where there is nothing yet. */
  readonly newAs?: 'hash';
  /** An object that is left without members is removed. */
  readonly removeEmpty?: boolean;
} & Keyed &
  WriteOptions;
export type RemoveCommand = { readonly op: 'remove'; readonly returnPrevious?: boolean } & Keyed &
  Pick<WriteOptions, 'updated' | 'ifVersion' | 'acceptLate'>;
/** `ttlMicros: null` makes the entry permanent, unless it `expires`; an entry whose time would have passed by now is removed. */
export type ExpireCommand = {
  readonly op: 'expire';
  readonly ttlMicros: number | null;
  /** Microseconds since 1970, in the place of `ttlMicros`. */
  readonly expires?: number;
  /** Whether the entry must have an expiry so far; else it is a conflict. */
  readonly ifTimed?: boolean;
  /** To where the expiry must move; none so far is later than any. Else it is a conflict. */
  readonly ifMoves?: 'earlier' | 'later';
} & Keyed;
export type ReadCommand = { readonly op: 'read' } & Keyed;
/** What a source found under the key where it lives; recorded if it differs from the entry. Never accepted from outside. */
export type ObserveCommand = {
  readonly op: 'observe';
  readonly found: Payload | undefined;
  /** Where it was found as a hash; `found` is then the JSON object of its fields. */
  readonly as?: 'hash';
  readonly expires?: number;
  /** It was found where the log itself keeps its values: it is there already, and is not written back. */
  readonly isAtHome?: boolean;
  /** How it went, where that is known of a key that is not there; absent: somebody deleted it. */
  readonly reason?: 'expired' | 'evicted';
} & Keyed;
/** Expanded by the log into removes of the keys present at decision time; not atomic as a whole. */
export interface RemoveMatchingCommand {
  readonly op: 'removeMatching';
  readonly pattern: string;
  readonly dryRun?: boolean;
  readonly idempotencyKey?: string;
}

export type KeyCommand = PutCommand | MergeCommand | RemoveCommand | ExpireCommand | ReadCommand | ObserveCommand;
export type Command = KeyCommand | RemoveMatchingCommand;

/** A command that cannot be taken: the reason, the field at fault and the limit that was passed. */
export interface Refusal {
  readonly outcome: 'refused';
  readonly code: ErrorCode;
  readonly message: string;
  readonly field?: string;
  readonly limit?: number;
}

/** What a command's sender is told; entries are internal changes, encoded by the gateway. */
export type Outcome =
  | { readonly outcome: 'applied'; readonly version: Version; readonly previous?: Change | null }
  | {
      readonly outcome: 'applied';
      /** Of the last removal; absent where nothing matched. */
      readonly version?: Version;
      readonly removed: number;
      /** At most `REMOVED_KEYS_MAX` of them. */
      readonly keys: readonly string[];
      readonly truncated: boolean;
    }
  | { readonly outcome: 'duplicate'; readonly version?: Version; readonly previous?: Change | null }
  | { readonly outcome: 'late'; readonly version: Version }
  | { readonly outcome: 'conflict'; readonly entry: Change | undefined }
  | Refusal
  | { readonly outcome: 'value'; readonly entry: Change | undefined }
  | { readonly outcome: 'value'; readonly keys: readonly string[]; readonly truncated: boolean };

/** An outcome of `removeMatching` lists at most this many keys and says `truncated`. */
export const REMOVED_KEYS_MAX = 1000;
