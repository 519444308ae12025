/**
 * Runs under faults for as long as one likes, one after another on fresh data, each with a seed of its own that repeats its choices:
 *
 *   npm run torture -- --minutes 10 --seed 42
 *   npm run torture -- --runs 1 --seed 42
 *   npm run torture -- --minutes 10 --nodes       three nodes around one Redis, instead of one server
 *   npm run torture -- --minutes 10 --json        one object at the end; what happens meanwhile goes to standard error
 */
import { parseArgs } from 'node:util';
import { nodesPlanOf, planOf } from './plan.ts';
import { Random, seedFrom } from './random.ts';
import { type RunResult, report } from './result.ts';
import { run } from './run.ts';
import { runNodes } from './run-nodes.ts';
import { Summary } from './summary.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    runs: { type: 'string', default: '1000000' },
    seed: { type: 'string' },
    rounds: { type: 'string', default: '24' },
    'at-once': { type: 'string', default: '2' },
    nodes: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});
const [minutes, rounds, runsMax] = [Number(values.minutes), Number(values.rounds), Number(values.runs)];
const atOnce = Number(values['at-once']);
const firstSeed = seedFrom(values.seed);
if (!(minutes > 0) || !Number.isInteger(firstSeed) || !(rounds >= 1) || !(runsMax >= 1) || !(atOnce >= 1)) {
  process.stderr.write(
    'torture takes --minutes N (over 0), --seed S (a whole number), --rounds N, --runs N and --at-once N (1 or more), --nodes and --json.\n',
  );
  process.exit(2);
}

const say = (text: string) => (values.json ? process.stderr : process.stdout).write(`${text}\n`);
const seeds = new Random(firstSeed);
const startMs = performance.now();
const summary = new Summary(firstSeed);
let begun = 0;

interface Prepared {
  /** The world it runs in. */
  readonly about: string;
  readonly rounds: readonly (readonly string[])[];
  begin(): Promise<RunResult>;
}

const ACKS_PER_ROUND_MAX = 1000;

function prepare(seed: number): Prepared {
  if (values.nodes) {
    const plan = nodesPlanOf(seed, rounds);
    const begin = () => runNodes({ ...plan, seed, acksPerRoundMax: ACKS_PER_ROUND_MAX });
    return { about: `${plan.world}, nodes`, rounds: plan.rounds, begin };
  }
  const plan = planOf(seed, rounds);
  const begin = () => run({ ...plan, seed, acksPerRoundMax: ACKS_PER_ROUND_MAX });
  return {
    about: plan.workers > 0 ? `${plan.world}, ${plan.workers} workers` : plan.world,
    rounds: plan.rounds,
    begin,
  };
}

/** A failure to come to the end is told with its seed too, and fails the whole. */
async function runOnce(seed: number): Promise<void> {
  const prepared = prepare(seed);
  try {
    const result = await prepared.begin();
    summary.add(result);
    say(`seed ${seed}, ${prepared.about}: ${JSON.stringify(result.counts)}, violations ${result.violations.length}`);
    if (result.violations.length === 0) return;
    say(`  ${prepared.rounds.map((kinds) => kinds.join(' + ')).join(', ')}\n${report(result.violations)}`);
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
