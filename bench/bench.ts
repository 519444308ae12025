/**
 * The figures of Latchkey, each beside its floor in the same run: medians of three, on an otherwise idle machine with Linux.
 *
 *   npm run bench                          the table
 *   npm run bench -- --quick               one short run of each, to see that it runs
 *   npm run bench -- --json                the same as JSON
 *   npm run bench -- --only fan-out        one of fan-out, latency, ingest, reads, idle, cli
 */
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { cli } from './cli.ts';
import { fanOut } from './fan-out.ts';
import { type Effort, type Figure, medians, table } from './figures.ts';
import { idle } from './idle.ts';
import { ingest } from './ingest.ts';
import { latency } from './latency.ts';
import { reads } from './reads.ts';

const MEASUREMENTS = { 'fan-out': fanOut, latency, ingest, reads, idle, cli };

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    only: { type: 'string', multiple: true, default: [] },
  },
});
const unknown = values.only.filter((name) => !Object.hasOwn(MEASUREMENTS, name));
if (unknown.length > 0 || process.platform !== 'linux') {
  const why =
    unknown.length > 0
      ? `--only takes ${Object.keys(MEASUREMENTS).join(', ')}`
      : 'it reads /proc, which is on Linux only';
  process.stderr.write(`bench: ${why}.\n`);
  process.exit(2);
}

const effort: Effort = values.quick
  ? { seconds: 1.5, repeats: 1, isQuick: true }
  : { seconds: 5, repeats: 3, isQuick: false };
const figures: Figure[] = [];
for (const [name, measure] of Object.entries(MEASUREMENTS)) {
  if (values.only.length > 0 && !values.only.includes(name)) continue;
  const repeats: (readonly Figure[])[] = [];
  for (let repeat = 1; repeat <= effort.repeats; repeat += 1) {
    if (!values.json) process.stderr.write(`${name} ${repeat}/${effort.repeats}\n`);
    repeats.push(await measure(effort));
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
