/** Python programs beside a server, as the seeds' users run them. Importing this module is how a test says that it needs Python. */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type PythonClient, pythonWith } from '../../scripts/service/python.ts';
import { cleanEnvironment, ROOT } from './server-process.ts';
import { Waiting } from './waiting.ts';

const WAIT_MS = 20_000;
const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

export interface PythonProgram {
  /** What it printed, both outputs. */
  readonly lines: readonly string[];
  until(what: string, holds: (lines: readonly string[]) => boolean): Promise<void>;
}

/** Runs a program of `test/e2e/python`; undefined, and the test is skipped, where there is no Python with this client. */
export function startPython(
  t: TestContext,
  client: PythonClient,
  program: string,
  args: readonly string[],
): PythonProgram | undefined {
  const python = pythonWith(client);
  if (python === undefined) {
    t.skip(`no Python with ${client}: scripts/services python says why`);
    return undefined;
  }
  const child = spawn(python, ['-u', join(ROOT, 'test/e2e/python', program), ...args], { env: cleanEnvironment() });
  running.add(child);
  child.once('exit', () => running.delete(child));
  t.after(() => child.kill('SIGKILL'));
  const lines: string[] = [];
  let code: number | string | null | undefined;
  const waiting = new Waiting(
    WAIT_MS,
    () => lines.join('\n'),
    () => (code === undefined ? undefined : `${program} ended with ${code}`),
  );
  for (const stream of [child.stdout, child.stderr]) {
    let rest = '';
    stream.setEncoding('utf8').on('data', (text: string) => {
      const parts = (rest + text).split('\n');
      rest = parts.pop() as string;
      lines.push(...parts);
      waiting.wake();
    });
  }
  child.once('close', (exit, signal) => {
    code = exit ?? signal;
    waiting.wake();
  });
  return { lines, until: (what, holds) => waiting.until(what, () => holds(lines)) };
}
