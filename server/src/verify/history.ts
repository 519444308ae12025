/**
 * What a run recorded, in the words of the guarantees: writes as their senders know them, watches as their watchers saw them,
 * reads, and at the end the log and the entries themselves. Times are a count of recorded events, so they order and never tie.
 */
import type { Position } from '@latchkey/client';

/** One change as it was seen. `content` is the JSON text of its value; absent for a remove. */
export interface Sight {
  readonly partition: number;
  readonly offset: number;
  readonly epoch: string;
  readonly op: 'put' | 'remove' | 'stale';
  readonly key: string;
  readonly content?: string;
}

/** A write that was acknowledged as `applied`. One that was not may or may not be in the log, and is not recorded. */
export interface Ack extends Sight {
  readonly writer: string;
  readonly sentAt: number;
  readonly ackedAt: number;
}

export type Observation =
  /** A connection was made, from a position held before or (undefined) from the start. */
  | { readonly kind: 'connected'; readonly from: Position | undefined }
  | { readonly kind: 'change'; readonly sight: Sight; readonly position: Position | undefined }
  | { readonly kind: 'opened' | 'reset'; readonly position: Position; readonly snapshotTo: Position | undefined }
  | { readonly kind: 'synced' | 'progress'; readonly position: Position }
  | { readonly kind: 'conflated'; readonly from: Position; readonly to: Position }
  | { readonly kind: 'bye' };

export interface WatchHistory {
  readonly name: string;
  readonly matches: (key: string) => boolean;
  readonly observations: readonly Observation[];
}

export interface History {
  readonly acks: readonly Ack[];
  readonly watches: readonly WatchHistory[];
  /** Entries that a plain read was answered with. */
  readonly reads: readonly Sight[];
  /** Every change of the log after the run, in offset order. */
  readonly log: readonly Sight[];
  /** The entries after the run: key → content. */
  readonly entries: ReadonlyMap<string, string>;
}

export interface Violation {
  readonly guarantee: string;
  /** Watch or writer it happened to. */
  readonly to: string;
  readonly message: string;
}
