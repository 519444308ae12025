/**
 * The guarantees of DESIGN §7 as checkers over what one watcher was told, all its connections together, and all that was ever
 * written. Each throws with the first thing that breaks its promise.
 */
import assert from 'node:assert/strict';
import { type ControlEvent, type Position, parsePosition } from '@latchkey/client';
import type { Change } from '../../server/src/shared/change.ts';
import type { MemoryView } from './memory-view.ts';
import type { Seen, SeenChange, Watcher } from './watcher.ts';

export type Wants = (key: string) => boolean;

interface Range {
  readonly kind: 'snapshot' | 'conflated';
  readonly partition: number;
  /** Exclusive. */
  readonly from: number;
  /** Inclusive. */
  readonly to: number;
}

/** From a start or reset to the next reset. */
interface Segment {
  readonly seen: readonly Seen[];
  /** Offsets at which it begins, by partition. */
  readonly from: readonly number[];
  readonly ranges: readonly Range[];
}

/** All of it. The watcher must be connected, have read everything, and nothing must be on its way. */
export function checkWatcher(watcher: Watcher, view: MemoryView, wants: Wants): void {
  ordered(watcher, view.partitions);
  bookmarked(watcher, view.partitions);
  filtered(watcher, wants);
  gapFree(watcher, view, wants);
  converged(watcher, view, wants);
}

/** Offsets strictly increase per partition until a reset; so nothing comes twice. */
export function ordered(watcher: Watcher, partitions: number): void {
  for (const { seen } of segmentsOf(watcher, partitions)) {
    const last = Array.from({ length: partitions }, () => 0);
    for (const change of changesOf(seen)) {
      assert.ok(change.offset > (last[change.partition] as number), `ordered: ${describe(change)} came after ${last}`);
      last[change.partition] = change.offset;
    }
  }
}

/** After a position nothing at or below it comes, and positions never go back. */
export function bookmarked(watcher: Watcher, partitions: number): void {
  for (const { seen } of segmentsOf(watcher, partitions)) {
    let at = Array.from({ length: partitions }, () => 0);
    for (const one of seen) {
      if (one.kind === 'change') {
        assert.ok(one.offset > (at[one.partition] as number), `bookmarked: ${describe(one)} came after position ${at}`);
      }
      const position = positionOf(one);
      if (position === undefined) continue;
      const next = at.map((_, partition) => position.components[partition]?.offset ?? 0);
      const isForward = next.every((offset, partition) => offset >= (at[partition] as number));
      assert.ok(isForward, `bookmarked: position ${next} came after ${at} (${JSON.stringify(one)})`);
      at = next;
    }
  }
}

export function filtered(watcher: Watcher, wants: Wants): void {
  for (const change of watcher.changes) assert.ok(wants(change.key), `filtered: ${describe(change)} is not wanted`);
}

/**
 * Every matching change was delivered, or lies in a range that was announced as snapshot or conflated; then the last change of
 * its key in that range was delivered, or a later one. A snapshot owes no removes.
 */
export function gapFree(watcher: Watcher, view: MemoryView, wants: Wants): void {
  const last = segmentsOf(watcher, view.partitions).at(-1) as Segment;
  const delivered = new Map<string, number>();
  const exact = new Set<string>();
  for (const { key, offset, partition } of changesOf(last.seen)) {
    exact.add(`${partition}-${offset}`);
    delivered.set(key, Math.max(delivered.get(key) ?? 0, offset));
  }
  const byKey = Map.groupBy(
    view.everything.filter(({ key }) => wants(key)),
    ({ key }) => key,
  );
  for (const changes of byKey.values()) {
    for (const change of changes) {
      const { offset, partition } = change;
      if (offset <= (last.from[partition] as number) || exact.has(`${partition}-${offset}`)) continue;
      const ranges = last.ranges.filter(
        (range) => range.partition === partition && range.from < offset && offset <= range.to,
      );
      assert.ok(
        ranges.length > 0,
        `gapFree: ${describe(change)} is missing, outside of ${JSON.stringify(last.ranges)}`,
      );
      assert.ok(
        ranges.some((range) => isCovered(change, changes, range, delivered, view)),
        `gapFree: ${describe(change)} and all later changes of its key are missing`,
      );
    }
  }
}

/** Folding the stream gives the entries. A watch that began at `now` is asked only for what it was told about. */
export function converged(watcher: Watcher, view: MemoryView, wants: Wants): void {
  const last = segmentsOf(watcher, view.partitions).at(-1) as Segment;
  const fold = new Map<string, number>();
  const touched = new Set<string>();
  for (const { key, offset, op } of changesOf(last.seen)) {
    touched.add(key);
    if (op === 'remove') fold.delete(key);
    else fold.set(key, offset);
  }
  const isWhole = last.from.every((offset) => offset === 0);
  const expected = new Map<string, number>();
  for (const { key, offset } of view.entries()) {
    if (wants(key) && (isWhole || touched.has(key))) expected.set(key, offset);
  }
  for (const [key] of fold) {
    const entry = view.get(key);
    // Due, and not yet decided: reads don't show it any more, and its removal is still to come.
    if (entry?.op !== 'remove' && (entry?.expires ?? Number.POSITIVE_INFINITY) <= view.nowMicros()) fold.delete(key);
  }
  assert.deepEqual(
    new Map([...fold].sort()),
    new Map([...expected].sort()),
    'converged: the fold is not what the view holds',
  );
}

function isCovered(
  change: Change,
  ofKey: readonly Change[],
  range: Range,
  delivered: ReadonlyMap<string, number>,
  view: MemoryView,
): boolean {
  if ((delivered.get(change.key) ?? 0) > change.offset) return true;
  if (range.kind === 'conflated') return false;
  const lastIn = ofKey.findLast(({ offset }) => offset <= range.to) as Change;
  return lastIn.op === 'remove' || (lastIn.expires ?? Number.POSITIVE_INFINITY) <= view.nowMicros();
}

function segmentsOf(watcher: Watcher, partitions: number): readonly Segment[] {
  const segments: { seen: Seen[]; from: number[]; ranges: Range[] }[] = [];
  const none = Array.from({ length: partitions }, () => 0);
  for (const one of watcher.seen) {
    const event: ControlEvent | undefined = one.kind === 'control' ? one.event : undefined;
    const isStart = segments.length === 0 || event?.op === 'reset';
    if (isStart) segments.push({ seen: [], from: none, ranges: [] });
    const segment = segments.at(-1) as { seen: Seen[]; from: number[]; ranges: Range[] };
    segment.seen.push(one);
    if (event?.op === 'conflated') {
      const [from, to] = [parsePosition(event.from), parsePosition(event.to)];
      for (let partition = 0; partition < partitions; partition += 1) {
        const start = from.components[partition]?.offset ?? 0;
        segment.ranges.push({ kind: 'conflated', partition, from: start, to: to.components[partition]?.offset ?? 0 });
      }
    }
    if (event?.op !== 'opened' && event?.op !== 'reset') continue;
    const { components } = parsePosition(event.position);
    const isFresh = isStart && components.some(({ base }) => base !== undefined);
    if (isStart && !isFresh) segment.from = none.map((_, partition) => components[partition]?.offset ?? 0);
    components.forEach(({ base }, partition) => {
      if (base !== undefined) segment.ranges.push({ kind: 'snapshot', partition, from: 0, to: base });
    });
  }
  return segments;
}

function changesOf(seen: readonly Seen[]): readonly SeenChange[] {
  return seen.filter((one) => one.kind === 'change');
}

function positionOf(seen: Seen): Position | undefined {
  if (seen.kind === 'change') return parsePosition(seen.position);
  const { event } = seen;
  if (event.op === 'bye' || event.op === 'reset') return undefined;
  return parsePosition(event.op === 'conflated' ? event.from : event.position);
}

function describe({ key, offset, op, partition }: Pick<Change, 'key' | 'offset' | 'op' | 'partition'>): string {
  return `${op} ${key} at ${partition}-${offset}`;
}
