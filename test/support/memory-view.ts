/**
 * A view in memory that keeps every promise of the contract and nothing more: the model that the feed is tested against. It also
 * remembers all that was ever written (`everything`), for checkers; a real view forgets.
 *
 * Invariant: beyond the history floor all changes are held; at or below it, exactly those that no newer change of their key
 * supersedes, but for collected tombstones.
 */
import assert from 'node:assert/strict';
import type { Position } from '@latchkey/client';
import { type Change, type ChangeDraft, isLive, payloadBytes } from '../../server/src/shared/change.ts';
import { type Epoch, EpochTable } from '../../server/src/shared/epochs.ts';
import { compileGlob } from '../../server/src/shared/glob.ts';
import type { ListOptions, ListPage, ScanOptions, ScanPage, View } from '../../server/src/view/view.ts';

export type Draft = Partial<ChangeDraft> & Pick<Change, 'key'> & { readonly partition?: number };

interface Partition {
  head: number;
  historyFloor: number;
  tombstoneFloor: number;
  /** Held changes by offset, in offset order. */
  readonly held: Map<number, Change>;
}

export class MemoryView implements View {
  readonly partitions: number;
  readonly everything: Change[] = [];
  now = 1_000_000_000_000_000;
  #epochs: readonly Epoch[];
  #table: EpochTable;
  #parts: Partition[];
  readonly #last = new Map<string, Change>();
  readonly #listeners = new Set<(changes: readonly Change[]) => void>();
  readonly #skippedListeners = new Set<() => void>();

  constructor(partitions = 1, epoch = 'aaaa') {
    this.partitions = partitions;
    this.#epochs = [{ id: epoch, first: Array.from({ length: partitions }, () => 1) }];
    this.#table = new EpochTable(this.#epochs);
    const empty = (): Partition => ({ head: 0, historyFloor: 0, tombstoneFloor: 0, held: new Map() });
    this.#parts = Array.from({ length: partitions }, empty);
  }

  get epochs(): EpochTable {
    return this.#table;
  }

  /** Makes changes durable, all in one turn, and announces them. */
  write(...drafts: readonly Draft[]): readonly Change[] {
    const changes = drafts.map((draft) => this.#place(draft));
    for (const listener of [...this.#listeners]) listener(changes);
    return changes;
  }

  /** As `write`, but nobody is told which changes they were. */
  writeUntold(...drafts: readonly Draft[]): void {
    for (const draft of drafts) this.#place(draft);
    for (const listener of [...this.#skippedListeners]) listener();
  }

  put(key: string, value: unknown = 1, partition = 0): Change {
    const [change] = this.write({ key, partition, value: { kind: 'json', data: JSON.stringify(value) } });
    return change as Change;
  }

  remove(key: string): Change {
    const [change] = this.write({ key, op: 'remove', reason: 'deleted' });
    return change as Change;
  }

  /** Takes an offset for something that is no change. */
  skip(partition = 0): void {
    this.#part(partition).head += 1;
  }

  /** Closes the history window up to an offset: superseded changes at or below it go. */
  trim(floor: number, partition = 0): void {
    const part = this.#part(partition);
    part.historyFloor = Math.max(part.historyFloor, Math.min(floor, part.head));
    for (const [offset, change] of part.held) {
      if (offset > part.historyFloor) break;
      if (this.#last.get(change.key) !== change) part.held.delete(offset);
    }
  }

  /** Collects the tombstones at or below an offset; they must be outside the history window. */
  collect(upTo: number, partition = 0): void {
    const part = this.#part(partition);
    assert.ok(upTo <= part.historyFloor, 'tombstones are collected behind the history window only');
    for (const [offset, change] of part.held) {
      if (offset > upTo) break;
      if (change.op !== 'remove') continue;
      part.held.delete(offset);
      this.#last.delete(change.key);
      part.tombstoneFloor = Math.max(part.tombstoneFloor, offset);
    }
  }

  /** A new epoch, after an opening; with `lost` up to that many offsets of the one before are given out anew. */
  startEpoch(id: string, lost = 0): void {
    this.#parts.forEach((part, partition) => {
      const first = this.#epochs.at(-1)?.first[partition] as number;
      const head = Math.max(first - 1, part.head - lost);
      assert.ok(head >= part.historyFloor, 'only what is in the window can be lost in this model');
      for (const [offset, change] of part.held) {
        if (offset <= head) continue;
        part.held.delete(offset);
        this.everything.splice(this.everything.indexOf(change), 1);
      }
      part.head = head;
    });
    if (lost > 0) this.#indexAnew();
    this.#epochs = [...this.#epochs, { id, first: this.#parts.map(({ head }) => head + 1) }];
    this.#table = new EpochTable(this.#epochs);
  }

  /** All of it is gone, and an epoch begins at an offset: as where a node's log went on without what the node knows. */
  beginAnew(id: string, first: number): void {
    for (const part of this.#parts) Object.assign(part, { head: 0, historyFloor: 0, tombstoneFloor: 0 }).held.clear();
    this.everything.length = 0;
    this.#indexAnew();
    this.#epochs = [...this.#epochs, { id, first: this.#parts.map(() => first) }];
    this.#table = new EpochTable(this.#epochs);
    for (const listener of [...this.#skippedListeners]) listener();
  }

  head(partition: number): number {
    return this.#part(partition).head;
  }

  position(): Position {
    return { epoch: this.#table.current, components: this.#parts.map(({ head }) => ({ offset: head })) };
  }

  nowMicros(): number {
    return this.now;
  }

  historyFloor(partition: number): number {
    return this.#part(partition).historyFloor;
  }

  tombstoneFloor(partition: number): number {
    return this.#part(partition).tombstoneFloor;
  }

  before(key: string): Change | undefined {
    return this.get(key);
  }

  get(key: string): Change | undefined {
    return this.#last.get(key);
  }

  scan(partition: number, after: number, options: ScanOptions): ScanPage {
    const part = this.#part(partition);
    const until = Math.min(options.until, part.head);
    const changes: Change[] = [];
    let bytes = 0;
    for (const [offset, change] of part.held) {
      if (offset <= after) continue;
      if (offset > until) break;
      if (options.skipSuperseded && this.#last.get(change.key) !== change) continue;
      if (options.skipRemoves && change.op === 'remove') continue;
      changes.push(change);
      bytes += change.key.length + (change.value === undefined ? 0 : payloadBytes(change.value));
      if (changes.length >= options.changesMax || bytes >= options.bytesMax) return { changes, reached: offset };
    }
    return { changes, reached: until };
  }

  at(partition: number, offset: number): Change | undefined {
    return this.#part(partition).held.get(offset);
  }

  chain(key: string, after: number, max: number): readonly number[] {
    const offsets: number[] = [];
    let change = this.#last.get(key);
    while (change !== undefined && change.offset > after && offsets.length < max) {
      offsets.push(change.offset);
      change = this.at(change.partition, change.previous);
    }
    return offsets;
  }

  list(options: ListOptions): ListPage {
    const glob = compileGlob(options.pattern ?? '*');
    const { after = '', prefix = '' } = options;
    const keys = [...this.#last.keys()].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    const entries: Change[] = [];
    for (const key of keys) {
      if (Buffer.compare(Buffer.from(key), Buffer.from(after)) <= 0 || !key.startsWith(prefix) || !glob.matches(key))
        continue;
      const entry = this.#last.get(key) as Change;
      if (options.withRemoves !== true && !isLive(entry, this.now)) continue;
      entries.push(entry);
      if (entries.length >= options.limit) return { entries, next: key };
    }
    return { entries };
  }

  counts(): { readonly keys: number; readonly bytes: number } {
    return { keys: [...this.#last.values()].filter(({ op }) => op !== 'remove').length, bytes: 0 };
  }

  onDurable(listener: (changes: readonly Change[]) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  onSkipped(listener: () => void): () => void {
    this.#skippedListeners.add(listener);
    return () => this.#skippedListeners.delete(listener);
  }

  reach(): Promise<void> {
    return Promise.resolve();
  }

  /** The entries a reader is served now. */
  entries(): readonly Change[] {
    return [...this.#last.values()].filter((entry) => isLive(entry, this.now));
  }

  #part(partition: number): Partition {
    const part = this.#parts[partition];
    assert.ok(part, `there is a partition ${partition}`);
    return part;
  }

  #place(draft: Draft): Change {
    const before = this.#last.get(draft.key);
    const { op = 'put', partition = before?.partition ?? 0 } = draft;
    const part = this.#part(partition);
    part.head += 1;
    const change: Change = {
      updated: { micros: this.now },
      decided: this.now,
      ...(op === 'remove' ? { reason: 'deleted' } : { value: { kind: 'json', data: '1' } }),
      ...draft,
      op,
      partition,
      offset: part.head,
      previous: before?.offset ?? 0,
      valueOffset: op === 'stale' ? (before?.valueOffset ?? part.head) : part.head,
    };
    part.held.set(change.offset, change);
    if (before !== undefined && before.offset <= part.historyFloor) part.held.delete(before.offset);
    this.#last.set(change.key, change);
    this.everything.push(change);
    return change;
  }

  #indexAnew(): void {
    this.#last.clear();
    for (const { held } of this.#parts) {
      for (const change of held.values()) this.#last.set(change.key, change);
    }
  }
}
