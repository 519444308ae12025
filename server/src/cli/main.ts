import type { Command } from 'commander';
import { endWhenReaderLeaves, reportError } from './output.ts';
import { createProgram, usageErrorOf } from './program.ts';

/** The program `latchkey`. */
export async function main(argv: readonly string[] = process.argv): Promise<void> {
  endWhenReaderLeaves();
  const code = await run(createProgram(), argv);
  // Done, it ends by itself once its output is written. Failed, nothing that a command left open may keep it.
  if (code !== 0) process.exit(code);
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
