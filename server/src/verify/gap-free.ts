import type { Sight } from './history.ts';
import { type Segment, show } from './segment.ts';

/** Changes of `matching` (the log, in offset order) that a segment should have brought and did not, as messages. */
export function gapsOf(segment: Segment, matching: readonly Sight[]): readonly string[] {
  const delivered = new Set(segment.deliveries.map(({ sight }) => `${sight.partition}-${sight.offset}`));
  const isDelivered = (sight: Sight) => delivered.has(`${sight.partition}-${sight.offset}`);
  const gaps: string[] = [];
  const byKey = Map.groupBy(matching, ({ key, partition }) => `${partition} ${key}`);
  for (const changes of byKey.values()) {
    for (const [index, change] of changes.entries()) {
      const { partition, offset } = change;
      if (offset <= (segment.begin[partition] ?? 0) || offset > (segment.end[partition] ?? 0) || isDelivered(change))
        continue;
      const range = segment.announced.find(
        (each) => each.partition === partition && each.after < offset && offset <= each.to,
      );
      if (range === undefined) {
        gaps.push(`${show(change)} was not delivered`);
        continue;
      }
      const later = changes.slice(index + 1);
      if (
        later.some(
          (each) => each.offset <= range.to || isDelivered(each) || each.offset > (segment.end[partition] ?? 0),
        )
      )
        continue;
      // A snapshot leaves tombstones out: a remove says nothing to somebody who was told nothing of the key.
      const wasTold = changes.slice(0, index).some(isDelivered);
      if (change.op === 'remove' && !wasTold) continue;
      gaps.push(`${show(change)} is the last of its key up to ${range.to} and was not delivered, nor a later one`);
    }
  }
  return gaps;
}
