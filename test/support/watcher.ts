/**
 * A client of the feed without a network: an outlet with a high-water mark, a codec whose bytes a test can read back, and a watcher
 * that folds what it reads, can be cut off at any event, and resumes by the last position it saw.
 */
import assert from 'node:assert/strict';
import { type ControlEvent, type Filter, type Position, parsePosition } from '@latchkey/client';
import type { Codec, Feed, Outlet, Watch } from '../../server/src/feed/feed.ts';
import { ANONYMOUS } from '../../server/src/shared/access.ts';
import type { Change } from '../../server/src/shared/change.ts';

/** What a test codec writes per change. */
export interface SeenChange {
  readonly kind: 'change';
  readonly op: Change['op'];
  readonly key: string;
  readonly partition: number;
  readonly offset: number;
  readonly position: string;
}

export interface SeenControl {
  readonly kind: 'control';
  readonly event: ControlEvent;
  readonly to: string;
}

interface Frame {
  /** `ref` of a group's shared frame, else the id of the one member it is for. */
  readonly ref?: string;
  readonly to?: string;
  readonly changes?: readonly SeenChange[];
  readonly control?: ControlEvent;
}

export type Seen = SeenChange | SeenControl;

/** `lines`: one form for live and behind, as SSE has. `frames`: shared frames and frames of one's own, as WebSocket has. */
export function testCodec(name: 'lines' | 'frames'): Codec {
  const isShared = name === 'lines';
  const encode = (frame: Frame) => Buffer.from(`${JSON.stringify(frame)}\n`);
  const seen = (changes: readonly Change[], positions: readonly string[]) =>
    changes.map(({ key, offset, op, partition }, index) => {
      return { kind: 'change', op, key, partition, offset, position: positions[index] as string } as const;
    });
  return {
    name,
    isShared,
    live: (changes, positions, { ref }) => encode({ ...(isShared ? {} : { ref }), changes: seen(changes, positions) }),
    behind: (to, changes, positions) => encode({ ...(isShared ? {} : { to }), changes: seen(changes, positions) }),
    control: (to, control) => (isShared && control.op === 'behind' ? Buffer.alloc(0) : encode({ to, control })),
  };
}

/** Room for this many bytes; `write` takes what it is given all the same, as sockets do. */
export class TestOutlet implements Outlet {
  readonly id: string;
  readonly buffers: Buffer[] = [];
  bytesMax: number;
  bytes = 0;
  isFull = false;
  ended: 'closing' | 'stalled' | undefined;
  /** Runs within `write`, before it answers. */
  onWrite: (() => void) | undefined;

  constructor(id: string, bytesMax = Number.POSITIVE_INFINITY) {
    this.id = id;
    this.bytesMax = bytesMax;
  }

  write(bytes: Buffer): boolean {
    assert.equal(this.isFull, false, 'nothing is written to a full socket');
    assert.equal(this.ended, undefined, 'nothing is written to an ended socket');
    assert.ok(bytes.length > 0, 'nothing is written for nothing');
    this.buffers.push(bytes);
    this.bytes += bytes.length;
    this.isFull = this.bytes >= this.bytesMax;
    const isFull = this.isFull;
    this.onWrite?.();
    return !isFull;
  }

  end(code: 'closing' | 'stalled'): void {
    assert.equal(this.ended, undefined, 'an outlet is ended once');
    this.ended = code;
  }

  /** Takes the oldest buffer off the socket. */
  shift(): Buffer | undefined {
    const buffer = this.buffers.shift();
    this.bytes -= buffer?.length ?? 0;
    return buffer;
  }
}

export interface WatcherOptions {
  readonly filter?: Filter;
  readonly from?: 'start' | 'now';
  readonly codec?: 'lines' | 'frames';
  readonly bytesMax?: number;
}

export class Watcher {
  readonly filter: Filter;
  readonly codec: Codec;
  /** Everything it was told, in order, over all its connections. */
  readonly seen: Seen[] = [];
  outlet: TestOutlet;
  watch: Watch | undefined;
  /** Where it resumes. */
  from: 'start' | 'now' | Position;
  readonly #bytesMax: number;
  #isAttached = false;
  #unread: Seen[] = [];

  constructor(options: WatcherOptions = {}) {
    this.filter = options.filter ?? {};
    this.codec = testCodec(options.codec ?? 'lines');
    this.from = options.from ?? 'start';
    this.#bytesMax = options.bytesMax ?? Number.POSITIVE_INFINITY;
    this.outlet = new TestOutlet('0');
  }

  get isConnected(): boolean {
    return this.watch !== undefined;
  }

  get changes(): readonly SeenChange[] {
    return this.seen.filter((seen) => seen.kind === 'change');
  }

  /** Control events by name, `undefined` for changes, in order. */
  get story(): readonly string[] {
    return this.seen.map((seen) => (seen.kind === 'change' ? `${seen.op} ${seen.key}` : seen.event.op));
  }

  connect(feed: Feed): this {
    assert.equal(this.watch, undefined);
    this.outlet = new TestOutlet(String(Number(this.outlet.id) + 1), this.#bytesMax);
    this.#isAttached = false;
    this.#unread = [];
    this.watch = feed.watch(
      { filter: this.filter, principal: ANONYMOUS, from: this.from, withValues: true, codec: this.codec },
      this.outlet,
    );
    return this;
  }

  /** The network takes everything while the outlet still writes. */
  drainEarly(): void {
    this.outlet.isFull = false;
    this.watch?.drained();
  }

  /** The connection breaks: what was not read is lost. */
  cut(): void {
    this.watch?.close();
    this.watch = undefined;
  }

  /** Reads up to `max` events. A socket that drains says so to the feed. */
  read(max = Number.POSITIVE_INFINITY): void {
    for (let left = max; left > 0; left -= 1) {
      if (this.#unread.length === 0 && !this.#readBuffer()) break;
      const next = this.#unread.shift();
      if (next !== undefined) this.#take(next);
    }
    if (this.outlet.ended !== undefined && this.outlet.bytes === 0 && this.#unread.length === 0) this.watch = undefined;
  }

  #readBuffer(): boolean {
    const buffer = this.outlet.shift();
    if (buffer === undefined) return false;
    for (const line of buffer.toString().trimEnd().split('\n')) this.#readFrame(JSON.parse(line) as Frame);
    if (this.outlet.isFull && this.outlet.bytes === 0) {
      this.outlet.isFull = false;
      this.watch?.drained();
    }
    return true;
  }

  #readFrame({ changes, control, ref, to }: Frame): void {
    if (to !== undefined) assert.equal(to, this.outlet.id, 'frames of one member reach no other');
    if (ref !== undefined) assert.ok(this.#isAttached, 'shared frames come to attached watches only');
    if (changes !== undefined && ref === undefined && !this.codec.isShared) {
      assert.ok(!this.#isAttached, 'an attached watch gets no frames of its own');
    }
    if (changes !== undefined) this.#unread.push(...changes);
    if (control === undefined) return;
    if (control.op === 'synced') this.#isAttached = true;
    if (control.op === 'behind') this.#isAttached = false;
    this.#unread.push({ kind: 'control', event: control, to: to as string });
  }

  #take(seen: Seen): void {
    this.seen.push(seen);
    if (seen.kind === 'change') this.from = parsePosition(seen.position);
    else if (seen.event.op === 'conflated') this.from = parsePosition(seen.event.from);
    else if (seen.event.op !== 'bye') this.from = parsePosition(seen.event.position);
  }
}
