/**
 * Python with the Redis clients that the seeds' programs use: `redis`, and `aioredis` 1.3, which needs a Python before 3.11. What can't be
 * got is said once, and the tests that need it are skipped and counted.
 */
import { globSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { isExecutable, onPath, reasonOf, run, type Service } from './service.ts';

export type PythonClient = 'redis' | 'aioredis';

const CACHE = resolve(import.meta.dirname, '../../node_modules/.cache/latchkey-python');
const PACKAGES: Readonly<Record<PythonClient, string>> = { redis: 'redis==5.2.1', aioredis: 'aioredis==1.3.1' };
const PIP_TIMEOUT_MS = 120_000;

/** The Python that has this client; undefined where it could not be got. */
export function pythonWith(client: PythonClient): string | undefined {
  return [join(CACHE, client, 'bin/python')].find(isExecutable);
}

function pythonFor(client: PythonClient): string | undefined {
  if (client === 'redis') return onPath(['python3']);
  const kept = join(process.env.PYENV_ROOT ?? join(homedir(), '.pyenv'), 'versions/3.{8,9,10}.*/bin/python3');
  // On the PATH pyenv has shims of the same names that only say that they are not chosen.
  return globSync(kept).find(isExecutable) ?? onPath(['python3.10', 'python3.9', 'python3.8']);
}

function get(client: PythonClient): void {
  if (pythonWith(client) !== undefined) return;
  const python = pythonFor(client);
  const folder = join(CACHE, client);
  const wanted = client === 'redis' ? 'python3' : 'a Python from 3.8 to 3.10';
  if (python === undefined) {
    leaveOut(client, `there is no ${wanted}`);
    return;
  }
  const steps = [
    [python, ['-m', 'venv', folder]],
    [join(folder, 'bin/python'), ['-m', 'pip', 'install', '-q', '--disable-pip-version-check', PACKAGES[client]]],
  ] as const;
  for (const [program, args] of steps) {
    const done = run(program, args, PIP_TIMEOUT_MS);
    if (done.status === 0) continue;
    rmSync(folder, { recursive: true, force: true });
    leaveOut(client, reasonOf(done));
    return;
  }
}

function leaveOut(client: PythonClient, reason: string): void {
  process.stdout.write(`python: ${PACKAGES[client]} left out (${reason}); its tests are skipped and counted\n`);
}

export const python: Service = {
  name: 'python',
  support: 'test/support/python.ts',
  async start() {
    get('redis');
    get('aioredis');
    return { env: {}, stop: async () => {} };
  },
};
