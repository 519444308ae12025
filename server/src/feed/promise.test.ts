import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { Filter } from '@latchkey/client';
import fc from 'fast-check';
import { type Draft, MemoryView } from '../../../test/support/memory-view.ts';
import { checkWatcher, type Wants } from '../../../test/support/watch-checkers.ts';
import { Watcher } from '../../../test/support/watcher.ts';
import { DEFAULT_SETTINGS } from '../config/settings.ts';
import { openAccess } from '../shared/access.ts';
import { compileGlob } from '../shared/glob.ts';
import { silentLogger } from '../shared/logger.ts';
import type { Bounds } from './bounds.ts';
import { type CheckedFeed, makeFeed } from './live-feed.ts';

// The product's core promise: whatever happens between a watcher and the log, in whatever order, what it was told in the end is
// complete, in order, without repetition, and folds to what the view holds.

const KEYS = ['a', 'a.1', 'a.2', 'a.3', 'b', 'b.1', 'b.12', 'c.x.1', 'c.y.1', 'é🔋'];

const FILTERS: readonly Filter[] = [
  {},
  { keys: ['a.1'] },
  { keys: ['a.1', 'b', 'missing', 'é🔋'] },
  { prefixes: ['a.'] },
  { prefixes: ['a', 'b.1'], keys: ['c.x.1'] },
  { patterns: ['*.1', 'a*1', 'é*'] },
  { patterns: ['c.[xz].*', 'b*2'], prefixes: ['a.1'] },
];

function wantsOf({ keys = [], patterns = [], prefixes = [] }: Filter): Wants {
  const globs = patterns.map((pattern) => compileGlob(pattern));
  const isEverything = keys.length + patterns.length + prefixes.length === 0;
  return (key) =>
    isEverything ||
    keys.includes(key) ||
    prefixes.some((prefix) => key.startsWith(prefix)) ||
    globs.some((glob) => glob.matches(key));
}

interface Action {
  readonly kind:
    | 'write'
    | 'burst'
    | 'untold'
    | 'expire'
    | 'skip'
    | 'trim'
    | 'collect'
    | 'watch'
    | 'read'
    | 'read'
    | 'cut'
    | 'connect'
    | 'turn'
    | 'restart'
    | 'lose'
    | 'wait'
    | 'crash';
  readonly a: number;
  readonly b: number;
}

interface Shape {
  readonly partitions: number;
  readonly catchUpChangesMax: number;
  readonly pinnedBytesMax: number;
  readonly bytesMax: number;
  readonly bounds: Partial<Bounds>;
  /** How slow everything is: then ticks wait, and turns of catch-up are short. */
  readonly msPerLook: number;
}

class World {
  readonly view: MemoryView;
  readonly watchers: Watcher[] = [];
  readonly #shape: Shape;
  #feed: CheckedFeed;
  readonly #faults: unknown[] = [];
  #isClosing = false;
  #ms = 0;
  #epochs = 0;
  #isTrimmed = false;

  constructor(shape: Shape) {
    this.#shape = shape;
    this.view = new MemoryView(shape.partitions);
    this.#feed = this.#makeFeed();
  }

  async act({ a, b, kind }: Action): Promise<void> {
    const { view } = this;
    const watcher = this.watchers[a % Math.max(1, this.watchers.length)];
    if (kind === 'write') this.#write(a, b);
    else if (kind === 'untold') view.writeUntold(...this.#drafts(a, b));
    else if (kind === 'burst')
      for (let index = 0; index < 5 + (b % 60); index += 1) this.#write(a * 7 + index * 3, b + index);
    else if (kind === 'expire') this.#expire(b);
    else if (kind === 'skip') view.skip(a % view.partitions);
    else if (kind === 'trim') this.#trim(a, b);
    else if (kind === 'collect') view.collect(view.historyFloor(a % view.partitions), a % view.partitions);
    else if (kind === 'watch') this.#watch(a, b);
    else if (kind === 'read') watcher?.read(1 + (b % 12));
    else if (kind === 'cut') watcher?.cut();
    else if (kind === 'crash' && watcher !== undefined) watcher.outlet.onWrite = () => this.#misbehave(watcher, b);
    else if (kind === 'connect' && watcher !== undefined && !watcher.isConnected) watcher.connect(this.#feed);
    else if (kind === 'turn') await turn();
    else if (kind === 'restart') await this.#restart(0);
    else if (kind === 'lose') await this.#lose(b % 4);
    else if (kind === 'wait') this.#ms += b;
    this.#feed.checkInvariants();
    assert.deepEqual(this.#faults, []);
  }

  /** Writes stop; everybody comes back and reads. */
  async settle(): Promise<void> {
    for (let round = 0; round < 2000; round += 1) {
      for (const watcher of this.watchers) {
        watcher.outlet.onWrite = undefined;
        if (!watcher.isConnected) watcher.connect(this.#feed);
        watcher.read();
      }
      await turn();
      const isQuiet = this.watchers.every(
        ({ isConnected, outlet }) => isConnected && outlet.bytes === 0 && outlet.ended === undefined,
      );
      if (isQuiet && this.#feed.counts().behind === 0) return this.#feed.checkInvariants();
    }
    assert.fail(`watchers do not get to the head: ${JSON.stringify(this.#feed.counts())}`);
  }

  async check(): Promise<void> {
    assert.deepEqual(this.#faults, []);
    for (const watcher of this.watchers) {
      checkWatcher(watcher, this.view, wantsOf(watcher.filter));
    }
    assert.deepEqual(this.#faults, []);
    for (const watcher of this.watchers) watcher.cut();
    assert.deepEqual(this.#feed.counts(), { watchers: 0, groups: 0, behind: 0 });
    assert.equal(this.#feed.pinnedBytes, 0, 'nothing is held for nobody');
    await this.#feed.close();
  }

  #write(a: number, b: number): void {
    this.view.write(...this.#drafts(a, b));
  }

  #drafts(a: number, b: number): readonly Draft[] {
    const draft = (at: number) => {
      const key = KEYS[at % KEYS.length] as string;
      const partition = (KEYS.indexOf(key) * 5) % this.view.partitions;
      if (b % 5 === 0) return { key, partition, op: 'remove' } as const;
      if (b % 7 === 0) return { key, partition, expires: this.view.now + 3 } as const;
      return { key, partition, op: b % 11 === 0 ? 'stale' : 'put' } as const;
    };
    return Array.from({ length: 1 + (b % 3) }, (_, index) => draft(a + index * (b + 1)));
  }

  /** Time passes; what is due is decided, sometimes later. */
  #expire(b: number): void {
    this.view.now += 2;
    if (b % 3 === 0) return;
    for (const key of KEYS) {
      const entry = this.view.get(key);
      if (entry === undefined || entry.op === 'remove' || (entry.expires ?? Number.POSITIVE_INFINITY) > this.view.now)
        continue;
      this.view.write({ key, op: 'remove', reason: 'expired' });
    }
  }

  #trim(a: number, b: number): void {
    const partition = a % this.view.partitions;
    this.#isTrimmed = true;
    this.view.trim(this.view.head(partition) - (b % 12), partition);
  }

  #watch(a: number, b: number): void {
    if (this.watchers.length >= 6) return;
    const watcher = new Watcher({
      filter: FILTERS[b % FILTERS.length] as Filter,
      from: a % 5 === 0 ? 'now' : 'start',
      codec: a % 3 === 0 ? 'frames' : 'lines',
      bytesMax: a % 4 === 0 ? Number.POSITIVE_INFINITY : this.#shape.bytesMax,
    });
    this.watchers.push(watcher.connect(this.#feed));
  }

  /** What an outlet may do to the feed from within its own write. */
  #misbehave(watcher: Watcher, b: number): void {
    watcher.outlet.onWrite = undefined;
    if (b % 5 === 0) watcher.cut();
    else if (b % 5 === 1) watcher.drainEarly();
    else if (b % 5 === 2) this.#write(b, b + 1);
    else if (b % 5 === 3 && !this.#isClosing) this.#watch(b, b + 2);
    else if (b % 5 === 3) watcher.cut();
    else throw new Error('this outlet throws');
  }

  /**
   * The last changes turn out not to be of this log. Everybody has them by then: who was in the middle of a snapshot may have been
   * spared an entry because of a change that is lost now, and no position could tell.
   */
  async #lose(count: number): Promise<void> {
    if (this.#isTrimmed) return;
    await this.settle();
    await this.#restart(count);
  }

  async #restart(lost: number): Promise<void> {
    this.#epochs += 1;
    this.#isClosing = true;
    await this.#feed.close();
    this.#isClosing = false;
    // Gone with the process that held its socket.
    for (const watcher of this.watchers) {
      if (this.#epochs % 2 === 0) watcher.read();
      watcher.cut();
    }
    this.view.startEpoch(`ep${String(this.#epochs).padStart(3, '0')}`, lost);
    this.#feed = this.#makeFeed();
  }

  #passTime(): number {
    this.#ms += this.#shape.msPerLook;
    return this.#ms;
  }

  #makeFeed(): CheckedFeed {
    const { catchUpChangesMax, pinnedBytesMax } = this.#shape;
    return makeFeed({
      view: this.view,
      access: openAccess,
      settings: {
        // Ticks that wait do so for a turn of the event loop, never for a timer.
        feed: { ...DEFAULT_SETTINGS.feed, tickMaxMs: 0.9, catchUpChangesMax, pinnedBytesMax, stalledTimeoutMs: 1000 },
        limits: DEFAULT_SETTINGS.limits,
      },
      clock: { nowMicros: () => this.view.now, monotonicMs: () => this.#passTime() },
      node: 'n1',
      logger: silentLogger,
      reportFault: (_, error) => {
        if ((error as Error).message !== 'this outlet throws') this.#faults.push(error);
      },
      random: () => 0.5,
      bounds: this.#shape.bounds,
    });
  }
}

const kinds = fc.constantFrom<Action['kind']>(
  ...([
    'write',
    'write',
    'write',
    'burst',
    'untold',
    'expire',
    'skip',
    'trim',
    'collect',
    'watch',
    'watch',
    'read',
    'read',
  ] as const),
  ...(['cut', 'connect', 'connect', 'turn', 'turn', 'turn', 'restart', 'lose', 'wait', 'crash'] as const),
);
const numbers = fc.integer({ min: 0, max: 999 });
const actions = fc.array(fc.record({ kind: kinds, a: numbers, b: numbers }), {
  minLength: 10,
  maxLength: 120,
  size: 'max',
});
const shapes = fc.record({
  partitions: fc.constantFrom(1, 1, 1, 3),
  catchUpChangesMax: fc.constantFrom(3, 20, 10_000),
  pinnedBytesMax: fc.constantFrom(500, 20_000, 1_000_000),
  bytesMax: fc.constantFrom(1, 200, 1500),
  msPerLook: fc.constantFrom(0, 0.1, 0.5),
  bounds: fc.record({
    chunkBytesMax: fc.constantFrom(1, 400, 65_536),
    pageChangesMax: fc.constantFrom(1, 3, 1000),
    pendingMax: fc.constantFrom(1, 4, 1000),
    ringChunksMax: fc.constantFrom(1, 3, 64),
    ringBytesMax: fc.constantFrom(300, 100_000),
    walkDistanceMin: fc.constantFrom(1, 8, 1000),
    walkOffsetsMax: fc.constantFrom(2, 1000),
    walkPieceMax: fc.constantFrom(1, 2, 1000),
    walkPiecesMax: fc.constantFrom(3, 1000),
  }),
});

const tight = {
  ...{ catchUpChangesMax: 3, pinnedBytesMax: 500, msPerLook: 0 },
  bounds: {
    ...{ chunkBytesMax: 1, pageChangesMax: 1, pendingMax: 1, ringChunksMax: 1, ringBytesMax: 300 },
    ...{ walkDistanceMin: 1, walkOffsetsMax: 2, walkPieceMax: 1, walkPiecesMax: 3 },
  },
};

function acts(...list: readonly (readonly [kind: Action['kind'], a: number, b: number])[]): Action[] {
  return list.map(([kind, a, b]) => ({ kind, a, b }));
}

const write = ['write', 0, 0] as const;

/** What was found once, and is tried every time since. */
const FOUND: [Shape, Action[]][] = [
  // A plan ended before the feed's head, which had moved on, and was asked for its next page for ever.
  [
    { ...tight, partitions: 3, bytesMax: 200 },
    acts(
      ...([
        ['watch', 193, 204],
        ['write', 961, 524],
        ['turn', 0, 0],
      ] as const),
      ...([write, write, write, write, write, write, write, ['write', 454, 76], write] as const),
    ),
  ],
  // The ring moved a watch past what its plan was still to deliver.
  [
    {
      ...tight,
      ...{ partitions: 1, catchUpChangesMax: 10_000, bytesMax: 1500 },
      bounds: { ...tight.bounds, walkOffsetsMax: 1000 },
    },
    acts(
      ...([['watch', 154, 806], ['restart', 0, 0], write, ['connect', 0, 0], ['burst', 479, 698]] as const),
      ...([write, write, write, ['turn', 0, 0], write, write, write, write, write, ['burst', 0, 72]] as const),
    ),
  ],
];

describe('the feed, whatever happens', () => {
  it('delivers everything once, in order, or says what it conflated, and folds to the entries', async () => {
    await fc.assert(
      fc.asyncProperty(shapes, actions, async (shape, list) => {
        const world = new World(shape);
        for (const action of list) await world.act(action);
        await world.settle();
        await world.check();
      }),
      { numRuns: Number(process.env.FEED_RUNS ?? 400), examples: FOUND },
    );
  });
});
