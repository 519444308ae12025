/**
 * The feed over one view: makes watches, and puts the parts together that serve them (the tick for live members, catch-up for those
 * behind, the heartbeat for all). It stands between the gateways' codecs and outlets and the view; it keeps no entries.
 *
 * Invariant: every member is in exactly one set of its group, and one that is behind is in exactly one of catch-up's round, its
 * early ones, and the blocked.
 */
import assert from 'node:assert/strict';
import { formatPosition, LatchkeyError, type Position } from '@latchkey/client';
import type { FeedSettings, Limits } from '../config/settings.ts';
import { type Access, openAccess } from '../shared/access.ts';
import type { Clock } from '../shared/clock.ts';
import type { Logger, ReportFault } from '../shared/logger.ts';
import type { View } from '../view/view.ts';
import { BOUNDS, type Bounds } from './bounds.ts';
import { canonicalFilter, filterHash } from './canonical-filter.ts';
import { CatchUp } from './catch-up.ts';
import { cursorAt, cursorsPosition, isPlain } from './cursor.ts';
import type { Feed, Outlet, Watch, WatchRequest } from './feed.ts';
import { FeedHead } from './feed-head.ts';
import type { Group } from './group.ts';
import type { Heads } from './heads.ts';
import { Heartbeat } from './heartbeat.ts';
import type { Member } from './member.ts';
import { Members } from './members.ts';
import { PinnedBytes } from './pinned-bytes.ts';
import { startOf } from './resume.ts';
import { Sockets } from './sockets.ts';
import { Tick } from './tick.ts';

export interface FeedSetup {
  readonly view: View;
  readonly access: Access;
  readonly settings: { readonly feed: FeedSettings; readonly limits: Limits };
  readonly clock: Clock;
  /** The log's id of this process's run, told in `opened`. */
  readonly node: string;
  readonly logger: Logger;
  readonly reportFault: ReportFault;
  /** 0 ≤ x < 1. */
  readonly random: () => number;
  readonly bounds?: Partial<Bounds>;
}

/** `bye` spreads the way back over a millisecond per watcher, between these. */
const BYE_SPREAD_MIN_MS = 500;
const BYE_SPREAD_MAX_MS = 10_000;

/** Also gives tests the means to check the invariants. */
export interface CheckedFeed extends Feed {
  checkInvariants(): void;
  /** Bytes of chunks that rings and stalled sockets hold. */
  readonly pinnedBytes: number;
}

export function makeFeed(setup: FeedSetup): CheckedFeed {
  return new LiveFeed(setup);
}

class LiveFeed implements CheckedFeed {
  readonly #setup: FeedSetup;
  readonly #head: FeedHead;
  readonly #members: Members;
  readonly #sockets: Sockets;
  readonly #tick: Tick;
  readonly #catchUp: CatchUp;
  readonly #heartbeat: Heartbeat;
  readonly #unsubscribe: () => void;
  #isClosing = false;

  constructor(setup: FeedSetup) {
    this.#setup = setup;
    const { clock, random, reportFault, view } = setup;
    const { catchUpChangesMax, pinnedBytesMax, progressIntervalMs, stalledTimeoutMs, tickMaxMs } = setup.settings.feed;
    const bounds = { ...BOUNDS, ...setup.bounds };
    const head = new FeedHead(view);
    const members = new Members(head, new PinnedBytes(pinnedBytesMax), bounds, (member) => {
      this.#catchUp.forget(member);
      this.#heartbeat.remove(member);
    });
    const onReady = (member: Member) => this.#catchUp.add(member);
    const onBlocked = (member: Member) => this.#catchUp.forget(member);
    const sockets = new Sockets({ members, head, view, clock, reportFault, stalledTimeoutMs, onReady, onBlocked });
    const refresh = () => this.#tick.refresh();
    this.#catchUp = new CatchUp({
      view,
      head,
      members,
      sockets,
      clock,
      reportFault,
      catchUpChangesMax,
      bounds,
      refresh,
    });
    this.#tick = new Tick({
      ...{ view, head, members, sockets, clock, reportFault, tickMaxMs, pendingMax: bounds.pendingMax },
      onEpoch: (before) => this.#changeEpoch(before),
      onSkipped: (before) => this.#readOn(before),
      onMoved: () => this.#catchUp.moved(),
      isBusy: () => sockets.isWriting || this.#catchUp.isRunning,
    });
    this.#heartbeat = new Heartbeat(progressIntervalMs, random, (slot) => this.#beat(slot));
    this.#head = head;
    this.#members = members;
    this.#sockets = sockets;
    const stops = [
      view.onDurable((changes) => this.#tick.announce(changes)),
      view.onSkipped?.(() => this.#tick.skip()),
    ];
    this.#unsubscribe = () => {
      for (const stop of stops) stop?.();
    };
  }

  get pinnedBytes(): number {
    return this.#members.pinned.total;
  }

  watch(request: WatchRequest, outlet: Outlet): Watch {
    if (this.#isClosing)
      throw new LatchkeyError('closing', 'The server is stopping; watch again, here or at another node.');
    const group = this.#group(request);
    let start: ReturnType<typeof startOf>;
    try {
      start = startOf(request.from, group.identity.filterHash, this.#setup.view);
    } catch (error) {
      this.#members.dissolveIfEmpty(group);
      throw error;
    }
    const member = this.#members.join(outlet, group, start);
    this.#heartbeat.add(member);
    if (this.#open(member)) this.#catchUp.add(member);
    return {
      ref: group.identity.ref,
      position: () => this.#sockets.position(member),
      drained: () => this.#sockets.drained(member),
      close: () => this.#members.leave(member),
    };
  }

  counts(): ReturnType<Feed['counts']> {
    return this.#members.counts();
  }

  delivered(): number {
    return this.#sockets.delivered;
  }

  close(): Promise<void> {
    if (this.#isClosing) return Promise.resolve();
    this.#isClosing = true;
    this.#tick.run();
    this.#unsubscribe();
    this.#tick.stop();
    this.#sayByeToAll();
    this.#heartbeat.stop();
    return Promise.resolve();
  }

  sendAway(): void {
    if (this.#isClosing) return;
    this.#tick.run();
    this.#sayByeToAll();
  }

  /** Called by tests after anything happened. */
  checkInvariants(): void {
    const counts = { watchers: 0, groups: 0, behind: 0 };
    for (const group of this.#members.groups()) {
      counts.groups += 1;
      counts.watchers += group.live.size + group.behind.size;
      counts.behind += group.behind.size;
      assert.ok(!group.isEmpty, 'a group without members is dissolved');
      for (const member of group.live) {
        assert.ok(!group.behind.has(member) && !member.isBlocked && member.cursors === undefined && !member.isClosed);
        assert.equal(this.#catchUp.holds(member), undefined);
      }
      for (const member of group.behind) {
        assert.ok(member.cursors !== undefined && !member.isClosed);
        const isHeld = this.#catchUp.holds(member) !== undefined;
        assert.equal(member.isBlocked, this.#members.blocked.has(member));
        assert.notEqual(isHeld, member.isBlocked, 'who is behind either waits for its socket or has its turn');
      }
    }
    assert.deepEqual(this.counts(), counts);
    assert.equal(this.#members.index.isEmpty, counts.groups === 0);
  }

  #group(request: WatchRequest): Group {
    const { codec, principal, withValues } = request;
    const { settings } = this.#setup;
    const filter = canonicalFilter(request.filter, settings.limits);
    const access = this.#setup.access === openAccess ? undefined : this.#setup.access;
    for (const key of filter.keys) {
      if (access?.allowed(principal, 'watch', key) !== false) continue;
      throw new LatchkeyError('forbidden', `${principal.id} may not watch the key ${JSON.stringify(key)}.`, {
        field: 'keys',
      });
    }
    const grants = access?.grants(principal) ?? '';
    const name = JSON.stringify([codec.name, withValues, filter.text, grants]);
    const hash = filterHash(filter, grants);
    return this.#members.group({ name, filter, filterHash: hash, codec, withValues, principal, access });
  }

  #open(member: Member): boolean {
    const { epoch } = this.#head;
    const { node, view } = this.#setup;
    const { group } = member;
    const position = this.#sockets.positionText(member);
    const cursors = member.cursors ?? [];
    const opened = { op: 'opened', position, epoch, node } as const;
    if (member.resetOwed !== undefined || isPlain(cursors)) {
      return this.#sockets.send(member, group.control(member, opened, view.epochs));
    }
    const ends = cursors.map(({ base, offset }) => cursorAt(base ?? offset));
    const snapshotTo = formatPosition(cursorsPosition(epoch, group.identity.filterHash, ends));
    return this.#sockets.send(member, group.control(member, { ...opened, snapshotTo }, view.epochs));
  }

  #beat(slot: Iterable<Member>): void {
    this.#tick.refresh();
    for (const member of slot) {
      if (!member.isBlocked) this.#sayProgress(member);
    }
    this.#sockets.endStalled();
  }

  #sayProgress(member: Member): boolean {
    const { group, resetOwed } = member;
    // Its position would be the one it is about to be told to forget.
    if (resetOwed !== undefined) return true;
    const position = this.#sockets.positionText(member);
    const chunk = group.control(member, { op: 'progress', position }, this.#setup.view.epochs);
    return this.#sockets.send(member, chunk, this.#head.heads, group.matched);
  }

  #sayByeToAll(): void {
    const spreadMs = Math.min(BYE_SPREAD_MAX_MS, Math.max(BYE_SPREAD_MIN_MS, this.counts().watchers));
    for (const member of [...this.#members.all()]) this.#sayBye(member, Math.round(this.#setup.random() * spreadMs));
  }

  #sayBye(member: Member, afterMs: number): void {
    // The last id a watcher sees is then where it really is.
    if (!member.isBlocked && this.#sayProgress(member)) {
      this.#sockets.send(member, member.group.control(member, { op: 'bye', afterMs }, this.#setup.view.epochs));
    }
    this.#sockets.end(member, 'closing');
  }

  /** Changes came that nobody was told of: rings begin anew behind them, and whoever was live reads them in the view. */
  #readOn(before: Heads): void {
    for (const group of this.#members.groups()) {
      for (const member of [...group.live]) {
        this.#members.fallBehind(member, before, group.matched);
        this.#catchUp.add(member);
      }
      group.ring.restart(this.#head.heads);
    }
  }

  /** Whoever stands beyond what the epoch before holds has seen what is gone: it starts anew. */
  #changeEpoch(before: Position): void {
    const { view } = this.#setup;
    for (const group of this.#members.groups()) group.ring.restart(this.#head.heads);
    for (const member of this.#members.all()) {
      const { cursors, group } = member;
      if (member.resetOwed !== undefined) continue;
      const hash = group.identity.filterHash;
      const requested =
        cursors === undefined ? { ...before, filterHash: hash } : cursorsPosition(before.epoch, hash, cursors);
      if (view.epochs.holdsPosition(requested)) continue;
      this.#members.fallBehind(member, this.#head.heads, group.matched);
      member.resetOwed = { reason: 'epoch', requested };
      if (!member.isBlocked) this.#catchUp.add(member);
    }
  }
}
