/**
 * What a subscription has heard and nobody has taken yet, in the order of hearing. It stands between a subscription, which never
 * waits, and the log, which may take its time. Nothing leaves it unseen: where it must forget messages, and where the subscription
 * was interrupted, a gap with its times stands in their place.
 *
 * Invariant: it holds at most `countMax` messages and `bytesMax` bytes of them, and no two gaps in a row.
 */
import type { SourceGap } from './source.ts';

export interface HeardMessage {
  readonly kind: 'message';
  readonly channel: string;
  readonly body: Buffer;
  /** When it was heard: microseconds since 1970. */
  readonly micros: number;
}

/** A time in which something may have been missed, at its place among the messages. */
export interface HeardGap extends SourceGap {
  readonly kind: 'gap';
}

export type Heard = HeardMessage | HeardGap;

export interface InboxBounds {
  readonly countMax: number;
  readonly bytesMax: number;
}

const MESSAGE_OVERHEAD_BYTES = 200;
/** Taken entries are let go of in one go when there are so many. */
const COMPACT_AT = 1024;

export class Inbox {
  readonly #bounds: InboxBounds;
  #entries: Heard[] = [];
  #first = 0;
  #messages = 0;
  #bytes = 0;

  constructor(bounds: InboxBounds) {
    this.#bounds = bounds;
  }

  /** Messages that wait. */
  get size(): number {
    return this.#messages;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get isEmpty(): boolean {
    return this.#first === this.#entries.length;
  }

  /** When the oldest message that waits was heard; undefined where none does. */
  get oldestMicros(): number | undefined {
    if (this.#messages === 0) return undefined;
    const first = this.#entries[this.#first] as Heard;
    const oldest = first.kind === 'message' ? first : this.#entries[this.#first + 1];
    return oldest?.kind === 'message' ? oldest.micros : undefined;
  }

  get beginsWithGap(): boolean {
    return !this.isEmpty && (this.#entries[this.#first] as Heard).kind === 'gap';
  }

  entries(): readonly Heard[] {
    return this.#entries.slice(this.#first);
  }

  /** Beyond the bounds the oldest messages become a gap: `reason` says why. */
  hear(message: HeardMessage, reason: string): void {
    this.#entries.push(message);
    this.#count(message, 1);
    const { bytesMax, countMax } = this.#bounds;
    while (this.#messages > countMax || (this.#bytes > bytesMax && this.#messages > 1)) this.#forgetOldest(reason);
  }

  /** Nobody knows what was published then. */
  miss(gap: SourceGap): void {
    const last = this.isEmpty ? undefined : this.#entries.at(-1);
    if (last?.kind === 'gap') this.#entries[this.#entries.length - 1] = joined(last, gap);
    else this.#entries.push({ ...gap, kind: 'gap' });
  }

  /** Takes out what comes first: a gap alone, or messages up to the next gap and the bounds. */
  takeOut(countMax: number, bytesMax: number): readonly Heard[] {
    const out: Heard[] = [];
    let bytes = 0;
    while (this.#first < this.#entries.length) {
      const entry = this.#entries[this.#first] as Heard;
      if (entry.kind === 'gap' && out.length > 0) break;
      bytes += entry.kind === 'gap' ? 0 : entry.body.length;
      if (out.length >= countMax || (out.length > 0 && bytes > bytesMax)) break;
      out.push(entry);
      this.#dropFirst();
      if (entry.kind === 'gap') break;
    }
    return out;
  }

  /** What was taken out and not taken comes first again. */
  putBack(entries: readonly Heard[]): void {
    if (entries.length === 0) return;
    this.#entries = [...entries, ...this.#entries.slice(this.#first)];
    this.#first = 0;
    for (const entry of entries) this.#count(entry, 1);
  }

  /** The first `count` entries are somebody else's, or have been taken. */
  discard(count: number): void {
    for (let left = Math.min(count, this.#entries.length - this.#first); left > 0; left -= 1) this.#dropFirst();
  }

  /** Of a gap that comes first only what is after that time was missed; undefined: nothing of it. */
  missedOnlySince(micros: number | undefined): void {
    const first = this.#entries[this.#first];
    if (first?.kind !== 'gap') return;
    if (micros === undefined || first.to <= micros) this.#dropFirst();
    else this.#entries[this.#first] = { ...first, from: Math.max(first.from, micros) };
  }

  /** Messages heard before that time become a gap, so that one who stands by holds no more than it could need. */
  forgetBefore(micros: number, reason: string): void {
    for (;;) {
      const oldest = this.oldestMicros;
      if (oldest === undefined || oldest >= micros) return;
      this.#forgetOldest(reason);
    }
  }

  #forgetOldest(reason: string): void {
    const first = this.#entries[this.#first] as Heard;
    this.#dropFirst();
    if (first.kind === 'message') {
      this.#unshiftGap({ from: first.micros, to: first.micros, reason, kind: 'gap' });
      return;
    }
    const next = this.#entries[this.#first] as HeardMessage;
    this.#dropFirst();
    this.#unshiftGap(joined(first, { from: next.micros, to: next.micros, reason }));
  }

  /** There is room for it: an entry was just dropped. */
  #unshiftGap(gap: HeardGap): void {
    const next = this.isEmpty ? undefined : this.#entries[this.#first];
    if (next?.kind === 'gap') this.#entries[this.#first] = joined(gap, next);
    else {
      this.#first -= 1;
      this.#entries[this.#first] = gap;
    }
  }

  #dropFirst(): void {
    this.#count(this.#entries[this.#first] as Heard, -1);
    this.#first += 1;
    if (this.#first < COMPACT_AT || this.#first * 2 < this.#entries.length) return;
    // One place is kept free for the gap that may come in place of what was dropped.
    this.#entries = this.#entries.slice(this.#first - 1);
    this.#first = 1;
  }

  #count(entry: Heard, by: 1 | -1): void {
    if (entry.kind === 'gap') return;
    this.#messages += by;
    this.#bytes += by * (entry.body.length + entry.channel.length + MESSAGE_OVERHEAD_BYTES);
  }
}

function joined(earlier: HeardGap, later: SourceGap): HeardGap {
  return {
    kind: 'gap',
    from: Math.min(earlier.from, later.from),
    to: Math.max(earlier.to, later.to),
    reason: earlier.reason === later.reason ? earlier.reason : `${earlier.reason}; ${later.reason}`.slice(0, 300),
  };
}
