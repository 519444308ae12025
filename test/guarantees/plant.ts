/**
 * Starts a server with a planted bug, for `latchkey verify` to find by hand:
 *
 *   npm run planted -- --bug drop --one-in 10000               until Ctrl-C; verify it from another terminal
 *   npm run planted -- --bug drop --one-in 10000 --minutes 1   runs verify too, and exits with its code
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { BIN, ServerProcess } from '../support/server-process.ts';
import { serverCommand } from './launch.ts';
import { BUG_NAMES, type BugName, bugOf } from './planted-bugs.ts';

const { values } = parseArgs({
  options: {
    bug: { type: 'string', default: 'drop' },
    'one-in': { type: 'string', default: '10000' },
    minutes: { type: 'string' },
  },
});
const oneIn = Number(values['one-in']);
const bugs = BUG_NAMES.filter((name) => !('under' in bugOf(name) || 'amongNodes' in bugOf(name)));
const name = bugs.find((each) => each === values.bug);
if (name === undefined || !Number.isInteger(oneIn) || oneIn < 1) {
  const list = bugs.map((each) => `  ${each.padEnd(18)}${bugOf(each).about} (${bugOf(each).foundBy})`).join('\n');
  process.stderr.write(`planted takes --one-in N (1 or more), --minutes N and --bug, one of\n${list}\n`);
  process.exit(2);
}
process.exitCode = await (values.minutes === undefined ? serve(name) : verify(name, values.minutes));

/** Says each time that the bug strikes. */
async function start(bug: BugName): Promise<ServerProcess> {
  const server = await ServerProcess.start({
    command: serverCommand(bug, oneIn),
    onLine: (line) => {
      const what = /"(planted: .*)"}$/.exec(line)?.[1];
      if (what !== undefined) process.stdout.write(`${what}\n`);
    },
  });
  process.stdout.write(`${server.url}: ${bugOf(bug).about}, 1 in ${oneIn}\n`);
  return server;
}

async function serve(bug: BugName): Promise<number> {
  const server = await start(bug);
  await once(process, 'SIGINT');
  await server.dispose();
  return 0;
}

async function verify(bug: BugName, minutes: string): Promise<number> {
  const server = await start(bug);
  const child = spawn(process.execPath, [BIN, 'verify', server.url, '--minutes', minutes], { stdio: 'inherit' });
  const [code] = (await once(child, 'exit')) as [number | null];
  await server.dispose();
  return code ?? 1;
}
