/**
 * The figures of Latchkey, each beside its floor in the same run and the goal it is held to: medians of three, on an otherwise idle
 * machine with Linux.
 *
 *   npm run bench                          the table, about a quarter of an hour
 *   npm run bench -- --quick               one short run of each, to see that it runs
 *   npm run bench -- --json                the same as JSON
 *   npm run bench -- --only fan-out        one measurement, or several: --only fan-out --only idle
 *   npm run bench -- --growth              how costs grow with keys, watchers, groups and value size; --only takes their names
 *   npm run bench -- --write               puts the output into docs/bench.md too; with --growth also the plots beside it
 */
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { type Effort, type Figure, type Measurement, medians } from './figures.ts';
import { DIMENSIONS } from './growth.ts';
import { growth, growthTable } from './growth-report.ts';
import { MEASUREMENTS } from './measurements.ts';
import { DOCS, writeBlock } from './page.ts';
import { table } from './table.ts';

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    growth: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
    only: { type: 'string', multiple: true, default: [] },
  },
});

/** Why the command line can't be carried out. */
function refusal(): string | undefined {
  const names = (values.growth ? DIMENSIONS : MEASUREMENTS).map(({ name }) => name);
  const unknown = values.only.find((name) => !names.includes(name));
  if (unknown !== undefined) return `--only takes ${names.join(', ')}, but got ${unknown}`;
  if (values.write && (values.quick || values.only.length > 0))
    return '--write takes a whole run, without --quick and --only: the page is to show no other';
  return process.platform === 'linux' ? undefined : 'it reads /proc, which is on Linux only';
}

async function repeated({ measure, name, repeatsMax }: Measurement, effort: Effort): Promise<readonly Figure[]> {
  const repeats: (readonly Figure[])[] = [];
  const count = Math.min(effort.repeats, repeatsMax ?? effort.repeats);
  for (let repeat = 1; repeat <= count; repeat += 1) {
    process.stderr.write(`${name} ${repeat}/${count}`);
    const started = performance.now();
    repeats.push(await measure(effort));
    process.stderr.write(` ${((performance.now() - started) / 1000).toFixed(1)} s\n`);
  }
  return medians(repeats);
}

const why = refusal();
if (why !== undefined) {
  process.stderr.write(`bench: ${why}.\n`);
  process.exit(2);
}
// Servers and folders are released when the process exits, which a signal by itself would not let happen.
process.once('SIGINT', () => process.exit(130));
process.once('SIGTERM', () => process.exit(143));

const machine = { node: process.version, cpu: cpus()[0]?.model ?? 'unknown', cores: cpus().length };
const machineText = `Node ${machine.node}, ${machine.cores} × ${machine.cpu}`;
const write = (name: string, command: string, output: string) => {
  process.stdout.write(`${output}\n`);
  if (values.write) writeBlock(name, command, output);
};

if (values.growth) {
  const dimensions = await growth(values.only, values.quick, values.write ? DOCS : undefined);
  const output = `${dimensions.map(growthTable).join('\n\n')}\n\n${machineText}; µs of server CPU for one of each.`;
  if (values.json) process.stdout.write(`${JSON.stringify({ machine, dimensions }, undefined, 2)}\n`);
  else write('growth', 'npm run bench -- --growth', output);
} else {
  const effort: Effort = values.quick
    ? { seconds: 1.5, repeats: 1, isQuick: true }
    : { seconds: 5, repeats: 3, isQuick: false };
  const figures: Figure[] = [];
  for (const measurement of MEASUREMENTS) {
    if (values.only.length === 0 || values.only.includes(measurement.name))
      figures.push(...(await repeated(measurement, effort)));
  }
  const legend = 'Cost: how many times the floor’s; below 1 is better than the floor.';
  const output = `${table(figures)}\n\n${machineText}; medians of ${effort.repeats}. ${legend}`;
  if (values.json) process.stdout.write(`${JSON.stringify({ machine, effort, figures }, undefined, 2)}\n`);
  else write('table', 'npm run bench', output);
}
