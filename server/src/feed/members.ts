/**
 * Who watches what, and in which set. It stands between the feed's parts, which all move members through it; it writes nothing.
 *
 * Invariant: every member is in exactly one of its group's `live` and `behind`, live ones have no cursors and are not blocked,
 * blocked ones stand in `blocked` in the order in which they were blocked, and every group that is not empty is in the index.
 */
import type { Bounds } from './bounds.ts';
import { cursorAt } from './cursor.ts';
import type { Outlet } from './feed.ts';
import type { FeedHead } from './feed-head.ts';
import { FilterIndex } from './filter-index.ts';
import { Group, type GroupIdentity } from './group.ts';
import type { Heads } from './heads.ts';
import { Member, type Start } from './member.ts';
import type { Chunk, PinnedBytes } from './pinned-bytes.ts';

export class Members {
  readonly index = new FilterIndex<Group>();
  readonly blocked = new Set<Member>();
  readonly pinned: PinnedBytes;
  readonly #head: FeedHead;
  readonly #bounds: Bounds;
  readonly #onLeave: (member: Member) => void;
  readonly #groups = new Map<string, Group>();
  #refs = 0;
  #count = 0;
  #behind = 0;

  constructor(head: FeedHead, pinned: PinnedBytes, bounds: Bounds, onLeave: (member: Member) => void) {
    this.#head = head;
    this.#bounds = bounds;
    this.#onLeave = onLeave;
    this.pinned = pinned;
  }

  counts(): { readonly watchers: number; readonly groups: number; readonly behind: number } {
    return { watchers: this.#count, groups: this.#groups.size, behind: this.#behind };
  }

  /** The group of that name; a new one gets the next `ref`. */
  group(identity: Omit<GroupIdentity, 'ref'>): Group {
    const known = this.#groups.get(identity.name);
    if (known !== undefined) return known;
    this.#refs += 1;
    // Within a tick the head lags behind what groups were already asked for: a ring that began there would have a hole.
    const group = new Group({ ...identity, ref: `g${this.#refs}` }, this.pinned, this.#bounds, this.#head.collected);
    this.#groups.set(identity.name, group);
    this.index.add(identity.filter, group);
    return group;
  }

  join(outlet: Outlet, group: Group, start: Start): Member {
    const member = new Member(outlet, group, start);
    group.behind.add(member);
    this.#count += 1;
    this.#behind += 1;
    return member;
  }

  /** MUST be called in the turn in which the member's cursors equal the feed's head, outside of a tick. */
  goLive(member: Member): void {
    member.group.behind.delete(member);
    member.group.live.add(member);
    member.cursors = undefined;
    member.walk = undefined;
    this.#behind -= 1;
  }

  /** `at` is the end of the last chunk handed to the socket, `matched` the group's count there. */
  fallBehind(member: Member, at: Heads, matched: number): void {
    if (!member.group.live.delete(member)) return;
    member.group.behind.add(member);
    member.cursors = at.map(cursorAt);
    member.completeTo = at;
    member.matched = matched;
    this.#behind += 1;
  }

  block(member: Member, by: Chunk, nowMs: number): void {
    member.blockedBy = by;
    member.blockedAtMs = nowMs;
    this.pinned.pin(by);
    this.blocked.add(member);
  }

  unblock(member: Member): void {
    if (member.blockedBy === undefined) return;
    this.pinned.unpin(member.blockedBy);
    member.blockedBy = undefined;
    this.blocked.delete(member);
  }

  /** Idempotent. */
  leave(member: Member): void {
    if (member.isClosed) return;
    // Its last position is kept, for whoever still asks the watch for it.
    if (member.cursors === undefined) this.fallBehind(member, this.#head.heads, member.group.matched);
    member.isClosed = true;
    member.walk = undefined;
    this.unblock(member);
    const { group } = member;
    group.behind.delete(member);
    this.#behind -= 1;
    this.#count -= 1;
    this.#onLeave(member);
    this.dissolveIfEmpty(group);
  }

  *all(): Iterable<Member> {
    for (const group of [...this.#groups.values()]) yield* [...group.live, ...group.behind];
  }

  *groups(): Iterable<Group> {
    yield* this.#groups.values();
  }

  dissolveIfEmpty(group: Group): void {
    if (!group.isEmpty) return;
    this.#groups.delete(group.identity.name);
    this.index.remove(group.identity.filter, group);
    group.ring.restart(this.#head.heads);
  }
}
