/** What a service beside Node is to the tests, and what getting one needs: finding a program, and the distribution's packages. */
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** A service that is up: the environment by which tests find it, and the way to end what was started for it. */
export interface RunningService {
  readonly env: Readonly<Record<string, string>>;
  stop(): Promise<void>;
}

export interface Service {
  /** As `LATCHKEY_SKIP` and the command line name it. */
  readonly name: string;
  /** A test file that imports this module (path from the repository's root), or one that does, needs the service. */
  readonly support: string;
  /** @throws Error that says how to get it. */
  start(): Promise<RunningService>;
  /** Runs one for a person: in the foreground, until Ctrl-C. Absent: there is nothing to run. */
  show?(options: readonly string[]): Promise<void>;
}

const ATTEMPTS_MAX = 3;
const UPDATE_TIMEOUT_MS = 180_000;
const INSTALL_TIMEOUT_MS = 600_000;

export function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** The first of the programs that the `PATH` has. */
export function onPath(names: readonly string[]): string | undefined {
  const folders = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  for (const name of names) {
    const found = folders.map((folder) => join(folder, name)).find(isExecutable);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Whether this is a Debian on which we may install. */
export function mayInstall(): boolean {
  return process.getuid?.() === 0 && existsSync('/etc/debian_version');
}

export function run(command: string, args: readonly string[], timeoutMs: number): SpawnSyncReturns<string> {
  return spawnSync(command, args, {
    encoding: 'utf8',
    timeout: timeoutMs,
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  });
}

/** Why a program that ran did not succeed. */
export function reasonOf(done: SpawnSyncReturns<string>): string {
  return done.error?.message ?? done.stderr.trim().split('\n').at(-1) ?? `exit ${done.status}`;
}

/**
 * A mirror that is being synchronised or another apt at work passes by itself, so each step is tried again.
 * @throws Error that ends with `how`.
 */
export async function aptInstall(name: string, how: string): Promise<void> {
  process.stdout.write(`${name}: not found, installing the distribution’s with apt-get\n`);
  const steps = [
    { args: ['update', '-q'], timeoutMs: UPDATE_TIMEOUT_MS },
    { args: ['install', '-y', '-q', '--no-install-recommends', name], timeoutMs: INSTALL_TIMEOUT_MS },
  ];
  for (const { args, timeoutMs } of steps) {
    for (let attempt = 1; ; attempt += 1) {
      const done = run('apt-get', ['-o', 'DPkg::Lock::Timeout=120', '-o', 'Acquire::Retries=3', ...args], timeoutMs);
      if (done.status === 0) break;
      if (attempt === ATTEMPTS_MAX) {
        throw new Error(
          `apt-get ${args.join(' ')} failed ${ATTEMPTS_MAX} times, lastly with: ${reasonOf(done)}. ${how}`,
        );
      }
      await sleep(attempt * 5000);
    }
  }
}
