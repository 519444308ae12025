import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { ManualClock } from '../../../test/support/manual-clock.ts';
import { DEFAULT_SETTINGS } from '../config/settings.ts';
import type { Change } from '../shared/change.ts';
import { Follower } from './follower.ts';
import { LmdbView } from './lmdb.ts';
import { plain } from './view-pair.fixture.ts';

const KEYS = ['a', 'b', 'c', 'd', 'e'];
const ALL = { changesMax: 1e9, bytesMax: 1e9, skipSuperseded: false, skipRemoves: false };
// fast-check prints the seed and the shrunk history of a failure.
const RUNS = { numRuns: 40 };

interface Write {
  readonly key: string;
  readonly isRemove: boolean;
}

/** A writer and one who reads along, in one directory. What the writer says arrives when the test says so. */
class World {
  readonly clock = new ManualClock();
  readonly journal: Change[] = [];
  readonly heads: number[] = [0];
  readonly faults: unknown[] = [];
  readonly told: Change[] = [];
  skips = 0;
  announced = 0;
  directory = '';
  writer!: LmdbView;
  follower!: Follower;
  #onFlushed = () => {};

  async open(changesMax: number, pageChangesMax = 5000): Promise<this> {
    this.directory = await mkdtemp(join(tmpdir(), 'latchkey-follower-'));
    const reportFault = (_stage: string, error: unknown) => this.faults.push(error);
    this.writer = await LmdbView.open({
      directory: this.directory,
      settings: {
        history: { ...DEFAULT_SETTINGS.history, changesMax },
        tombstones: { ageMaxMs: 50 },
      },
      clock: this.clock,
      reportFault,
      afterCommit: () => this.#onFlushed(),
    });
    // As a log does at its opening.
    for (const name of ['deadLetters', 'ledger', 'progress', 'leases', 'idempotency', 'idempotencyOrder'] as const)
      this.writer.table(name);
    this.follower = new Follower({
      directory: this.directory,
      clock: this.clock,
      reportFault,
      step: 0,
      page: { changesMax: pageChangesMax },
    });
    this.follower.onDurable((changes) => this.told.push(...changes));
    this.follower.onSkipped(() => {
      this.skips += 1;
    });
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.follower.close();
    await this.writer.close();
    await rm(this.directory, { recursive: true, force: true });
    assert.deepEqual(this.faults, []);
  }

  /** One step; `onFlushed` runs when LMDB shows it and nobody was told. */
  async step(writes: readonly Write[], onFlushed: () => void): Promise<void> {
    this.#onFlushed = onFlushed;
    let offset = this.heads.at(-1) as number;
    const latest = new Map<string, Change>();
    const placed = writes.map(({ isRemove, key }) => {
      offset += 1;
      const before = latest.get(key) ?? this.writer.get(key);
      const change: Change = {
        op: isRemove ? 'remove' : 'put',
        key,
        partition: 0,
        offset,
        previous: before?.offset ?? 0,
        valueOffset: offset,
        updated: { micros: this.clock.micros },
        decided: this.clock.micros,
        ...(isRemove ? { reason: 'deleted' } : { value: { kind: 'json', data: `"${offset}"` } }),
      };
      latest.set(key, change);
      return { change, before };
    });
    this.journal.push(...placed.map(({ change }) => change));
    await this.writer.apply({ placed, nowMicros: this.clock.micros, collectMax: 1000 });
    this.heads.push(offset);
  }

  announce(step: number): void {
    this.announced = Math.max(this.announced, step);
    this.follower.announce(step, this.writer.nowMicros());
  }

  /** What is shown is one moment of the log: nothing beyond what was announced, and the last change of every key. */
  check(): void {
    const { follower, journal } = this;
    assert.ok(follower.step <= this.announced, `step ${follower.step} is shown, ${this.announced} was announced`);
    const head = follower.head(0);
    assert.equal(head, this.heads[follower.step], 'a whole step is shown');
    const until = journal.filter(({ offset }) => offset <= head);
    for (const key of KEYS) {
      const expected = until.findLast((change) => change.key === key);
      const entry = follower.get(key);
      const isCollected = expected?.op === 'remove' && expected.offset <= follower.tombstoneFloor(0);
      if (entry !== undefined || !isCollected) assert.deepEqual(plain(entry), plain(expected), key);
    }
    const floor = Math.max(follower.historyFloor(0), follower.tombstoneFloor(0));
    assert.deepEqual(
      follower.scan(0, floor, { ...ALL, until: head + 10 }).changes.map(plain),
      until.filter(({ offset }) => offset > floor).map(plain),
    );
    const live = KEYS.filter((key) => until.findLast((change) => change.key === key)?.op === 'put');
    assert.deepEqual(
      follower.list({ limit: 10 }).entries.map(({ key }) => key),
      live,
    );
    assert.equal(follower.counts().keys, live.length);
  }
}

const isTold = ({ told }: World, { offset }: Change) => told.some((change) => change.offset === offset);

const write = fc.record({
  key: fc.constantFrom(...KEYS),
  isRemove: fc.integer({ max: 4, min: 0 }).map((n) => n === 0),
});
const step = fc.record({
  writes: fc.array(write, { maxLength: 6 }),
  advanceMs: fc.constantFrom(0, 1, 100),
  /** So many steps are said at a time; the last words of the writer arrive late. */
  lag: fc.integer({ min: 0, max: 3 }),
  looksBetween: fc.boolean(),
});

describe('a view that follows a writer', () => {
  test('shows one announced moment after the other, whatever the writer does meanwhile, and tells every change once or that it did not', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(2, 8, 1000),
        fc.constantFrom(1, 3, 5000),
        fc.array(step, { minLength: 5, maxLength: 30 }),
        async (changesMax, pageChangesMax, steps) => {
          await using world = await new World().open(changesMax, pageChangesMax);
          let shown = 0;
          for (const [index, { advanceMs, lag, looksBetween, writes }] of steps.entries()) {
            world.clock.advance(advanceMs);
            await world.step(writes, () => {
              // It is flushed and visible to LMDB; the word of an earlier step arrives now.
              if (looksBetween) world.announce(Math.max(0, index - lag));
              world.check();
            });
            assert.equal(world.writer.steps, index + 1);
            const skipsBefore = world.skips;
            const headBefore = world.follower.head(0);
            world.told.length = 0;
            world.announce(Math.max(0, index + 1 - lag));
            world.check();
            assert.ok(world.follower.step >= shown, 'never goes back');
            shown = world.follower.step;
            const news = world.journal.filter(({ offset }) => offset > headBefore && offset <= world.follower.head(0));
            if (world.skips === skipsBefore) assert.deepEqual(world.told.map(plain), news.map(plain));
            // One word may show two moments, of which one was skipped over.
            else assert.deepEqual(world.told.map(plain), news.filter((change) => isTold(world, change)).map(plain));
          }
          world.announce(steps.length);
          world.announce(steps.length);
          assert.equal(world.follower.step, steps.length, 'the last word brings everything');
          world.check();
        },
      ),
      RUNS,
    );
  });

  test('says that it skipped what the writer has trimmed, and is whole again behind it', async () => {
    await using world = await new World().open(4);
    for (let index = 0; index < 20; index += 1) await world.step([{ key: 'a', isRemove: false }], () => {});
    world.announce(20);
    assert.deepEqual([world.skips, world.told.length], [1, 0]);
    world.check();
    await world.step([{ key: 'b', isRemove: false }], () => {});
    world.announce(21);
    assert.deepEqual([world.skips, world.told.map(({ key }) => key)], [1, ['b']]);
  });

  test('knows of what another may have shown already, and waits for it', async () => {
    await using world = await new World().open(1000);
    await world.step([{ key: 'a', isRemove: false }], () => {});
    assert.deepEqual([world.follower.head(0), world.follower.knownHead(0)], [0, 1]);
    const reached = world.follower.reach({ epoch: world.follower.epochs.current, components: [{ offset: 1 }] }, 5000);
    world.announce(1);
    await reached;
  });

  test('judges expiry by a clock that is never behind the writer’s', async () => {
    await using world = await new World().open(1000);
    world.clock.advance(3_600_000);
    await world.step([{ key: 'a', isRemove: false }], () => {});
    const { micros } = world.clock;
    world.clock.advance(-3_600_000);
    world.announce(1);
    assert.ok(world.follower.nowMicros() >= micros);
  });
});
