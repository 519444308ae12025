/** What a measurement answers with, and how the medians of its repeats are made. */

export interface Figure {
  readonly name: string;
  readonly unit: string;
  readonly isLowerBetter: boolean;
  readonly latchkey: number;
  /** The same of something that does only what can't be left out, in the same run; undefined where there is no such thing. */
  readonly floor?: number | undefined;
  /** What the floor is, or what else is to be known of the figure. */
  readonly floorIs: string;
  /** What is to be reached, in the figure's own unit or as a share of the floor of this run. */
  readonly goal?: number | { readonly shareOfFloor: number } | undefined;
}

export interface Effort {
  /** Length of each measured stretch. */
  readonly seconds: number;
  readonly repeats: number;
  /** Everything is a tenth or so of its size: it shows that the measurement runs, not what it measures. */
  readonly isQuick: boolean;
}

export interface Measurement {
  /** What `--only` takes. */
  readonly name: string;
  /** One run: always the same figures, in the same order. */
  readonly measure: (effort: Effort) => Promise<readonly Figure[]>;
  /** For what takes minutes by its nature. */
  readonly repeatsMax?: number;
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
  return (repeats[0] ?? []).map((first, index) => {
    const same = repeats.map((figures) => figures[index] as Figure);
    const floors = same.flatMap(({ floor }) => (floor === undefined ? [] : [floor]));
    return {
      ...first,
      latchkey: median(same.map(({ latchkey }) => latchkey)),
      floor: floors.length === 0 ? undefined : median(floors),
    };
  });
}

/** The goal in the figure's own unit. */
export function goalOf({ floor, goal }: Figure): number | undefined {
  if (goal === undefined || typeof goal === 'number') return goal;
  return floor === undefined ? undefined : goal.shareOfFloor * floor;
}
