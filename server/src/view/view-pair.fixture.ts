import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LatchkeyError } from '@latchkey/client';
import { ManualClock } from '../../../test/support/manual-clock.ts';
import { type Draft, MemoryView } from '../../../test/support/memory-view.ts';
import { DEFAULT_SETTINGS, type Settings } from '../config/settings.ts';
import type { Change } from '../shared/change.ts';
import { STORE_FILE } from './environment.ts';
import { LmdbView } from './lmdb.ts';
import { encodeRecord } from './record.ts';
import { checkStoreFile } from './store-file.ts';
import type { Due, Placed, ScanOptions, View } from './view.ts';

/** What one step of a random history does to one key. */
export interface Op {
  readonly key: string;
  readonly op: 'put' | 'remove' | 'stale';
  readonly size: number;
  readonly expiresInMs: number | undefined;
  readonly validInMs: number | undefined;
}

export interface HistoryStep {
  readonly ops: readonly Op[];
  readonly advanceMs: number;
  readonly collectMax: number;
  readonly fails: boolean;
  readonly reopens: boolean;
}

/** Nothing is written between these moments of a step, and readers come all the same. */
type Moment = 'before commit' | 'flushed' | 'settled';

const ALL: Omit<ScanOptions, 'until'> = {
  changesMax: Number.MAX_SAFE_INTEGER,
  bytesMax: Number.MAX_SAFE_INTEGER,
  skipSuperseded: false,
  skipRemoves: false,
};

/**
 * The view on disk beside the one in memory, given the same steps. Where the model can't know (how far a bounded trim got, which
 * tombstones were old enough) it follows the floors of the view, which are checked by themselves.
 */
export class ViewPair {
  readonly clock = new ManualClock();
  readonly model: MemoryView;
  view!: LmdbView;
  readonly #settings: Pick<Settings, 'history' | 'tombstones'>;
  readonly #keys: readonly string[];
  #directory = '';
  #failing = false;
  #isOpening = false;

  constructor(
    partitions: number,
    keys: readonly string[],
    limits: { readonly changesMax: number; readonly historyMs: number; readonly tombstoneMs: number },
  ) {
    this.model = new MemoryView(partitions);
    this.model.now = this.clock.micros;
    this.#keys = keys;
    this.#settings = {
      history: { ...DEFAULT_SETTINGS.history, changesMax: limits.changesMax, ageMaxMs: limits.historyMs },
      tombstones: { ageMaxMs: limits.tombstoneMs },
    };
  }

  async open(): Promise<void> {
    this.#directory ||= await mkdtemp(join(tmpdir(), 'latchkey-view-'));
    this.#isOpening = true;
    this.view = await LmdbView.open({
      directory: this.#directory,
      partitions: this.model.partitions,
      settings: this.#settings,
      clock: this.clock,
      reportFault: (stage, error) => assert.fail(`${stage}: ${error}`),
      beforeCommit: () => {
        if (this.#isOpening) return;
        this.compare('before commit');
        if (this.#failing) throw new Error('no space left on device');
      },
      afterCommit: () => {
        if (!this.#isOpening) this.compare('flushed');
      },
    });
    this.#isOpening = false;
  }

  async close(): Promise<void> {
    await this.view.close();
    await rm(this.#directory, { recursive: true, force: true });
  }

  async step(step: HistoryStep): Promise<void> {
    if (step.reopens) {
      await this.view.close();
      await this.open();
      this.compare('settled');
    }
    this.clock.advance(step.advanceMs);
    this.model.now = this.clock.micros;
    const headsBefore = this.#heads();
    const drafts = this.#draftsOf(step.ops);
    const placed = this.#place(drafts);
    this.#failing = step.fails;
    const applied = this.view.apply({ placed, nowMicros: this.model.now, collectMax: step.collectMax });
    // Readers come in this very turn too.
    this.compare('before commit');
    if (step.fails) {
      await assert.rejects(applied, (error) => error instanceof LatchkeyError && error.code === 'storage-full');
      this.compare('settled');
      return;
    }
    await applied;
    assert.deepEqual(
      this.model.write(...drafts).map(plain),
      placed.map(({ change }) => plain(change)),
    );
    this.#follow(headsBefore);
    this.compare('settled');
  }

  /** Takes over how far the floors went, and checks that they went neither further nor less than they should. */
  #follow(headsBefore: readonly number[]): void {
    const { history, tombstones } = this.#settings;
    for (const [partition, headBefore] of headsBefore.entries()) {
      const floor = this.view.historyFloor(partition);
      const window = Math.ceil(history.changesMax / this.model.partitions);
      assert.ok(floor <= headBefore, 'the window closes over nothing that was not durable');
      assert.ok(this.model.head(partition) - floor <= window || floor === headBefore, 'the window is kept');
      this.model.trim(floor, partition);
      const collected = this.view.tombstoneFloor(partition);
      const last = this.model.everything.find(
        (change) => change.partition === partition && change.offset === collected,
      );
      assert.ok(collected === 0 || (last?.decided ?? 0) <= this.model.now - tombstones.ageMaxMs * 1000, 'old enough');
      this.model.collect(collected, partition);
    }
  }

  compare(moment: Moment): void {
    const { model, view } = this;
    for (const key of this.#keys) this.#compareKey(key, moment);
    for (let partition = 0; partition < model.partitions; partition += 1) {
      assert.equal(view.head(partition), model.head(partition));
      if (moment === 'settled') assert.equal(view.historyFloor(partition), model.historyFloor(partition));
      else assert.ok(view.historyFloor(partition) >= model.historyFloor(partition));
      assert.ok(view.tombstoneFloor(partition) >= model.tombstoneFloor(partition));
      this.#compareScans(partition, moment);
    }
    this.#compareLists();
    this.#compareListsWithRemoves();
    this.#compareCounts();
    if (moment === 'settled') this.#compareDues();
    checkStoreFile(join(this.#directory, STORE_FILE));
  }

  #compareKey(key: string, moment: Moment): void {
    const expected = this.model.get(key);
    const entry = this.view.get(key);
    const isCollected =
      expected?.op === 'remove' && expected.offset <= this.view.tombstoneFloor(expected.partition) && !entry;
    if (moment !== 'settled' && isCollected) return;
    assert.deepEqual(plain(entry), plain(expected), `${key} ${moment}`);
    const floor = expected === undefined ? 0 : this.view.historyFloor(expected.partition);
    for (const after of [0, floor, (expected?.offset ?? 0) - 1]) {
      const chain = this.model.chain(key, Math.max(after, 0), 4);
      const got = this.view.chain(key, Math.max(after, 0), 4);
      if (moment === 'settled' || after >= floor) assert.deepEqual(got, chain, `chain of ${key} ${moment}`);
      else assert.equal(got[0], chain[0]);
    }
  }

  #compareScans(partition: number, moment: Moment): void {
    const { model, view } = this;
    const head = model.head(partition);
    const complete = Math.max(view.historyFloor(partition), view.tombstoneFloor(partition));
    for (let offset = 0; offset <= head + 2; offset += 1) {
      const held = model.at(partition, offset);
      const isLast = held !== undefined && model.get(held.key) === held && held.op !== 'remove';
      if (moment === 'settled' || offset > complete || isLast)
        assert.deepEqual(plain(view.at(partition, offset)), plain(held), `at ${offset} ${moment}`);
    }
    for (const skipSuperseded of [false, true]) {
      for (const skipRemoves of [false, true]) {
        // Below a floor that a step has raised only the last changes are there, but for tombstones under collection.
        const start = moment === 'settled' || (skipSuperseded && skipRemoves) ? 0 : complete;
        const from = skipSuperseded && moment !== 'settled' ? Math.min(start, view.tombstoneFloor(partition)) : start;
        for (const [after, changesMax] of [
          [from, 2],
          [Math.floor((from + head) / 2), Number.MAX_SAFE_INTEGER],
        ] as const) {
          const options = { ...ALL, until: head + 3, skipSuperseded, skipRemoves, changesMax };
          if (after < from) continue;
          const expected = model.scan(partition, after, options);
          const page = view.scan(partition, after, options);
          assert.deepEqual(page.changes.map(plain), expected.changes.map(plain), `scan ${JSON.stringify(options)}`);
          assert.equal(page.reached, Math.max(after, expected.reached));
          this.#comparePages(view, partition, after, { ...options, changesMax: 3, bytesMax: 100 });
        }
      }
    }
  }

  /** However small the pages, together they are the whole. Record sizes are the view's own business. */
  #comparePages(view: View, partition: number, after: number, options: ScanOptions): void {
    const whole = view.scan(partition, after, { ...options, changesMax: ALL.changesMax, bytesMax: ALL.bytesMax });
    const paged: Change[] = [];
    for (let at = after; at < whole.reached; ) {
      const page = view.scan(partition, at, options);
      assert.ok(page.reached > at && page.changes.length <= options.changesMax);
      paged.push(...page.changes);
      at = page.reached;
    }
    assert.deepEqual(paged.map(plain), whole.changes.map(plain));
  }

  #compareLists(): void {
    for (const options of [
      {},
      { prefix: 'a' },
      { pattern: '*.1' },
      { prefix: 'a.', pattern: 'a*[12]' },
      { pattern: '' },
    ]) {
      let after: string | undefined;
      for (let pages = 0; pages < 20; pages += 1) {
        const page = { ...options, limit: 2, ...(after === undefined ? {} : { after }) };
        const expected = this.model.list(page);
        const got = this.view.list(page);
        assert.deepEqual(got.entries.map(plain), expected.entries.map(plain), JSON.stringify(page));
        assert.equal(got.next, expected.next);
        if (got.next === undefined) break;
        after = got.next;
      }
    }
  }

  /** A tombstone that the step under way collects may be gone already: the floor was raised before. */
  #compareListsWithRemoves(): void {
    const isOwed = ({ offset, op, partition }: Change) =>
      op !== 'remove' || offset > this.view.tombstoneFloor(partition);
    for (const prefix of ['', 'a']) {
      const options = { prefix, limit: ALL.changesMax, withRemoves: true };
      const [got, expected] = [this.view.list(options), this.model.list(options)];
      assert.deepEqual(got.entries.filter(isOwed).map(plain), expected.entries.filter(isOwed).map(plain), prefix);
    }
  }

  #compareCounts(): void {
    let bytes = 0;
    for (let partition = 0; partition < this.model.partitions; partition += 1) {
      const { changes } = this.model.scan(partition, 0, { ...ALL, until: this.model.head(partition) });
      for (const change of changes) bytes += encodeRecord(change).length;
    }
    assert.deepEqual(this.view.counts(), { keys: this.model.counts().keys, bytes });
  }

  #compareDues(): void {
    const dues: Due[] = [];
    const moments: number[] = [];
    for (const key of this.#keys) {
      const entry = this.model.get(key);
      if (entry?.op === 'remove') moments.push(entry.decided + this.#settings.tombstones.ageMaxMs * 1000);
      if (entry === undefined || entry.op === 'remove') continue;
      if (entry.expires !== undefined) dues.push({ kind: 'expiry', key, at: entry.expires });
      if (entry.op === 'put' && entry.valid !== undefined)
        dues.push({ kind: 'valid', key, at: Math.max(0, entry.valid.micros) });
    }
    dues.sort(
      (a, b) => a.at - b.at || Number(a.kind === 'valid') - Number(b.kind === 'valid') || (a.key < b.key ? -1 : 1),
    );
    const { now } = this.model;
    const due = dues.filter(({ at }) => at <= now);
    assert.deepEqual(this.view.due(now, 1000), due);
    assert.deepEqual(this.view.due(now, 1), due.slice(0, 1));
    const next = Math.min(...moments, ...dues.map(({ at }) => at));
    assert.equal(this.view.nextDueMicros(), Number.isFinite(next) ? next : undefined);
  }

  #heads(): readonly number[] {
    return Array.from({ length: this.model.partitions }, (_, partition) => this.model.head(partition));
  }

  #draftsOf(ops: readonly Op[]): readonly Draft[] {
    const latest = new Map<string, Draft | undefined>();
    return ops.flatMap(({ expiresInMs, key, op, size, validInMs }) => {
      const before = latest.has(key) ? latest.get(key) : this.model.get(key);
      const isThere = before !== undefined && before.op !== 'remove';
      if (op === 'stale' && !isThere) return [];
      const after = (ms: number) => this.model.now + ms * 1000;
      const draft: Draft = {
        key,
        op,
        partition: this.#keys.indexOf(key) % this.model.partitions,
        updated: { micros: this.model.now },
        decided: this.model.now,
        ...(op === 'remove'
          ? { reason: 'deleted' as const }
          : {
              value: { kind: 'json' as const, data: JSON.stringify('v'.repeat(size)) },
              valid: validInMs === undefined ? undefined : { micros: validInMs < -1e6 ? -5 : after(validInMs) },
              expires: expiresInMs === undefined ? undefined : after(expiresInMs),
            }),
      };
      latest.set(key, draft);
      return [draft];
    });
  }

  #place(drafts: readonly Draft[]): readonly Placed[] {
    const heads = [...this.#heads()];
    const latest = new Map<string, Change>();
    return drafts.map((draft) => {
      const before = latest.get(draft.key) ?? this.view.before(draft.key);
      const { partition = 0 } = draft;
      const offset = (heads[partition] as number) + 1;
      heads[partition] = offset;
      const valueOffset = draft.op === 'stale' ? (before?.valueOffset ?? offset) : offset;
      const change = { ...draft, partition, offset, previous: before?.offset ?? 0, valueOffset } as Change;
      latest.set(change.key, change);
      return { change, before };
    });
  }
}

/** Without the fields that are absent, and with lazy values read. */
export function plain(change: Change | undefined): unknown {
  return change === undefined ? undefined : JSON.parse(JSON.stringify(change));
}
