/**
 * Watchers of the same filter, codec and grants. It stands between the tick, which hands it the changes that match, and its
 * members, who all get the same buffers. It does not write to sockets and does not read the view.
 *
 * Invariant: each of its members is in exactly one of `live` and `behind`.
 */
import type { ControlEvent } from '@latchkey/client';
import type { Access, Principal } from '../shared/access.ts';
import { type Change, payloadBytes } from '../shared/change.ts';
import type { EpochTable } from '../shared/epochs.ts';
import type { Bounds } from './bounds.ts';
import type { CanonicalFilter } from './canonical-filter.ts';
import type { Codec, CodecContext } from './feed.ts';
import type { Heads } from './heads.ts';
import type { Member } from './member.ts';
import { type Chunk, makeChunk, type PinnedBytes } from './pinned-bytes.ts';
import { Ring } from './ring.ts';

// What a change takes on the wire beside its key and value: version, times, position.
const CHANGE_OVERHEAD_BYTES = 160;

export interface GroupIdentity {
  /** Everything that makes watchers alike, as one text. */
  readonly name: string;
  readonly ref: string;
  readonly filter: CanonicalFilter;
  readonly filterHash: string;
  readonly codec: Codec;
  readonly withValues: boolean;
  /** Any member's: their grants are the same. */
  readonly principal: Principal;
  /** Undefined where everything is open, so that no change has to be asked for. */
  readonly access: Access | undefined;
}

export interface LiveChunk {
  readonly chunk: Chunk;
  readonly to: Heads;
  /** `Group.matched` behind it. */
  readonly matched: number;
}

export class Group {
  readonly identity: GroupIdentity;
  readonly live = new Set<Member>();
  readonly behind = new Set<Member>();
  readonly ring: Ring;
  /** How many changes the feed has had for this group, for telling how far a member is behind. */
  matched = 0;
  readonly #bounds: Bounds;
  #queue: Change[] = [];
  #texts: string[] = [];
  #heads: Heads[] = [];
  #context: CodecContext | undefined;

  constructor(identity: GroupIdentity, pinned: PinnedBytes, bounds: Bounds, from: Heads) {
    this.identity = identity;
    this.#bounds = bounds;
    this.ring = new Ring(pinned, bounds, from);
  }

  get isEmpty(): boolean {
    return this.live.size + this.behind.size === 0;
  }

  isGranted(key: string): boolean {
    const { access, principal } = this.identity;
    return access?.allowed(principal, 'watch', key) !== false;
  }

  wants(change: Change): boolean {
    return this.identity.filter.matches(change.key) && this.isGranted(change.key);
  }

  /** Queues a change of the running tick. False: it was there already, for another reason of the same filter. */
  queue(change: Change, text: string, heads: Heads): boolean {
    if (this.#queue.at(-1) === change) return false;
    this.#queue.push(change);
    this.#texts.push(`${text};${this.identity.filterHash}`);
    this.#heads.push(heads);
    return true;
  }

  /** Encodes what was queued, once; `to` is the head behind the tick. Nothing where nobody could take it. */
  flush(epochs: EpochTable, to: Heads): readonly LiveChunk[] {
    const [changes, texts, heads] = [this.#queue, this.#texts, this.#heads];
    this.#queue = [];
    this.#texts = [];
    this.#heads = [];
    const { isShared } = this.identity.codec;
    const isWanted = this.live.size > 0 || (isShared && this.behind.size > 0);
    // With its only member the group goes too, so nobody could resume from its ring; what follows a fall within this tick is kept.
    const isAlone = this.live.size === 1 && this.behind.size === 0;
    const chunks: LiveChunk[] = [];
    for (let start = 0; start < changes.length && isWanted; ) {
      const end = chunkEnd(changes, start, this.identity.withValues, this.#bounds.chunkBytesMax);
      const isLast = end === changes.length;
      const part = start === 0 && isLast ? changes : changes.slice(start, end);
      const partTexts = start === 0 && isLast ? texts : texts.slice(start, end);
      const chunk = makeChunk(this.identity.codec.live(part, partTexts, this.context(epochs)), part.length);
      const at = isLast ? to : (heads[end - 1] as Heads);
      if (isShared && !(isAlone && start === 0 && isLast)) this.#keep(chunk, part, heads[start] as Heads, at);
      chunks.push({ chunk, to: at, matched: this.matched + end });
      start = end;
    }
    this.matched += changes.length;
    // Frames that are only for the live ones can't be handed to those who catch up.
    if (!isShared || (isAlone && chunks.length === 1)) this.ring.restart(to);
    return chunks;
  }

  /** What was queued can't be handed on: the ring begins anew behind it. */
  abandon(to: Heads): void {
    this.#queue = [];
    this.#texts = [];
    this.#heads = [];
    this.ring.restart(to);
  }

  context(epochs: EpochTable): CodecContext {
    if (this.#context?.epochs !== epochs) {
      const { ref, filterHash, withValues } = this.identity;
      this.#context = { epochs, ref, filterHash, withValues };
    }
    return this.#context;
  }

  control(member: Member, event: ControlEvent, epochs: EpochTable): Chunk {
    return makeChunk(this.identity.codec.control(member.outlet.id, event, this.context(epochs)), 0);
  }

  #keep(chunk: Chunk, changes: readonly Change[], begins: Heads, to: Heads): void {
    const first = to.map(() => Number.POSITIVE_INFINITY);
    for (const { partition, offset } of changes) {
      if (offset < (first[partition] as number)) first[partition] = offset;
    }
    this.ring.push({ chunk, from: this.ring.end, first, begins, to, count: changes.length });
  }
}

/** Bytes that a change is counted with when chunks and pages are cut. */
export function changeWeight(change: Change, withValues: boolean): number {
  const value = withValues ? change.value : undefined;
  return CHANGE_OVERHEAD_BYTES + change.key.length + (value === undefined ? 0 : payloadBytes(value));
}

function chunkEnd(changes: readonly Change[], start: number, withValues: boolean, bytesMax: number): number {
  if (start + 1 === changes.length) return changes.length;
  let bytes = 0;
  for (let index = start; index < changes.length; index += 1) {
    bytes += changeWeight(changes[index] as Change, withValues);
    if (bytes > bytesMax && index > start) return index;
  }
  return changes.length;
}
