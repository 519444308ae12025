import type { WireChange } from '../../server/src/verify/sight.ts';

/** What the run tells the server with failpoints, and what that answers, over the channel between parent and child process. */
export type Order =
  /** The wall clock is ahead of (or, negative, behind) the machine's by so much. */
  | { readonly order: 'clock'; readonly shiftMs: number }
  /** While full, every commit fails as on a disk without room: before it is begun, or so long after it was handed over. */
  | { readonly order: 'disk'; readonly full: { readonly at: 'begin' | 'flush'; readonly delayMs: number } | undefined }
  /** Kill -9 of itself around its next commit: before it, so long after it was handed to the disk, or when it is flushed and nobody knows. */
  | { readonly order: 'die'; readonly at: 'before' | 'during' | 'after'; readonly delayMs: number }
  /** The next commit is not answered before `release`. The store as it was before that commit is copied to `copyTo`. */
  | { readonly order: 'hold'; readonly copyTo: string }
  | { readonly order: 'release' };

export type Report =
  /** The next commit is held; what lies after `head` must be neither acknowledged nor seen by anybody. */
  | { readonly report: 'held'; readonly head: number }
  /** A commit failed on the full disk. */
  | { readonly report: 'refused' }
  /** The log's now, before and after the clock was set. */
  | { readonly report: 'clock'; readonly beforeMicros: number; readonly afterMicros: number };

/** One change in the journal; `previous` is the offset of its key's change before, 0 where there was none. */
export interface JournalLine {
  readonly previous: number;
  readonly change: WireChange & { readonly expires?: string; readonly valid?: string };
}
