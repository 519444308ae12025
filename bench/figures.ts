/** What a measurement answers with, and how medians and the table are made of it. */

export interface Figure {
  readonly name: string;
  readonly unit: string;
  readonly isLowerBetter: boolean;
  readonly latchkey: number;
  readonly floor: number;
  /** What the floor is. */
  readonly floorIs: string;
}

export interface Effort {
  /** Length of each measured stretch. */
  readonly seconds: number;
  readonly repeats: number;
  /** Scales the number of idle watchers. */
  readonly isQuick: boolean;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((one, other) => one - other);
  const middle = sorted.length >> 1;
  if (sorted.length % 2 === 1) return sorted[middle] as number;
  return ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

/** The median of each figure over the repeats, which list the same figures in the same order. */
export function medians(repeats: readonly (readonly Figure[])[]): readonly Figure[] {
  return (repeats[0] ?? []).map((first, index) => ({
    ...first,
    latchkey: median(repeats.map((figures) => (figures[index] as Figure).latchkey)),
    floor: median(repeats.map((figures) => (figures[index] as Figure).floor)),
  }));
}

function number(value: number): string {
  if (!Number.isFinite(value)) return '–';
  if (value >= 1000) return Math.round(value).toLocaleString('en');
  return value.toPrecision(3);
}

export function table(figures: readonly Figure[]): string {
  const rows = figures.map(({ floor, floorIs, isLowerBetter, latchkey, name, unit }) => {
    const ratio = isLowerBetter ? latchkey / floor : floor / latchkey;
    return [name, unit, number(latchkey), number(floor), `${ratio.toFixed(2)} ×`, floorIs];
  });
  const all = [['', 'unit', 'latchkey', 'floor', 'cost', 'the floor is'], ...rows];
  const widths = all[0]?.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0))) ?? [];
  return all
    .map((row) =>
      row
        .map((cell, column) =>
          column > 1 && column < 5 ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0),
        )
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
