import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { BIN, cleanEnvironment, runToEnd, type ServerProcess } from '../test/support/server-process.ts';
import { type Effort, type Figure, median } from './figures.ts';
import { withFolder } from './folders.ts';
import { closedLoop, httpRequest, putRequest, VALUE_TEXT } from './load.ts';
import { startLatchkey, withServer } from './servers.ts';

const KEYS = 10_000;
const BATCH = 1000;
const ROWS = 300_000;

/** Milliseconds from start to exit of a command, the median of several. */
async function startToExit(args: readonly string[], times: number): Promise<number> {
  const took: number[] = [];
  for (let time = 0; time < times; time += 1) {
    const started = performance.now();
    const child = spawn(process.execPath, args, { env: cleanEnvironment(), stdio: 'ignore' });
    const [code] = (await once(child, 'exit')) as [number | null];
    took.push(performance.now() - started);
    if (code !== 0) throw new Error(`latchkey ${args.join(' ')} exited with ${code}`);
  }
  return median(took);
}

async function startTimes(server: ServerProcess, { isQuick }: Effort): Promise<readonly Figure[]> {
  const times = isQuick ? 5 : 15;
  await closedLoop(server.port, 1, 0.1, () => putRequest('bench.cli', VALUE_TEXT));
  const help = [BIN, '--help'];
  const get = [BIN, 'get', 'bench.cli', '--server', server.url];
  // The first start of each fills the compile cache.
  for (const args of [help, get]) await startToExit(args, 1);
  const common = { unit: 'ms to exit', isLowerBetter: true, floorIs: 'Node alone: node -e 0' };
  return [
    {
      ...common,
      name: 'latchkey --help',
      goal: 80,
      latchkey: await startToExit(help, times),
      floor: await startToExit(['-e', '0'], times),
    },
    {
      ...common,
      name: 'latchkey get',
      goal: 120,
      latchkey: await startToExit(get, times),
      floor: await startToExit(['-e', '0'], times),
    },
  ];
}

const command = (row: number) => `{"op":"put","key":"bench.${row % KEYS}","value":${VALUE_TEXT}}\n`;

async function writeRows(file: string, rows: number): Promise<void> {
  const out = createWriteStream(file);
  for (let row = 0; row < rows; row += BATCH) {
    const lines = Array.from({ length: BATCH }, (_, index) => command(row + index));
    if (!out.write(lines.join(''))) await once(out, 'drain');
  }
  out.end();
  await finished(out);
}

async function importing(server: ServerProcess, { isQuick, seconds }: Effort): Promise<readonly Figure[]> {
  const rows = isQuick ? ROWS / 5 : ROWS;
  return withFolder('import', async (folder) => {
    const file = join(folder, 'rows.ndjson');
    await writeRows(file, rows);
    const request = (index: number) => {
      const lines = Array.from({ length: BATCH }, (_, row) => command(index * BATCH + row));
      return httpRequest('POST', '/v1/commands', 'application/x-ndjson', lines.join(''));
    };
    const requests = Array.from({ length: KEYS / BATCH }, (_, index) => request(index));
    const load = await closedLoop(
      server.port,
      1,
      seconds,
      (index) => requests[index % requests.length] as Buffer,
      BATCH,
    );
    const started = performance.now();
    const cpu = await cpuSecondsOf([BIN, 'import', file, '--server', server.url]);
    const took = (performance.now() - started) / 1000;
    const name = 'latchkey import, NDJSON, from start to exit';
    return [
      {
        name,
        unit: 'rows/s',
        isLowerBetter: false,
        latchkey: rows / took,
        floor: load.count / load.seconds,
        floorIs: 'the same batches, prepared, sent one after the other',
        goal: 100_000,
      },
      {
        name,
        unit: 'µs client CPU/row',
        isLowerBetter: true,
        latchkey: (cpu * 1_000_000) / rows,
        floor: ((await cpuSecondsOf(['-e', READ, file])) * 1_000_000) / rows,
        floorIs: 'Node reading the file and doing nothing with it',
      },
    ];
  });
}

const READ = "require('node:fs').createReadStream(process.argv[1], { highWaterMark: 262144 }).resume()";

/** User and system time of a run of Node, its start included: what the shell's `times` says of its children. */
async function cpuSecondsOf(args: readonly string[]): Promise<number> {
  const got = await runToEnd(['sh', '-c', '"$@" > /dev/null && times', 'sh', process.execPath, ...args], {
    timeoutMs: 120_000,
  });
  if (got.code !== 0) throw new Error(`node ${args.join(' ')} failed: ${got.stderr}`);
  const parts = [...(got.stdout.trimEnd().split('\n').at(-1) ?? '').matchAll(/(\d+)m([\d.]+)s/g)];
  return parts.reduce((sum, [, minutes, seconds]) => sum + Number(minutes) * 60 + Number(seconds), 0);
}

/** What a person waits for: short commands from start to exit by their own bin, and a file of rows. */
export async function cli(effort: Effort): Promise<readonly Figure[]> {
  const starts = await withServer(startLatchkey, (server) => startTimes(server, effort));
  return [...starts, ...(await withServer(startLatchkey, (server) => importing(server, effort)))];
}
