/**
 * Brings members that are behind to the feed's head, a page at a time and in turn, so that neither live members nor other members
 * that are behind wait for one. It stands between the view, read in synchronous bounded calls, and the sockets. It holds nothing
 * of a member but its place in the round: a member is its position.
 *
 * Invariant: every member that is behind is in exactly one of `#round` (can be handed more now), `#early` (its position is beyond
 * the feed's head: it waits for a tick) and `Members.blocked`.
 */
import type { ControlEvent } from '@latchkey/client';
import type { Clock } from '../shared/clock.ts';
import type { ReportFault } from '../shared/logger.ts';
import type { View } from '../view/view.ts';
import type { Bounds } from './bounds.ts';
import { type Cursor, cursorsPosition, cursorsText, isPlain, offsetsOf, snapshotCursors } from './cursor.ts';
import type { FeedHead } from './feed-head.ts';
import { hasReached, headsText } from './heads.ts';
import type { Member } from './member.ts';
import type { Members } from './members.ts';
import { handPage, type Pager } from './page.ts';
import type { Sockets } from './sockets.ts';

const TURN_MS = 4;
const TURN_STEPS_MAX = 64;

export interface CatchUpSetup {
  readonly view: View;
  readonly head: FeedHead;
  readonly members: Members;
  readonly sockets: Sockets;
  readonly clock: Clock;
  readonly reportFault: ReportFault;
  readonly catchUpChangesMax: number;
  readonly bounds: Bounds;
  /** Takes over what became durable without a change. */
  readonly refresh: () => void;
}

/** `more`: there is more to hand now; `early`: nothing before the next tick; `left`: live, blocked or closed. */
type Step = 'more' | 'early' | 'left';

export class CatchUp {
  readonly #setup: CatchUpSetup;
  readonly #round = new Set<Member>();
  readonly #early = new Set<Member>();
  #isScheduled = false;
  #isRunning = false;

  constructor(setup: CatchUpSetup) {
    this.#setup = setup;
  }

  get isRunning(): boolean {
    return this.#isRunning;
  }

  /** The member may be handed more. */
  add(member: Member): void {
    this.#early.delete(member);
    this.#round.add(member);
    this.#schedule();
  }

  /** The feed's head moved: who was early may not be any more. */
  moved(): void {
    if (this.#early.size === 0) return;
    for (const member of this.#early) this.#round.add(member);
    this.#early.clear();
    this.#schedule();
  }

  forget(member: Member): void {
    this.#round.delete(member);
    this.#early.delete(member);
  }

  holds(member: Member): 'round' | 'early' | undefined {
    return this.#round.has(member) ? 'round' : this.#early.has(member) ? 'early' : undefined;
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => this.#turn());
  }

  #turn(): void {
    this.#isScheduled = false;
    const { clock, refresh } = this.#setup;
    refresh();
    const endMs = clock.monotonicMs() + TURN_MS;
    this.#isRunning = true;
    for (let steps = 0; steps < TURN_STEPS_MAX && clock.monotonicMs() <= endMs; steps += 1) {
      const [member] = this.#round;
      if (member === undefined) break;
      this.#round.delete(member);
      const step = this.#guardedStep(member);
      if (member.isClosed || member.isBlocked) continue;
      if (step === 'more') this.#round.add(member);
      else if (step === 'early') this.#early.add(member);
    }
    this.#isRunning = false;
    this.#setup.sockets.endStalled();
    if (this.#round.size > 0) this.#schedule();
  }

  // What throws (a view that is closed, a codec) costs this watch its connection: the client resumes where it was.
  #guardedStep(member: Member): Step {
    try {
      return this.#step(member);
    } catch (error) {
      this.#setup.reportFault('feed', error);
      this.#setup.sockets.end(member, 'closing');
      return 'left';
    }
  }

  #step(member: Member): Step {
    if (member.isClosed || member.isBlocked || member.cursors === undefined) return 'left';
    if (!this.#setup.sockets.detach(member)) return 'left';
    if (member.resetOwed !== undefined) return this.#reset(member);
    const { head } = this.#setup;
    const { cursors } = member;
    if (isPlain(cursors)) {
      const offsets = offsetsOf(cursors);
      if (hasReached(offsets, head.heads)) return hasReached(head.heads, offsets) ? this.#goLive(member) : 'early';
    }
    const judged = this.#judge(member, cursors);
    if (judged !== undefined) return judged;
    if (isPlain(cursors)) {
      const ringed = this.#fromRing(member, cursors);
      if (ringed !== undefined) return ringed;
    }
    return handPage(member, this.#pager()) ? 'more' : 'left';
  }

  /** Everything from anew, after it was said. */
  #reset(member: Member): Step {
    const { head, view } = this.#setup;
    const { filterHash } = member.group.identity;
    const { reason } = member.resetOwed as NonNullable<Member['resetOwed']>;
    const heads = Array.from({ length: view.partitions }, (_, partition) => view.head(partition));
    member.resetOwed = undefined;
    member.cursors = snapshotCursors(heads);
    member.completeTo = heads;
    member.matched = member.group.matched;
    member.walk = undefined;
    member.isWalkRefused = false;
    member.isSyncedOwed = true;
    const position = cursorsText(head.epoch, filterHash, member.cursors);
    const snapshotTo = `${headsText(head.epoch, heads)};${filterHash}`;
    const event = { op: 'reset', reason, position } as const;
    return this.#tell(member, isPlain(member.cursors) ? event : { ...event, snapshotTo }) ? 'more' : 'left';
  }

  #goLive(member: Member): Step {
    const { head, members, sockets } = this.#setup;
    if (member.isSyncedOwed) {
      member.isSyncedOwed = false;
      member.isAttached = true;
      if (!this.#tell(member, { op: 'synced', position: sockets.positionText(member) })) return 'left';
      // Whatever the outlet did from within its write, a member goes live where the feed is, or not yet.
      const offsets = offsetsOf(member.cursors ?? []);
      if (!hasReached(offsets, head.heads) || !hasReached(head.heads, offsets)) return 'more';
    }
    members.goLive(member);
    return 'left';
  }

  /** Where the view no longer holds what the position asks for, or the member is too slow for all of it, that is said first. */
  #judge(member: Member, cursors: Cursor[]): Step | undefined {
    const { head, view } = this.#setup;
    for (const [partition, { base, conflateTo, offset }] of cursors.entries()) {
      const to = head.heads[partition] as number;
      if (base === undefined && offset >= to) continue;
      if ((base ?? offset) < view.tombstoneFloor(partition)) {
        const requested = cursorsPosition(head.epoch, member.group.identity.filterHash, cursors);
        member.resetOwed = { reason: 'collected', requested };
        return 'more';
      }
      const isComplete = base === undefined && conflateTo === undefined;
      if (isComplete && offset < view.historyFloor(partition)) return this.#conflate(member, [partition]);
    }
    if (!this.#isTooFarBehind(member, cursors)) return undefined;
    return this.#conflate(
      member,
      cursors.flatMap(({ offset }, partition) => (offset < (head.heads[partition] as number) ? [partition] : [])),
    );
  }

  #isTooFarBehind(member: Member, cursors: readonly Cursor[]): boolean {
    if (member.group.matched - member.matched <= this.#setup.catchUpChangesMax || !isPlain(cursors)) return false;
    const offsets = offsetsOf(cursors);
    // What a resume began with stays complete; and who is still in the ring is handed it, which is cheaper for all.
    return hasReached(offsets, member.completeTo) && member.group.ring.after(offsets) === 'missing';
  }

  #conflate(member: Member, partitions: readonly number[]): Step {
    const { head, sockets } = this.#setup;
    const cursors = member.cursors as Cursor[];
    const from = sockets.positionText(member);
    const target = cursors.map((cursor) => ({ ...cursor }));
    for (const partition of partitions) {
      const to = head.heads[partition] as number;
      (target[partition] as Cursor).offset = to;
      (cursors[partition] as Cursor).conflateTo = to;
    }
    member.walk = undefined;
    member.isWalkRefused = false;
    member.isSyncedOwed = true;
    if (isPlain(target.map((cursor) => ({ ...cursor, conflateTo: undefined })))) member.matched = member.group.matched;
    const to = cursorsText(head.epoch, member.group.identity.filterHash, target);
    return this.#tell(member, { op: 'conflated', from, to }) ? 'more' : 'left';
  }

  /** The next chunk of the group's ring, or a jump over what did not concern it. */
  #fromRing(member: Member, cursors: Cursor[]): Step | undefined {
    const held = member.group.ring.after(offsetsOf(cursors));
    if (held === 'missing') return undefined;
    const to = held === 'end' ? this.#setup.head.heads : held.to;
    // A plan that was under way is for changes that the ring has now delivered, or jumped over.
    member.walk = undefined;
    if (held !== 'end' && hasReached(held.from, member.completeTo)) member.matched += held.count;
    for (const [partition, cursor] of cursors.entries())
      cursor.offset = Math.max(cursor.offset, to[partition] as number);
    return held === 'end' || this.#setup.sockets.send(member, held.chunk) ? 'more' : 'left';
  }

  #tell(member: Member, event: ControlEvent): boolean {
    return this.#setup.sockets.send(member, member.group.control(member, event, this.#setup.view.epochs));
  }

  #pager(): Pager {
    const { bounds, head, sockets, view } = this.#setup;
    return { view, head, sockets, bounds };
  }
}
