/**
 * The five-minute start (docs/start.md) as somebody new walks it, timed: a clean clone, `npm ci`, `npm start`, the page in Chromium,
 * and a value that changes there because `curl` wrote it.
 *
 *   npm run five-minutes              a clone in a temporary folder; what is not committed is not in it
 *   npm run five-minutes -- --here    in this checkout, without the clone and `npm ci`
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { openBrowser } from '../test/support/chromium.ts';
import { cleanEnvironment, ROOT, runToEnd } from '../test/support/server-process.ts';

const STEP_MAX_MS = 300_000;
const WAIT = { timeout: 30_000 };

let totalMs = 0;

async function step<Result>(name: string, run: () => Promise<Result>): Promise<Result> {
  const startMs = performance.now();
  const result = await run();
  const ms = performance.now() - startMs;
  totalMs += ms;
  print(name, ms);
  return result;
}

const print = (name: string, ms: number) =>
  process.stdout.write(`${name.padEnd(52)}${(ms / 1000).toFixed(1).padStart(6)} s\n`);

async function toEnd(command: readonly string[], cwd: string): Promise<string> {
  const { code, signal, stderr, stdout } = await runToEnd(command, { cwd, timeoutMs: STEP_MAX_MS });
  if (code === 0) return stdout;
  throw new Error(`\`${command.join(' ')}\` in ${cwd} ended with ${code ?? signal}:\n${stdout}${stderr}`);
}

/** Where it listens, from the first line of its log that says so. */
function listening(child: ChildProcess): Promise<string> {
  const lines: string[] = [];
  return new Promise((done, fail) => {
    child.once('exit', (code) => fail(new Error(`npm start ended with ${code}:\n${lines.join('\n')}`)));
    for (const input of [child.stdout, child.stderr]) {
      if (input === null) continue;
      createInterface({ input }).on('line', (line) => {
        lines.push(line);
        const url = /http:\/\/127\.0\.0\.1:\d+/.exec(line)?.[0];
        if (url !== undefined) done(url);
      });
    }
  });
}

async function walk(isHere: boolean): Promise<void> {
  await using ends = new AsyncDisposableStack();
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-five-minutes-'));
  ends.defer(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
  let checkout = ROOT;
  if (!isHere) {
    checkout = join(folder, 'latchkey');
    await step('git clone', () => toEnd(['git', 'clone', '--quiet', ROOT, checkout], folder));
    await step('npm ci', () => toEnd(['npm', 'ci'], checkout));
  }
  const url = await step('npm start, until it listens', async () => {
    // Any free port, so that it runs beside a server on the usual one; the data goes with the folder.
    const args = ['start', '--', '--port', '0', '--data', join(folder, 'data')];
    // In a group of its own: npm and what it starts are stopped together.
    const child = spawn('npm', args, { cwd: checkout, env: cleanEnvironment(), detached: true });
    ends.defer(async () => {
      if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
      const gone = once(child, 'close');
      process.kill(-child.pid, 'SIGTERM');
      await gone;
    });
    return await listening(child);
  });
  const key = `${url}/v1/keys/sensor.1`;
  const put = (value: string) => toEnd(['curl', '-sf', '-X', 'PUT', key, '-d', value], folder);
  await step('curl puts a first value', () => put('{"temp":21.5}'));
  const page = await step('the page in Chromium, until it shows the value', async () => {
    const browser = await openBrowser({ after: (done) => ends.defer(async () => void (await done())) });
    const opened = await browser.newPage();
    await opened.goto(url);
    await opened.getByText('21.5').first().waitFor(WAIT);
    return opened;
  });
  await step('curl puts another one, until the page shows it', async () => {
    await put('{"temp":23.5}');
    await page.getByText('23.5').first().waitFor(WAIT);
  });
  print('together', totalMs);
}

try {
  const { values } = parseArgs({ options: { here: { type: 'boolean', default: false } } });
  await walk(values.here);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
