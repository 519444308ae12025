/**
 * The watches of one WebSocket connection. Frames of a group go over the connection once, for all of its watches that the client
 * was told are attached; this keeps what the client was told, and takes nothing from the feed on trust that could show a client
 * a change twice.
 *
 * A watch is attached from its `synced` on. It is detached, and the client told, before anything of its group goes out that it
 * may already have: when its own next frame is not the group's, or when the group's goes out after this watch was refused bytes.
 *
 * Invariant: a watch is in its group's `members` exactly while the client takes it for attached.
 */
import { formatPosition, LatchkeyError } from '@latchkey/client';
import type { Feed, Outlet, Watch, WatchRequest } from '../feed/feed.ts';
import { behindFrame, frameKind, ownFrame, refOf } from './websocket-codec.ts';
import { SharedFrames, type SharedMember } from './websocket-shared-frames.ts';

/** Where frames go. */
export interface FrameWriter {
  /** After the connection's end it is dropped. */
  write(frame: Buffer): void;
  /** Over the high-water mark: `drained` follows. */
  isFull(): boolean;
  /** The feed ended one of the watches. */
  onEnded(code: 'closing' | 'stalled'): void;
}

export class WebsocketWatches {
  readonly #writer: FrameWriter;
  readonly #feed: Feed;
  readonly #members = new Map<string, Member>();
  /** As many as its watches have filters: an array costs an idle connection less than a map. */
  readonly #groups: SharedFrames<Member>[] = [];

  constructor(writer: FrameWriter, feed: Feed) {
    this.#writer = writer;
    this.#feed = feed;
  }

  get size(): number {
    return this.#members.size;
  }

  has(id: string): boolean {
    return this.#members.has(id);
  }

  /** @throws LatchkeyError as `Feed.watch`, and `invalid-request` where the id is taken */
  open(id: string, request: WatchRequest): void {
    const member = this.#enter(id);
    try {
      member.watch = this.#feed.watch(request, member);
    } catch (error) {
      this.#members.delete(id);
      throw error;
    }
  }

  /** As `open`, once `reached` has resolved; `gone` is told where nobody waits for it any more. */
  async openWhen(id: string, request: WatchRequest, reached: Promise<void>, gone: AbortController): Promise<void> {
    reached.catch(() => {}); // Told below, unless the id is taken.
    const member = this.#enter(id);
    member.gone = gone;
    try {
      await reached;
      if (this.#members.get(id) === member) member.watch = this.#feed.watch(request, member);
    } catch (error) {
      if (this.#members.get(id) !== member) return;
      this.#members.delete(id);
      throw error;
    }
  }

  /** False where there is no such watch. */
  close(id: string): boolean {
    const member = this.#members.get(id);
    if (member === undefined) return false;
    this.#forget(member);
    member.gone?.abort();
    member.watch?.close();
    return true;
  }

  #enter(id: string): Member {
    if (this.#members.has(id)) {
      const message = `The id ${id} is a watch of this connection already; unwatch it first, or use another id.`;
      throw new LatchkeyError('invalid-request', message, { field: 'id' });
    }
    const member = new Member(id, this);
    this.#members.set(id, member);
    return member;
  }

  closeAll(): void {
    for (const id of [...this.#members.keys()]) this.close(id);
  }

  /** The connection takes bytes again. */
  drained(): void {
    for (const member of [...this.#members.values()]) {
      if (!member.isRefused) continue;
      member.isRefused = false;
      member.watch?.drained();
      // By the feed's contract it is in its group's frames again, unless it was just written `behind`; neither repeats anything.
      if (!member.isRefused) member.isDoubtful = false;
    }
  }

  /** For `Member` alone. */
  write(member: Member, frame: Buffer): boolean {
    if (!this.#members.has(member.id) || frame.length === 0) return true;
    const kind = frameKind(frame);
    if (kind === 'live') return this.#writeLive(member, frame);
    if (kind === 'synced') this.#attach(member, refOf(frame));
    else if (kind === 'own') this.#detach(member);
    else if (kind === 'behind') {
      // The client was told already.
      if (member.group === undefined) return this.#isOpenTo(member);
      this.#leave(member);
    }
    return this.#send(member, frame);
  }

  /** For `Member` alone. */
  end(member: Member, code: 'closing' | 'stalled'): void {
    this.#forget(member);
    this.#writer.onEnded(code);
  }

  #writeLive(member: Member, frame: Buffer): boolean {
    const { group } = member;
    const judged = group?.judge(member, frame);
    if (group !== undefined && judged === 'seen') {
      group.take(member, frame);
      // Nothing was written, so it goes on until it was handed all that the client has; only there may it be told to wait.
      return group.isLevel(member) ? this.#isOpenTo(member) : true;
    }
    if (group === undefined || judged === 'foreign' || member.isDoubtful) {
      // Whatever it missed since it was refused bytes: frames of its own repeat nothing to the others.
      this.#detach(member);
      return this.#send(member, ownFrame(member.id, frame));
    }
    // Its own watch is none of them.
    if (group.members.length > 1)
      for (const other of group.members.filter(({ isDoubtful }) => isDoubtful)) this.#detach(other);
    group.take(member, frame);
    return this.#send(member, frame);
  }

  #attach(member: Member, ref: string): void {
    this.#leave(member);
    let group = this.#groups.find((known) => known.ref === ref);
    if (group === undefined) {
      group = new SharedFrames(ref);
      this.#groups.push(group);
    }
    group.join(member);
    member.group = group;
    member.isDoubtful = false;
  }

  #detach(member: Member): void {
    if (member.group === undefined) return;
    this.#leave(member);
    this.#send(member, behindFrame(member.id, member.position()));
  }

  #leave(member: Member): void {
    const { group } = member;
    if (group === undefined) return;
    group.leave(member);
    member.group = undefined;
    member.isDoubtful = false;
    if (group.members.length === 0) this.#groups.splice(this.#groups.indexOf(group), 1);
  }

  #send(member: Member, frame: Buffer): boolean {
    this.#writer.write(frame);
    return this.#isOpenTo(member);
  }

  #isOpenTo(member: Member): boolean {
    if (!this.#writer.isFull()) return true;
    member.isRefused = true;
    member.isDoubtful = member.group !== undefined;
    return false;
  }

  #forget(member: Member): void {
    this.#members.delete(member.id);
    this.#leave(member);
  }

  /** Asserted by tests. */
  checkInvariants(): void {
    for (const member of this.#members.values()) {
      if (member.group !== undefined && !member.group.members.includes(member))
        throw new Error('attached to a group that lost it');
    }
    for (const group of this.#groups) {
      if (group.members.length === 0) throw new Error('a group without members was kept');
      group.checkInvariants();
      for (const member of group.members) if (member.group !== group) throw new Error('a member of two groups');
    }
  }
}

/** One watch; the feed's outlet. */
class Member implements Outlet, SharedMember {
  readonly id: string;
  readonly #watches: WebsocketWatches;
  /** Absent until it has begun. */
  watch: Watch | undefined;
  /** Aborted where it is closed before. */
  gone: AbortController | undefined;
  group: SharedFrames<Member> | undefined;
  seen = 0;
  /** It was told to wait for `drained`. */
  isRefused = false;
  /** It was refused bytes since it was attached, so the feed may have moved it. */
  isDoubtful = false;

  constructor(id: string, watches: WebsocketWatches) {
    this.id = id;
    this.#watches = watches;
  }

  write(frame: Buffer): boolean {
    return this.#watches.write(this, frame);
  }

  end(code: 'closing' | 'stalled'): void {
    this.#watches.end(this, code);
  }

  position(): string {
    return this.watch === undefined ? '' : formatPosition(this.watch.position());
  }
}
