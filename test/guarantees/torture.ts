/**
 * Runs under faults for as long as one likes, one after another on fresh data, each with a seed of its own that repeats its choices:
 *
 *   npm run torture -- --minutes 10 --seed 42
 *   npm run torture -- --runs 1 --seed 42
 *   npm run torture -- --minutes 10 --json        one object at the end; what happens meanwhile goes to standard error
 */
import { parseArgs } from 'node:util';
import { planOf } from './plan.ts';
import { Random, seedFrom } from './random.ts';
import { report } from './result.ts';
import { run } from './run.ts';
import { Summary } from './summary.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    runs: { type: 'string', default: '1000000' },
    seed: { type: 'string' },
    rounds: { type: 'string', default: '24' },
    'at-once': { type: 'string', default: '2' },
    json: { type: 'boolean', default: false },
  },
});
const [minutes, rounds, runsMax] = [Number(values.minutes), Number(values.rounds), Number(values.runs)];
const atOnce = Number(values['at-once']);
const firstSeed = seedFrom(values.seed);
if (!(minutes > 0) || !Number.isInteger(firstSeed) || !(rounds >= 1) || !(runsMax >= 1) || !(atOnce >= 1)) {
  process.stderr.write(
    'torture takes --minutes N (over 0), --seed S (a whole number), --rounds N, --runs N and --at-once N (1 or more), and --json.\n',
  );
  process.exit(2);
}

const say = (text: string) => (values.json ? process.stderr : process.stdout).write(`${text}\n`);
const seeds = new Random(firstSeed);
const startMs = performance.now();
const summary = new Summary(firstSeed);
let begun = 0;

/** A failure to come to the end is told with its seed too, and fails the whole. */
async function runOnce(seed: number): Promise<void> {
  const plan = planOf(seed, rounds);
  try {
    const result = await run({ ...plan, seed, acksPerRoundMax: 1000 });
    summary.add(result);
    say(
      `seed ${seed}, ${plan.world}${plan.workers > 0 ? `, ${plan.workers} workers` : ''}: ${JSON.stringify(result.counts)}, violations ${result.violations.length}`,
    );
    if (result.violations.length === 0) return;
    say(`  ${plan.rounds.map((kinds) => kinds.join(' + ')).join(', ')}\n${report(result.violations)}`);
  } catch (error) {
    summary.addBroken(seed);
    say(`seed ${seed} did not come to its end: ${error instanceof Error ? error.stack : String(error)}`);
  }
}

async function runOneAfterAnother(): Promise<void> {
  while (performance.now() - startMs < minutes * 60_000 && begun < runsMax) {
    const seed = begun === 0 ? firstSeed : seeds.between(0, 4_294_967_295);
    begun += 1;
    await runOnce(seed);
  }
}

await Promise.all(Array.from({ length: atOnce }, runOneAfterAnother));
const minutesTaken = (performance.now() - startMs) / 60_000;
process.stdout.write(values.json ? `${JSON.stringify(summary.object(minutesTaken))}\n` : summary.text(minutesTaken));
process.exitCode = summary.isClean ? 0 : 1;
