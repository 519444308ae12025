import { type Figure, goalOf } from './figures.ts';

const HEAD = ['', 'unit', 'latchkey', 'goal', '', 'floor', 'cost', 'the floor is'];
/** Columns of numbers stand at the right of their column. */
const NUMBERS = new Set([2, 3, 5, 6]);

/** Three digits, which is more than a shared machine is good for. */
export function digits(value: number): string {
  if (!Number.isFinite(value)) return '–';
  if (value >= 1000) return Math.round(value).toLocaleString('en');
  if (value === 0) return '0';
  return value < 0.001 ? value.toExponential(1) : value.toPrecision(3);
}

/** `reached`, or by how much it was not. */
export function verdict(figure: Figure): string {
  const goal = goalOf(figure);
  if (goal === undefined) return '';
  const { isLowerBetter, latchkey } = figure;
  if (isLowerBetter ? latchkey <= goal : latchkey >= goal) return 'reached';
  const ratio = isLowerBetter ? latchkey / goal : goal / latchkey;
  return Number.isFinite(ratio) ? `${ratio.toFixed(2)} × off` : 'missed';
}

function costOf({ floor, isLowerBetter, latchkey }: Figure): string {
  if (floor === undefined) return '';
  const ratio = isLowerBetter ? latchkey / floor : floor / latchkey;
  return Number.isFinite(ratio) ? `${ratio.toFixed(2)} ×` : '';
}

function rowOf(figure: Figure): readonly string[] {
  const { floor, floorIs, isLowerBetter, latchkey, name, unit } = figure;
  const goal = goalOf(figure);
  return [
    name,
    unit,
    digits(latchkey),
    goal === undefined ? '' : `${isLowerBetter ? '≤' : '≥'} ${digits(goal)}`,
    verdict(figure),
    floor === undefined ? '' : digits(floor),
    costOf(figure),
    floorIs,
  ];
}

/** Columns side by side; those of `numbers` stand at the right of theirs. The first row is the head. */
export function aligned(rows: readonly (readonly string[])[], numbers: ReadonlySet<number>): string {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => (row[column] as string).length))) ?? [];
  const padded = (cell: string, column: number) =>
    numbers.has(column) ? cell.padStart(widths[column] as number) : cell.padEnd(widths[column] as number);
  return rows.map((row) => row.map(padded).join('  ').trimEnd()).join('\n');
}

export function table(figures: readonly Figure[]): string {
  return aligned([HEAD, ...figures.map(rowOf)], NUMBERS);
}
