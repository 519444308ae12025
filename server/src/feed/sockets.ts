/**
 * The only place that writes to outlets. It stands between whoever has bytes for a member and the member's socket; it queues
 * nothing: a socket that is full makes its member wait with nothing but a position.
 *
 * Invariant: after a `write` that returned false a member is blocked, and is written nothing until its outlet called `drained`.
 */
import { formatPosition, type Position } from '@latchkey/client';
import type { Clock } from '../shared/clock.ts';
import type { ReportFault } from '../shared/logger.ts';
import type { View } from '../view/view.ts';
import { cursorAt, cursorsPosition, isPlain, offsetsOf } from './cursor.ts';
import type { FeedHead } from './feed-head.ts';
import { type Heads, hasReached } from './heads.ts';
import type { Member } from './member.ts';
import type { Members } from './members.ts';
import type { Chunk } from './pinned-bytes.ts';

export interface SocketsSetup {
  readonly members: Members;
  readonly head: FeedHead;
  readonly view: View;
  readonly clock: Clock;
  readonly reportFault: ReportFault;
  readonly stalledTimeoutMs: number;
  /** The member may be handed more. */
  readonly onReady: (member: Member) => void;
  /** The member's socket is full: it waits for `drained` and for nothing else. */
  readonly onBlocked: (member: Member) => void;
}

export class Sockets {
  readonly #setup: SocketsSetup;
  #writing = 0;
  /** Changes handed out since the start, each counted for each watch that got it. */
  delivered = 0;

  constructor(setup: SocketsSetup) {
    this.#setup = setup;
  }

  /** An outlet's `write` is running: what it calls back must not hand out anything by itself. */
  get isWriting(): boolean {
    return this.#writing > 0;
  }

  /**
   * True: the member may be given more. False: it is closed, or blocked, and a live one is then behind, at `to`. A member that is
   * behind has had its cursors moved before: what was handed to a socket is not handed to it again.
   */
  send(member: Member, chunk: Chunk, to?: Heads, matched = 0): boolean {
    if (member.isClosed) return false;
    if (chunk.bytes.length === 0) return true;
    const { clock, members } = this.#setup;
    this.delivered += chunk.changes;
    member.isWriting = true;
    member.hasDrained = false;
    this.#writing += 1;
    let isOpen = false;
    try {
      isOpen = member.outlet.write(chunk.bytes);
    } catch (error) {
      this.#setup.reportFault('feed', error);
      this.end(member, 'closing');
    }
    this.#writing -= 1;
    member.isWriting = false;
    // The outlet may have closed the watch from within.
    if (member.isClosed || isOpen) return !member.isClosed;
    if (to !== undefined) members.fallBehind(member, to, matched);
    members.block(member, chunk, clock.monotonicMs());
    this.#setup.onBlocked(member);
    // It drained before it said that it was full: it is told so once whoever writes to it now is done with it.
    if (member.hasDrained) setImmediate(() => this.drained(member));
    return false;
  }

  drained(member: Member): void {
    if (member.isWriting) member.hasDrained = true;
    if (member.isClosed || !member.isBlocked) return;
    this.#setup.members.unblock(member);
    if (this.#missedNothing(member)) {
      this.#setup.members.goLive(member);
      return;
    }
    // In this very call: another watch of the connection may go live next and bring back the frames they share.
    if (this.detach(member)) this.#setup.onReady(member);
  }

  /** Nothing came for its group while its socket was full: it goes on as if it had not been. */
  #missedNothing({ cursors, group, isSyncedOwed, resetOwed }: Member): boolean {
    if (isSyncedOwed || resetOwed !== undefined || cursors === undefined || !isPlain(cursors)) return false;
    const offsets = offsetsOf(cursors);
    return group.ring.after(offsets) === 'end' && hasReached(this.#setup.head.heads, offsets);
  }

  /** Takes a member out of its group's shared frames, where its codec has such. False as for `send`. */
  detach(member: Member): boolean {
    const { group } = member;
    if (!member.isAttached || group.identity.codec.isShared) return true;
    member.isAttached = false;
    member.isSyncedOwed = true;
    const position = this.positionText(member);
    return this.send(member, group.control(member, { op: 'behind', position }, this.#setup.view.epochs));
  }

  /** What the member has been handed so far. */
  position(member: Member): Position {
    const { epoch, heads } = this.#setup.head;
    if (member.resetOwed !== undefined) return member.resetOwed.requested;
    return cursorsPosition(epoch, member.group.identity.filterHash, member.cursors ?? heads.map(cursorAt));
  }

  positionText(member: Member): string {
    return formatPosition(this.position(member));
  }

  /** Ends the watch; the client comes back and resumes where it was. */
  end(member: Member, code: 'closing' | 'stalled'): void {
    if (member.isClosed) return;
    this.#setup.members.leave(member);
    try {
      member.outlet.end(code);
    } catch (error) {
      this.#setup.reportFault('feed', error);
    }
  }

  /** Ends who has drained nothing for too long, and beyond the cap on pinned bytes who has been stalled longest. */
  endStalled(): void {
    const { clock, members, stalledTimeoutMs } = this.#setup;
    const nowMs = clock.monotonicMs();
    members.pinned.isOverAfterDropping();
    for (const member of members.blocked) {
      const isStalled = nowMs - member.blockedAtMs >= stalledTimeoutMs;
      if (!isStalled && !members.pinned.isOverAfterDropping()) return;
      this.end(member, 'stalled');
    }
  }
}
