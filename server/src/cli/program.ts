import { LatchkeyError } from '@latchkey/client';
import { Command, CommanderError, Option } from 'commander';
import { programVersion } from '../shared/program-version.ts';
import { addDataCommands } from './program-data.ts';
import { addMaintenance, addServe } from './program-server.ts';
import { SERVER_DEFAULT } from './server-options.ts';

const EXIT_CODES = `
Exit codes: 0 done, 1 error, 2 wrong usage or settings, 3 not found, 4 conflict (a condition did not hold),
5 unauthorised, 6 server unavailable, 7 timeout, 130 interrupted.`;

/** Every command with its options and examples; what a command does is imported when it runs, so that help and errors are fast. */
export function createProgram(): Command {
  const program = new Command('latchkey')
    .description('Keeps the last value of every key and pushes every change live, without a gap.')
    .version(programVersion(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand('help [command]', 'print the help of a command')
    .addOption(new Option('--server <url>', `where the server is (LATCHKEY_SERVER; default ${SERVER_DEFAULT})`))
    .addOption(new Option('--server-address <host:port>', 'the same as an address'))
    .addOption(new Option('--token <token>', 'sent to the server; also env:NAME or file:PATH (LATCHKEY_TOKEN)'))
    .addOption(new Option('--json', 'results and errors as JSON, one object a line'))
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({ outputError: () => {} })
    .exitOverride()
    .addHelpText('after', EXIT_CODES);
  addServe(program);
  addDataCommands(program);
  addMaintenance(program);
  return program;
}

/**
 * What commander threw: `shown` where help or version was asked for and printed, `help` where a command was missing and the help
 * went to standard error, a `usage` error otherwise; nothing for what commander did not throw.
 */
export function usageErrorOf(thrown: unknown): LatchkeyError | 'shown' | 'help' | undefined {
  if (!(thrown instanceof CommanderError)) return undefined;
  if (thrown.exitCode === 0) return 'shown';
  if (thrown.code === 'commander.help') return 'help';
  const text = thrown.message.replace(/^error: /, '').replace(/\s*\n\s*/g, ' ');
  const sentence = text.charAt(0).toUpperCase() + text.slice(1);
  return new LatchkeyError('usage', `${/[.?!)]$/.test(sentence) ? sentence : `${sentence}.`} See latchkey --help.`);
}
