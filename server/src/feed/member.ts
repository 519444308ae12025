import type { Position, ResetReason } from '@latchkey/client';
import type { Cursor } from './cursor.ts';
import type { Outlet } from './feed.ts';
import type { Group } from './group.ts';
import type { Heads } from './heads.ts';
import type { Chunk } from './pinned-bytes.ts';
import type { Walk } from './walk.ts';

/**
 * A reset that was not written yet. Until then the member's position stays the one that called for it: a client that is cut off
 * before it was told must be told when it comes back.
 */
export interface ResetOwed {
  readonly reason: ResetReason;
  readonly requested: Position;
}

/** What a member begins with. */
export interface Start {
  readonly cursors: Cursor[];
  readonly resetOwed?: ResetOwed;
  /** Up to there its catch-up stays complete, however slow it is. */
  readonly completeTo: Heads;
}

/**
 * One watcher. Only a record: `Members` moves it between the sets, `Sockets` writes to it, `CatchUp` moves its cursors.
 *
 * Invariant: `cursors` is undefined exactly while it is live (then its position is the feed's head); a blocked member is behind.
 */
export class Member {
  readonly outlet: Outlet;
  readonly group: Group;
  cursors: Cursor[] | undefined;
  resetOwed: ResetOwed | undefined;
  completeTo: Heads;
  /** Of the changes that the group has counted, how many this member was handed or is not owed. */
  matched: number;
  /** Planned reading of the view, where that is shorter than reading all changes. */
  walk: Walk | undefined;
  /** A walk turned out longer than reading all changes: none is tried again before the partition is through. */
  isWalkRefused = false;
  isSyncedOwed = true;
  /** It was told `synced` and, where the codec has frames of its own for members behind, not `behind` since. */
  isAttached = false;
  isClosed = false;
  /** The last bytes handed to a socket that is over its high-water mark. */
  blockedBy: Chunk | undefined = undefined;
  blockedAtMs = 0;
  /** While its outlet's `write` runs, a `drained` is only noted. */
  isWriting = false;
  hasDrained = false;

  constructor(outlet: Outlet, group: Group, start: Start) {
    this.outlet = outlet;
    this.group = group;
    this.cursors = start.cursors;
    this.resetOwed = start.resetOwed;
    this.completeTo = start.completeTo;
    this.matched = group.matched;
  }

  get isBlocked(): boolean {
    return this.blockedBy !== undefined;
  }
}
