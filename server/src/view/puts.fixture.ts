/** Changes for the tests of a store. */
import type { Placed } from './view.ts';

export const NOW = 1_800_000_000_000_000;

/** As many puts of half a KiB, from that offset on. */
export function puts(count: number, from: number): readonly Placed[] {
  return Array.from({ length: count }, (_, index) => {
    const offset = from + index;
    const place = { partition: 0, offset, previous: 0, valueOffset: offset };
    const value = { kind: 'json', data: JSON.stringify('v'.repeat(500)) } as const;
    return {
      change: { op: 'put', key: `k.${offset}`, ...place, value, updated: { micros: NOW }, decided: NOW },
      before: undefined,
    };
  });
}
