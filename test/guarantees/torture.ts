/**
 * The kill loop for as long as one likes, run after run on fresh data, each with a seed of its own that repeats it alone:
 *
 *   npm run torture -- --minutes 10 --seed 42
 */
import { parseArgs } from 'node:util';
import { Random, seedFrom } from './random.ts';
import { type RunResult, report, run } from './run.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    seed: { type: 'string' },
    rounds: { type: 'string', default: '12' },
  },
});
const minutes = Number(values.minutes);
const rounds = Number(values.rounds);
const firstSeed = seedFrom(values.seed);
if (!(minutes > 0) || !Number.isInteger(firstSeed) || !(rounds >= 1)) {
  process.stderr.write('torture takes --minutes N (over 0), --seed S (a whole number) and --rounds N (1 or more).\n');
  process.exit(2);
}

type Count = Exclude<keyof RunResult['summary'], 'refusals'>;
const totals = new Map<Count | 'violations', number>();
const add = (name: Count | 'violations', count: number) => totals.set(name, (totals.get(name) ?? 0) + count);
const seeds = new Random(firstSeed);
const until = performance.now() + minutes * 60_000;
let seed = firstSeed;
let runs = 0;

while (performance.now() < until) {
  const { summary, violations } = await run({ seed, rounds, acksPerRoundMax: 1000, stopShare: 0.2 });
  runs += 1;
  const { refusals, ...counts } = summary;
  for (const [name, count] of Object.entries(counts)) add(name as Count, count);
  add('violations', violations.length);
  process.stdout.write(
    `seed ${seed}: ${JSON.stringify(counts)} ${JSON.stringify(refusals)}, violations ${violations.length}\n`,
  );
  if (violations.length > 0) process.stdout.write(`${report(violations)}\n`);
  seed = seeds.between(0, 4_294_967_295);
}

process.stdout.write(`\nruns            ${runs} from seed ${firstSeed}\n`);
for (const [name, count] of totals) process.stdout.write(`${name.padEnd(15)} ${count}\n`);
process.exitCode = (totals.get('violations') ?? 0) > 0 ? 1 : 0;
