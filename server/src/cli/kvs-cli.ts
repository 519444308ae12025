import { LatchkeyError } from '@latchkey/client';
import { Command, CommanderError } from 'commander';
import { indentJson } from './json-indent.ts';
import { endWhenReaderLeaves, printLine, visible } from './output.ts';
import { bodyText, send } from './request.ts';
import { type ServerPlace, urlOfAddress } from './server-options.ts';

interface KvsOptions {
  readonly serverAddress: string;
  readonly all?: boolean;
  readonly key?: string;
  readonly value?: string;
}

const INDENT = 4;
const PING_INTERVAL_MS = 1000;
const WAITING_LINES_MAX = 10_000;

/** The program `kvs-cli`: the words, the answers and the exit codes (0 or 1) of kv-store's own client. */
export async function main(argv: readonly string[] = process.argv): Promise<void> {
  endWhenReaderLeaves();
  try {
    await createKvsProgram().parseAsync([...argv]);
  } catch (error) {
    // The socket and its pings of a watch would keep the process.
    process.exit(exitCodeOf(error));
  }
}

function createKvsProgram(): Command {
  const program = new Command('kvs-cli')
    .description('A client of the kv-store routes.')
    .option('--server-address <host:port>', 'where the server is', '0.0.0.0:23333')
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({ outputError: () => {} })
    .exitOverride();
  program
    .command('get')
    .description('print one pair, or all of them')
    .option('-a, --all', 'every pair (also without any option)')
    .option('-k, --key <key>', 'the key')
    .action((_options: object, command: Command) => get(command.optsWithGlobals<KvsOptions>()));
  program
    .command('set')
    .description('store a pair')
    .requiredOption('-k, --key <key>', 'the key')
    .requiredOption('-v, --value <value>', 'the value')
    .action((_options: object, command: Command) => set(command.optsWithGlobals<KvsOptions>()));
  program
    .command('watch')
    .description('print every change until interrupted')
    .action((_options: object, command: Command) => watch(command.optsWithGlobals<KvsOptions>()));
  return program;
}

async function get(options: KvsOptions): Promise<void> {
  const text =
    options.key === undefined || options.all === true
      ? await ask(options, 'getall', undefined)
      : await ask(options, 'get', { Key: options.key });
  await printLine(indented(text));
}

async function set(options: KvsOptions): Promise<void> {
  const text = await ask(options, 'set', { Key: options.key, Value: options.value });
  await printLine(text.trimEnd());
}

/** `/getall` is asked by GET, the others by POST, as the original does. */
async function ask(options: KvsOptions, route: string, body: object | undefined): Promise<string> {
  const place: ServerPlace = { server: urlOfAddress(options.serverAddress) };
  const response = await send(
    place,
    body === undefined
      ? { path: route }
      : { method: 'POST', path: route, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) },
  );
  const text = await bodyText(response);
  if (response.statusCode === 200) return text;
  throw new LatchkeyError('unavailable', reasonOf(text) || `The server answered ${response.statusCode}.`);
}

/** The dialect's errors are text; an answer that was refused before it reached the dialect carries Latchkey's error. */
function reasonOf(text: string): string {
  try {
    return (JSON.parse(text) as { error?: { message?: string } }).error?.message ?? text.trim();
  } catch {
    return text.trim();
  }
}

function watch(options: KvsOptions): Promise<void> {
  const url = `${urlOfAddress(options.serverAddress).replace(/^http/, 'ws')}/subscribe`;
  return new Promise((_resolve, reject) => {
    const socket = new WebSocket(url);
    const lost = (why: string) => reject(new LatchkeyError('unavailable', `${url} ${why}.`));
    let ping: NodeJS.Timeout | undefined;
    socket.addEventListener('open', () => {
      ping = setInterval(() => socket.send('Keepalive ping'), PING_INTERVAL_MS);
    });
    // Printing in order: each line waits for the one before it. A WebSocket cannot be told to wait, so a reader that stands
    // still for too long ends the watch.
    let printed = Promise.resolve();
    let waiting = 0;
    socket.addEventListener('message', ({ data }) => {
      waiting += 1;
      if (waiting > WAITING_LINES_MAX)
        return lost(`is read too slowly: ${WAITING_LINES_MAX} changes wait to be printed`);
      printed = printed
        .then(() => printLine(indented(String(data))))
        .then(() => {
          waiting -= 1;
        });
      printed.catch(reject);
    });
    socket.addEventListener('error', () =>
      lost('cannot be watched; is a server with the kv-store routes running there'),
    );
    socket.addEventListener('close', ({ code }) => {
      clearInterval(ping);
      printed.then(() => lost(`closed the connection (${code})`), reject);
    });
  });
}

function indented(text: string): string {
  try {
    JSON.parse(text);
  } catch {
    throw new LatchkeyError('unavailable', `The server answered what is not JSON: ${text.trim().slice(0, 200)}`);
  }
  return indentJson(text, INDENT);
}

function exitCodeOf(thrown: unknown): number {
  if (thrown instanceof CommanderError && (thrown.exitCode === 0 || thrown.code === 'commander.help'))
    return thrown.exitCode;
  const message = thrown instanceof Error ? thrown.message.replace(/^error: /, '') : String(thrown);
  process.stderr.write(`${visible(message)}\n`);
  return 1;
}
