/**
 * The one place where durable changes meet the watchers. It stands between the view, which announces changes as they become
 * durable, and the groups; the idle feed delivers in the same turn, and the longer a fan-out takes, the longer the next waits and
 * the more it carries. It does not read the view's changes and knows nothing of members that are behind.
 *
 * Invariant: every change beyond the feed's head that was announced is in `#pending`, in offset order, and nowhere else.
 */
import type { Position } from '@latchkey/client';
import type { Change } from '../shared/change.ts';
import type { Clock } from '../shared/clock.ts';
import type { ReportFault } from '../shared/logger.ts';
import type { View } from '../view/view.ts';
import type { FeedHead } from './feed-head.ts';
import type { Group } from './group.ts';
import { type Heads, headsPosition, headsText } from './heads.ts';
import type { Members } from './members.ts';
import type { Sockets } from './sockets.ts';

/** A fan-out shorter than this is not worth waiting for. */
const IDLE_MS = 0.05;

export interface TickSetup {
  readonly view: View;
  readonly head: FeedHead;
  readonly members: Members;
  readonly sockets: Sockets;
  readonly clock: Clock;
  readonly reportFault: ReportFault;
  readonly tickMaxMs: number;
  readonly pendingMax: number;
  /** The log went on in another epoch; `before` is where live members stood. */
  readonly onEpoch: (before: Position) => void;
  /** The view skipped: live members stand at `before`, and what came since is in the view only. */
  readonly onSkipped: (before: Heads) => void;
  /** The feed's head moved. */
  readonly onMoved: () => void;
  /** Whether bytes are being handed out right now, so that a tick must not come in between. */
  readonly isBusy: () => boolean;
}

export class Tick {
  readonly #setup: TickSetup;
  #pending: Change[] = [];
  #announced: number[];
  #isRunning = false;
  #isScheduled = false;
  #timer: NodeJS.Timeout | undefined;
  #notBeforeMs = 0;

  constructor(setup: TickSetup) {
    this.#setup = setup;
    this.#announced = [...setup.head.heads];
  }

  get isRunning(): boolean {
    return this.#isRunning;
  }

  get hasPending(): boolean {
    return this.#pending.length > 0;
  }

  /** Called by the view, in the turn in which the changes became durable. Never throws. */
  announce(changes: readonly Change[]): void {
    this.#checkEpoch();
    for (const change of changes) {
      // The view announced it in the head it had when the feed was made, or took it over since.
      if (change.offset <= (this.#announced[change.partition] as number)) continue;
      this.#announced[change.partition] = change.offset;
      this.#pending.push(change);
    }
    if (this.#pending.length === 0) return;
    if (this.#pending.length >= this.#setup.pendingMax && !this.#isRunning && !this.#setup.isBusy()) this.run();
    else this.#schedule();
  }

  /** Takes over offsets without changes; only in a turn of its own. */
  refresh(): void {
    this.#checkEpoch();
    if (this.#pending.length > 0 || this.#isRunning) return;
    const { head, onMoved } = this.#setup;
    const before = head.heads;
    head.refresh();
    if (head.heads === before) return;
    this.#announced = [...head.heads];
    onMoved();
  }

  /** The view moved on without telling what changed. Only in a turn of its own. */
  skip(): void {
    this.run();
    // What came from within an outlet's write is in the view too.
    this.#pending = [];
    this.#checkEpoch();
    const { head, onMoved, onSkipped } = this.#setup;
    const before = head.heads;
    head.refresh();
    if (head.heads === before) return;
    this.#announced = [...head.heads];
    onSkipped(before);
    onMoved();
  }

  run(): void {
    this.#isScheduled = false;
    if (this.#isRunning || this.#pending.length === 0) return;
    this.#checkEpoch();
    const { clock, head, onMoved, sockets, tickMaxMs } = this.#setup;
    const startMs = clock.monotonicMs();
    this.#isRunning = true;
    const failed = new Set<Group>();
    const touched = this.#collect(failed);
    for (const group of touched) this.#deliver(group, failed);
    for (const group of failed) this.#giveUp(group);
    head.deliver();
    this.#isRunning = false;
    sockets.endStalled();
    onMoved();
    const endMs = clock.monotonicMs();
    this.#notBeforeMs = endMs + Math.min(tickMaxMs, endMs - startMs);
    if (this.#pending.length > 0) this.#schedule();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#pending = [];
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    const waitMs = this.#notBeforeMs - this.#setup.clock.monotonicMs();
    const run = () => this.run();
    // A microtask runs in this turn, but behind all that the view announces in it.
    if (waitMs <= IDLE_MS) queueMicrotask(run);
    else if (waitMs < 1) setImmediate(run);
    else this.#timer = setTimeout(run, waitMs);
  }

  #checkEpoch(): void {
    const { head, onEpoch } = this.#setup;
    const before = headsPosition(head.epoch, head.heads);
    const holdsTo = head.takeNewEpoch();
    if (holdsTo === undefined) return;
    this.#announced = this.#announced.map((offset, partition) => Math.min(offset, holdsTo[partition] as number));
    this.#pending = this.#pending.filter(({ partition, offset }) => offset <= (holdsTo[partition] as number));
    onEpoch(before);
  }

  /** Gives each pending change to the groups that want it, and moves what the groups were asked for to the last one. */
  #collect(failed: Set<Group>): Set<Group> {
    const { head, members } = this.#setup;
    const changes = this.#pending;
    this.#pending = [];
    const touched = new Set<Group>();
    const wanting: Group[] = [];
    const running = [...head.heads];
    for (const change of changes) {
      running[change.partition] = change.offset;
      wanting.length = 0;
      members.index.collect(change.key, wanting);
      if (wanting.length === 0) continue;
      const heads: Heads = running.length === 1 ? [change.offset] : [...running];
      const text = headsText(head.epoch, heads);
      for (const group of wanting) {
        if (this.#isGranted(group, change.key, failed) && group.queue(change, text, heads)) touched.add(group);
      }
    }
    head.collect(running);
    return touched;
  }

  // An access rule or codec that throws must cost its own group only.
  #isGranted(group: Group, key: string, failed: Set<Group>): boolean {
    if (failed.has(group)) return false;
    try {
      return group.isGranted(key);
    } catch (error) {
      this.#fail(group, failed, error);
      return false;
    }
  }

  #deliver(group: Group, failed: Set<Group>): void {
    if (failed.has(group)) return;
    const { head, sockets, view } = this.#setup;
    try {
      const chunks = group.flush(view.epochs, head.collected);
      if (chunks.length === 0) return;
      for (const member of group.live) {
        for (const { chunk, to, matched } of chunks) {
          if (!sockets.send(member, chunk, to, matched)) break;
        }
      }
    } catch (error) {
      this.#fail(group, failed, error);
    }
  }

  #fail(group: Group, failed: Set<Group>, error: unknown): void {
    failed.add(group);
    this.#setup.reportFault('feed', error);
  }

  // Its live members were not handed everything: they are ended, and resume from what they were handed.
  #giveUp(group: Group): void {
    group.abandon(this.#setup.head.collected);
    for (const member of group.live) this.#setup.sockets.end(member, 'closing');
  }
}
