/**
 * Runs an example: its page, its writer, and a Latchkey server for it, until Ctrl-C.
 *
 *   npm run example -- board                          a server of its own with temporary data, free ports
 *   npm run example -- board --port 8000 --data DIR   this port for the page, and data that is kept
 *   npm run example -- board --server URL             a server that runs already; --no-writer: whose values come from elsewhere
 */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { EmbeddedServer } from './host/embedded-server.ts';
import { servePage } from './host/page-server.ts';
import type { WriterContext } from './host/pulse.ts';

const NAMES = readdirSync(import.meta.dirname, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && entry.name !== 'host')
  .map(({ name }) => name);
const USAGE = `npm run example -- NAME [--port N] [--data DIR] [--server-port N] [--server URL] [--no-writer]\nNAME is ${NAMES.join(', ')}.\n`;

interface Writer {
  readonly about: string;
  /** Writes until the signal aborts. */
  readonly write: (context: WriterContext) => Promise<void>;
}

const say = (line: string) => process.stdout.write(`${line}\n`);

function read(args: readonly string[]) {
  const { positionals, values } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      port: { type: 'string', default: '0' },
      data: { type: 'string' },
      'server-port': { type: 'string', default: '0' },
      server: { type: 'string' },
      'no-writer': { type: 'boolean', default: false },
    },
  });
  const [name = ''] = positionals;
  if (!NAMES.includes(name))
    throw new Error(name === '' ? 'Which example?' : `There is no example ${JSON.stringify(name)}.`);
  for (const option of ['port', 'server-port'] as const) {
    if (!/^\d{1,5}$/.test(values[option]) || Number(values[option]) > 65_535) {
      throw new Error(`--${option} takes a port, but got ${JSON.stringify(values[option])}.`);
    }
  }
  if (values.server !== undefined && !URL.canParse(values.server)) {
    throw new Error(`--server takes a URL like http://127.0.0.1:23333, but got ${JSON.stringify(values.server)}.`);
  }
  return { name, ...values };
}

/** Ctrl-C, or what stops a service. */
function stopSignal(): AbortSignal {
  const stop = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => stop.abort());
  return stop.signal;
}

async function run(options: ReturnType<typeof read>): Promise<void> {
  const signal = stopSignal();
  await using ends = new AsyncDisposableStack();
  const folder = join(import.meta.dirname, options.name);
  const { about, write } = (await import(join(folder, 'writer.ts'))) as Writer;
  let { server } = options;
  let where = '';
  if (server === undefined) {
    const data = options.data ?? mkdtempSync(join(tmpdir(), 'latchkey-example-'));
    if (options.data === undefined) ends.defer(() => rmSync(data, { recursive: true, force: true }));
    const embedded = await EmbeddedServer.start({ data, port: Number(options['server-port']), say });
    ends.defer(() => embedded.close());
    server = embedded.url;
    where += `, process ${embedded.pid}, data in ${data}.\nTry \`kill -9 ${embedded.pid}\` and look at the page: the server is started again after 3 s`;
  }
  const page = await servePage(folder, Number(options.port), new URL(server));
  ends.defer(() => page.close());
  say(`${about}\nThe server: ${server}${where}.`);
  say(`Open ${page.url}   (Ctrl-C stops everything)`);
  if (!options['no-writer']) await write({ server, signal, say });
  if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve));
}

try {
  const options = read(process.argv.slice(2));
  await run(options);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n${USAGE}`);
  process.exitCode = 2;
}
