/**
 * Runs every `*.test.ts` of the repository, after bringing up what they need.
 *
 *   npm test                               everything
 *   npm test -- server/src/log e2e         only files whose path contains one of these
 *   LATCHKEY_SKIP=chromium npm test        leaves out the files that need these services; they are counted and named
 */
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { fileURLToPath } from 'node:url';
import tellCrashedFiles from './crashed-files.ts';
import type { Service } from './service/service.ts';
import { SERVICES, servicesNamed, startServices } from './services.ts';

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const FOLDERS = ['client', 'server', 'dashboard', 'test', 'bench', 'scripts', 'examples'];
/** Starts of paths, those whose files take longest first; the others come last. */
const LONGEST_FIRST = ['test/guarantees/', 'test/', 'server/src/cli/', 'server/src/view/', 'server/'];
/** What one process has compiled no other compiles again: a third of what a small test file takes. */
const COMPILED = join(ROOT, 'node_modules/.cache/latchkey-compiled');
const TEST_TIMEOUT_MS = 180_000;
/** One more than the two cores of the smallest machine: many files wait, for processes to start and leases to run out. */
const CONCURRENCY = 3;
/** A test file that never ends must not hold up CI for hours; `--test-timeout` ends tests only, not files. */
const RUN_TIMEOUT_MS = 30 * 60_000;

function testFiles(words: readonly string[]): readonly string[] {
  return FOLDERS.flatMap((folder) =>
    globSync(`${folder}/**/*.test.ts`, { cwd: ROOT, exclude: ['**/node_modules/**', '**/dist/**'] }),
  )
    .filter((file) => words.length === 0 || words.some((word) => file.includes(word)))
    .sort();
}

/** Whether the file imports the support module of the service, itself or by way of others of the tests. */
function needs(file: string, service: Service, seen = new Set<string>()): boolean {
  if (file === service.support) return true;
  if (seen.has(file)) return false;
  seen.add(file);
  const path = join(ROOT, file);
  const imports = readFileSync(path, 'utf8').matchAll(/from '(\.{1,2}\/[^']+\.ts)'/g);
  return [...imports]
    .map(([, specifier]) => relative(ROOT, resolve(dirname(path), specifier as string)))
    .filter((each) => each.startsWith('test/') || each.endsWith('.suite.ts') || each.endsWith('.fixture.ts'))
    .some((each) => needs(each, service, seen));
}

/** What takes longest begins first, so that no long file is left for the end, when the other cores have nothing to do. */
function longestFirst(files: readonly string[]): readonly string[] {
  const placeOf = (file: string) => {
    const place = LONGEST_FIRST.findIndex((folder) => file.startsWith(folder));
    return place < 0 ? LONGEST_FIRST.length : place;
  };
  return files.toSorted((one, other) => placeOf(one) - placeOf(other));
}

async function runTests(files: readonly string[], env: Readonly<Record<string, string>>): Promise<number> {
  Object.assign(process.env, { NODE_COMPILE_CACHE: COMPILED, ...env });
  const stopping = new AbortController();
  const stop = () => stopping.abort();
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  const timer = setTimeout(() => {
    process.stderr.write(
      `The tests did not end within ${RUN_TIMEOUT_MS / 60_000} minutes: a test file keeps something open.\n`,
    );
    stop();
  }, RUN_TIMEOUT_MS);
  // Not `node --test`, which sorts the files by name. The files get the options of this process, such as `--conditions`.
  const tests = run({
    files: [...longestFirst(files)],
    cwd: ROOT,
    concurrency: CONCURRENCY,
    timeout: TEST_TIMEOUT_MS,
    signal: stopping.signal,
  });
  let isSuccess = false;
  tests.on('test:summary', ({ file, success }) => {
    if (file === undefined) isSuccess = success;
  });
  await Promise.all([
    pipeline(tests.compose(new spec()), process.stdout, { end: false }),
    pipeline(tests.compose(tellCrashedFiles), process.stderr, { end: false }),
  ]);
  clearTimeout(timer);
  return isSuccess ? 0 : 1;
}

async function main(): Promise<number> {
  const skipped = servicesNamed((process.env.LATCHKEY_SKIP ?? '').split(',').filter((name) => name !== ''));
  const files = testFiles(process.argv.slice(2));
  const left = files.filter((file) => skipped.some((service) => needs(file, service)));
  const wanted = files.filter((file) => !left.includes(file));
  if (left.length > 0) {
    const names = skipped.map((service) => service.name).join(', ');
    process.stdout.write(`LATCHKEY_SKIP=${names}: ${left.length} of ${files.length} test files left out:\n`);
    for (const file of left) process.stdout.write(`  ${file}\n`);
  }
  if (wanted.length === 0) {
    process.stderr.write(
      `No test file is left to run; npm test takes parts of paths, but got ${JSON.stringify(process.argv.slice(2))}.\n`,
    );
    return 1;
  }
  const services = await startServices(SERVICES.filter((service) => wanted.some((file) => needs(file, service))));
  try {
    return await runTests(wanted, services.env);
  } finally {
    await services.stop();
  }
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
