/**
 * What the tests need beside Node: how each service is found, got and, where it is a process, started and stopped. A service is
 * one entry of `SERVICES`; a test that needs it imports the entry's support module, which is how the runner knows.
 *
 *   node scripts/services.ts chromium      gets it and prints the environment that the tests read
 */
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
  /** A test file that imports this module (path from the repository's root) needs the service. */
  readonly support: string;
  /** @throws Error that says how to get it. */
  start(): Promise<RunningService>;
}

const CHROMIUM_NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
const CHROMIUM_HOW =
  'Chromium was not found. Install it (Debian: `apt-get install chromium`; macOS: `brew install --cask chromium`), or set ' +
  'LATCHKEY_CHROMIUM to the path of a Chromium or Chrome, or leave its tests out with LATCHKEY_SKIP=chromium.';

const ATTEMPTS_MAX = 3;
const UPDATE_TIMEOUT_MS = 180_000;
const INSTALL_TIMEOUT_MS = 600_000;

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function onPath(names: readonly string[]): string | undefined {
  const folders = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  for (const name of names) {
    const found = folders.map((folder) => join(folder, name)).find(isExecutable);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The path of a Chromium or Chrome on this machine, or undefined. */
export function findChromium(): string | undefined {
  const named = process.env.LATCHKEY_CHROMIUM;
  if (named !== undefined && named !== '') return isExecutable(named) ? named : undefined;
  return onPath(CHROMIUM_NAMES) ?? ['/Applications/Google Chrome.app/Contents/MacOS/Google Chrome'].find(isExecutable);
}

/** As `findChromium`. @throws Error that says how to get it. */
export function requireChromium(): string {
  const path = findChromium();
  if (path === undefined) throw new Error(CHROMIUM_HOW);
  return path;
}

function run(command: string, args: readonly string[], timeoutMs: number): SpawnSyncReturns<string> {
  return spawnSync(command, args, {
    encoding: 'utf8',
    timeout: timeoutMs,
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  });
}

// A mirror that is being synchronised or another apt at work passes by itself, so each step is tried again.
async function aptInstall(name: string, how: string): Promise<void> {
  const steps = [
    { args: ['update', '-q'], timeoutMs: UPDATE_TIMEOUT_MS },
    { args: ['install', '-y', '-q', '--no-install-recommends', name], timeoutMs: INSTALL_TIMEOUT_MS },
  ];
  for (const { args, timeoutMs } of steps) {
    for (let attempt = 1; ; attempt += 1) {
      const done = run('apt-get', ['-o', 'DPkg::Lock::Timeout=120', '-o', 'Acquire::Retries=3', ...args], timeoutMs);
      if (done.status === 0) break;
      const reason = done.error?.message ?? done.stderr.trim().split('\n').at(-1) ?? `exit ${done.status}`;
      if (attempt === ATTEMPTS_MAX) {
        throw new Error(`apt-get ${args.join(' ')} failed ${ATTEMPTS_MAX} times, lastly with: ${reason}. ${how}`);
      }
      await sleep(attempt * 5000);
    }
  }
}

const chromium: Service = {
  name: 'chromium',
  support: 'test/support/chromium.ts',
  async start() {
    if (findChromium() === undefined && process.getuid?.() === 0 && existsSync('/etc/debian_version')) {
      process.stdout.write('chromium: not found, installing the distribution’s with apt-get\n');
      await aptInstall('chromium', CHROMIUM_HOW);
    }
    return { env: { LATCHKEY_CHROMIUM: requireChromium() }, stop: async () => {} };
  },
};

/** The path of a reverse proxy. @throws Error that says how to get it. */
export function requireProxy(name: 'nginx' | 'haproxy'): string {
  const path = onPath([name]) ?? [`/usr/sbin/${name}`, `/usr/local/sbin/${name}`].find(isExecutable);
  if (path === undefined) throw new Error(proxyHow(name));
  return path;
}

function proxyHow(name: string): string {
  return `${name} was not found. Install it (Debian: \`apt-get install ${name}\`), or leave its tests out with LATCHKEY_SKIP=${name}.`;
}

function proxy(name: 'nginx' | 'haproxy'): Service {
  return {
    name,
    support: `test/support/${name}.ts`,
    async start() {
      const isThere = onPath([name]) !== undefined || isExecutable(`/usr/sbin/${name}`);
      // Where systemd runs, the package would start a server of its own on port 80; nobody asked for that.
      const mayInstall =
        process.getuid?.() === 0 && existsSync('/etc/debian_version') && !existsSync('/run/systemd/system');
      if (!isThere && mayInstall) {
        process.stdout.write(`${name}: not found, installing the distribution’s with apt-get\n`);
        await aptInstall(name, proxyHow(name));
      }
      requireProxy(name);
      return { env: {}, stop: async () => {} };
    },
  };
}

export const SERVICES: readonly Service[] = [chromium, proxy('nginx'), proxy('haproxy')];

/** The services that `names` lists. @throws Error naming the ones that exist. */
export function servicesNamed(names: readonly string[]): readonly Service[] {
  return names.map((name) => {
    const service = SERVICES.find((candidate) => candidate.name === name);
    if (service === undefined) {
      throw new Error(
        `There is no service ${JSON.stringify(name)}; there are: ${SERVICES.map((each) => each.name).join(', ')}.`,
      );
    }
    return service;
  });
}

/** Starts all, or none: what was already started is stopped when a later one fails. */
export async function startServices(services: readonly Service[]): Promise<RunningService> {
  const running: RunningService[] = [];
  const stop = async () => {
    for (const service of running.splice(0).reverse()) await service.stop();
  };
  try {
    for (const service of services) running.push(await service.start());
  } catch (error) {
    await stop();
    throw error;
  }
  return { env: Object.assign({}, ...running.map((service) => service.env)), stop };
}

if (import.meta.main) {
  try {
    const services = servicesNamed(process.argv.slice(2));
    const { env } = await startServices(services.length === 0 ? SERVICES : services);
    for (const [name, value] of Object.entries(env)) process.stdout.write(`${name}=${value}\n`);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
}
