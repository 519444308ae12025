/**
 * The figures of Latchkey, each beside its floor in the same run and the goal it is held to: medians of three, on an otherwise idle
 * machine with Linux.
 *
 *   npm run bench                          the table
 *   npm run bench -- --quick               one short run of each, to see that it runs
 *   npm run bench -- --json                the same as JSON
 *   npm run bench -- --only fan-out        one measurement, or several: --only fan-out --only idle
 */
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { type Effort, type Figure, medians } from './figures.ts';
import { MEASUREMENTS } from './measurements.ts';
import { table } from './table.ts';

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    only: { type: 'string', multiple: true, default: [] },
  },
});
const names = MEASUREMENTS.map(({ name }) => name);
const unknown = values.only.filter((name) => !names.includes(name));
if (unknown.length > 0 || process.platform !== 'linux') {
  const why = unknown.length > 0 ? `--only takes ${names.join(', ')}` : 'it reads /proc, which is on Linux only';
  process.stderr.write(`bench: ${why}.\n`);
  process.exit(2);
}
// Servers and folders are released when the process exits, which a signal by itself would not let happen.
for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)
  process.once(signal, () => process.exit(code));

const effort: Effort = values.quick
  ? { seconds: 1.5, repeats: 1, isQuick: true }
  : { seconds: 5, repeats: 3, isQuick: false };
const figures: Figure[] = [];
for (const { measure, name, repeatsMax } of MEASUREMENTS) {
  if (values.only.length > 0 && !values.only.includes(name)) continue;
  const repeats: (readonly Figure[])[] = [];
  const count = Math.min(effort.repeats, repeatsMax ?? effort.repeats);
  for (let repeat = 1; repeat <= count; repeat += 1) {
    process.stderr.write(`${name} ${repeat}/${count}`);
    const started = performance.now();
    repeats.push(await measure(effort));
    process.stderr.write(` ${((performance.now() - started) / 1000).toFixed(1)} s\n`);
  }
  figures.push(...medians(repeats));
}

const machine = { node: process.version, cpu: cpus()[0]?.model ?? 'unknown', cores: cpus().length };
if (values.json) process.stdout.write(`${JSON.stringify({ machine, effort, figures }, undefined, 2)}\n`);
else {
  process.stdout.write(`${table(figures)}\n\n`);
  process.stdout.write(`Node ${machine.node}, ${machine.cores} × ${machine.cpu}; medians of ${effort.repeats}. `);
  process.stdout.write('Cost: how many times the floor’s; below 1 is better than the floor.\n');
}
