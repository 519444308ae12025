/** A watch cut at its resets: what was said and delivered while one unbroken position was held. */
import { formatPosition, type Position } from '@latchkey/client';
import type { Sight, WatchHistory } from './history.ts';

/** Offsets after `after` and up to `to` of a partition for which only the last change per key was promised. */
export interface Range {
  readonly partition: number;
  readonly after: number;
  readonly to: number;
}

export interface Segment {
  readonly deliveries: readonly { readonly sight: Sight }[];
  readonly announced: readonly Range[];
  /** Offset reached in each partition when the segment began: what lies at or before it was not asked for. */
  readonly begin: readonly number[];
  /** Offset reached in each partition when it ended. */
  readonly end: readonly number[];
}

export const lastOffset = (position: Position) => position.components.map(({ offset }) => offset).join(',');

export function show(what: Sight | Position): string {
  if ('components' in what) return formatPosition(what);
  return `${what.op} ${what.key}@${what.epoch}.${what.partition}-${what.offset}${what.content === undefined ? '' : `=${what.content}`}`;
}

class SegmentBuilder {
  readonly deliveries: { readonly sight: Sight }[] = [];
  readonly announced: Range[] = [];
  begin: number[] = [];
  end: number[] = [];
  #isBegun = false;

  reach(position: Position, snapshotTo?: Position): void {
    const offsets = position.components.map(({ offset }) => offset);
    if (!this.#isBegun) this.begin = offsets;
    this.#isBegun = true;
    for (const [partition, { offset, base }] of position.components.entries()) {
      this.end[partition] = Math.max(this.end[partition] ?? 0, offset);
      const to = base ?? snapshotTo?.components[partition]?.offset;
      if (to !== undefined && to > offset) this.#announce({ partition, after: offset, to });
    }
  }

  deliver(sight: Sight, position: Position | undefined): void {
    this.deliveries.push({ sight });
    this.end[sight.partition] = Math.max(this.end[sight.partition] ?? 0, sight.offset);
    if (position !== undefined) this.reach(position);
  }

  conflate(from: Position, to: Position): void {
    for (const [partition, { offset }] of to.components.entries()) {
      this.#announce({ partition, after: from.components[partition]?.offset ?? 0, to: offset });
    }
  }

  // Every position within a snapshot names its end again; one range says it for all of them.
  #announce(range: Range): void {
    const covers = (known: Range) =>
      known.partition === range.partition && known.to === range.to && known.after <= range.after;
    if (!this.announced.some(covers)) this.announced.push(range);
  }
}

export function segmentsOf(watch: WatchHistory): readonly Segment[] {
  const segments: SegmentBuilder[] = [new SegmentBuilder()];
  for (const each of watch.observations) {
    if (each.kind === 'reset') segments.push(new SegmentBuilder());
    const segment = segments.at(-1) as SegmentBuilder;
    if (each.kind === 'change') segment.deliver(each.sight, each.position);
    else if (each.kind === 'conflated') segment.conflate(each.from, each.to);
    else if (each.kind === 'opened' || each.kind === 'reset') segment.reach(each.position, each.snapshotTo);
    else if ('position' in each) segment.reach(each.position);
  }
  return segments;
}
