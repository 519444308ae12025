import type { Command } from 'commander';
import { endWhenReaderLeaves, reportError } from './output.ts';
import { createProgram, usageErrorOf } from './program.ts';

/** The program `latchkey`. Sets the exit code; the process ends once its output is written. */
export async function main(argv: readonly string[] = process.argv): Promise<void> {
  endWhenReaderLeaves();
  process.exitCode = await run(createProgram(), argv);
}

async function run(program: Command, argv: readonly string[]): Promise<number> {
  const json = argv.includes('--json');
  try {
    await program.parseAsync([...argv]);
    return 0;
  } catch (thrown) {
    const usage = usageErrorOf(thrown);
    if (usage === 'shown') return 0;
    if (usage === 'help') return 2;
    return reportError(usage ?? thrown, { json });
  }
}
