/**
 * Runs under faults for as long as one likes, one after another on fresh data, each with a seed of its own that repeats its choices:
 *
 *   npm run torture -- --minutes 10 --seed 42
 *   npm run torture -- --runs 1 --seed 42
 */
import { parseArgs } from 'node:util';
import { FAULT_KINDS } from './faults.ts';
import { Random, seedFrom } from './random.ts';
import { type RunResult, report, run } from './run.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    runs: { type: 'string', default: '1000000' },
    seed: { type: 'string' },
    rounds: { type: 'string', default: '16' },
  },
});
const [minutes, rounds, runsMax] = [Number(values.minutes), Number(values.rounds), Number(values.runs)];
const firstSeed = seedFrom(values.seed);
if (!(minutes > 0) || !Number.isInteger(firstSeed) || !(rounds >= 1) || !(runsMax >= 1)) {
  process.stderr.write(
    'torture takes --minutes N (over 0), --seed S (a whole number), --rounds N and --runs N (1 or more).\n',
  );
  process.exit(2);
}

const TOTALS = ['faults', 'refusals', 'resets', 'counts'] as const;
const totals = {
  faults: new Map(),
  refusals: new Map(),
  resets: new Map(),
  counts: new Map(),
} as const satisfies Record<(typeof TOTALS)[number], Map<string, number>>;

function add(result: RunResult): void {
  for (const group of TOTALS) {
    const sums: Map<string, number> = totals[group];
    for (const [name, count] of Object.entries(result[group])) sums.set(name, (sums.get(name) ?? 0) + count);
  }
}

/** What is drawn from the seed: the world, the faults and their order; the rest is drawn within the run. */
async function runOnce(seed: number): Promise<RunResult> {
  const random = new Random(seed);
  const world = random.chance(0.5) ? 'complete' : 'narrow';
  const faults = Array.from({ length: rounds }, () => random.pick(FAULT_KINDS));
  const result = await run({ seed, world, faults, acksPerRoundMax: 1000 });
  process.stdout.write(
    `seed ${seed}, ${world}: ${JSON.stringify(result.counts)}, violations ${result.violations.length}\n`,
  );
  if (result.violations.length > 0) process.stdout.write(`  ${faults.join(', ')}\n${report(result.violations)}\n`);
  return result;
}

const seeds = new Random(firstSeed);
const until = performance.now() + minutes * 60_000;
let seed = firstSeed;
let violations = 0;
let broken = 0;
let runs = 0;
for (; performance.now() < until && runs < runsMax; runs += 1) {
  try {
    const result = await runOnce(seed);
    add(result);
    violations += result.violations.length;
  } catch (error) {
    broken += 1;
    process.stdout.write(
      `seed ${seed} did not come to its end: ${error instanceof Error ? error.stack : String(error)}\n`,
    );
  }
  seed = seeds.between(0, 4_294_967_295);
}

process.stdout.write(`\n${runs} runs from seed ${firstSeed}\n`);
for (const group of TOTALS) {
  process.stdout.write(`${group}\n`);
  for (const [name, count] of totals[group]) process.stdout.write(`  ${name.padEnd(20)} ${count}\n`);
}
process.stdout.write(`runs that did not come to their end ${broken}\nviolations ${violations}\n`);
process.exitCode = violations + broken > 0 ? 1 : 0;
