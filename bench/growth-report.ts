/** Goes through the sizes of each dimension, draws what it found, and prints the numbers that the plots show. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DIMENSIONS, type Dimension } from './growth.ts';
import { plotSvg } from './plot.ts';
import { aligned, digits } from './table.ts';

export interface Grown {
  readonly name: string;
  readonly xAxis: string;
  /** Microseconds of server CPU for each size, by what they are spent on. */
  readonly lines: Readonly<Record<string, readonly (readonly [size: number, micros: number])[]>>;
}

const Y_AXIS = 'µs of server CPU';

async function grownOf(dimension: Dimension, sizes: readonly number[], seconds: number): Promise<Grown> {
  const lines: Record<string, [number, number][]> = {};
  for (const size of sizes) {
    process.stderr.write(`${dimension.name} ${size.toLocaleString('en')}`);
    const started = performance.now();
    const costs = await dimension.measure(size, seconds);
    for (const [name, micros] of Object.entries(costs)) lines[name] = [...(lines[name] ?? []), [size, micros]];
    process.stderr.write(` ${((performance.now() - started) / 1000).toFixed(1)} s\n`);
  }
  return { name: dimension.name, xAxis: dimension.xAxis, lines };
}

/** One line for each size, one column for each cost. */
export function growthTable({ lines, xAxis }: Grown): string {
  const names = Object.keys(lines);
  const sizes = lines[names[0] as string]?.map(([size]) => size) ?? [];
  const rows = sizes.map((size, index) => [
    size.toLocaleString('en'),
    ...names.map((name) => digits(lines[name]?.[index]?.[1] ?? Number.NaN)),
  ]);
  return aligned([[xAxis, ...names], ...rows], new Set([...names.keys()].map((column) => column + 1)));
}

/** `only`: names of dimensions, or empty for all. `folder`: where the plots go; undefined draws none. */
export async function growth(
  only: readonly string[],
  isQuick: boolean,
  folder: string | undefined,
): Promise<readonly Grown[]> {
  const all: Grown[] = [];
  for (const dimension of DIMENSIONS.filter(({ name }) => only.length === 0 || only.includes(name))) {
    const sizes = isQuick ? dimension.sizes.slice(0, 2) : dimension.sizes;
    const grown = await grownOf(dimension, sizes, isQuick ? 0.3 : 1.5);
    all.push(grown);
    if (folder === undefined) continue;
    const lines = Object.entries(grown.lines).map(([name, points]) => ({ name, points }));
    const { name, title, xAxis } = dimension;
    writeFileSync(join(folder, `bench-${name}.svg`), plotSvg({ title, xAxis, yAxis: Y_AXIS, lines }));
  }
  return all;
}
