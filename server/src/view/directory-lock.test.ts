import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { LatchkeyError } from '@latchkey/client';
import { lockDirectory } from './directory-lock.ts';

const MODULE = new URL('./directory-lock.ts', import.meta.url).href;
/** Waits for a line, then tries to lock, tells how it went, and lives until it is told to end. */
const STARTER = `
  import { lockDirectory } from ${JSON.stringify(MODULE)};
  console.log('ready');
  process.stdin.once('data', async () => {
    try { await lockDirectory(process.argv[1]); console.log('held'); }
    catch (error) { console.log(error.code); }
  });`;

describe('the lock of a data directory', () => {
  const root = mkdtempSync(join(tmpdir(), 'latchkey-lock-'));
  const children = new Set<ChildProcess>();
  let directories = 0;
  after(() => {
    for (const child of children) child.kill('SIGKILL');
    rmSync(root, { recursive: true, force: true });
  });
  const makeDirectory = (): string => {
    directories += 1;
    const directory = join(root, String(directories));
    mkdirSync(directory);
    return directory;
  };
  const starter = async (directory: string) => {
    const child = spawn(process.execPath, ['--conditions=source', '--input-type=module', '-e', STARTER, directory], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    children.add(child);
    await once(child.stdout, 'data');
    return {
      go: () => child.stdin.write('go\n'),
      told: async () => String((await once(child.stdout, 'data'))[0]).trim(),
      kill: async () => {
        child.kill('SIGKILL');
        await once(child, 'exit');
        children.delete(child);
      },
    };
  };
  const code = (promise: Promise<unknown>): Promise<string> =>
    promise.then(
      () => 'held',
      (error: unknown) => (error instanceof LatchkeyError ? error.code : String(error)),
    );

  test('a second holder is refused by name, and may come when the first has gone', async () => {
    const directory = makeDirectory();
    const first = await lockDirectory(directory);
    await assert.rejects(lockDirectory(directory), (error) => {
      assert.ok(error instanceof LatchkeyError && error.code === 'data-in-use');
      return error.message.includes(directory);
    });
    await first.release();
    const second = await lockDirectory(directory);
    assert.equal(await code(lockDirectory(directory)), 'data-in-use');
    await second.release();
    assert.deepEqual(readdirSync(directory), [], 'nothing is left behind');
  });

  test('a process that was killed holds nothing: the next one takes over and clears away what it left', async () => {
    const directory = makeDirectory();
    const child = await starter(directory);
    child.go();
    assert.equal(await child.told(), 'held');
    assert.equal(await code(lockDirectory(directory)), 'data-in-use');
    await child.kill();
    assert.notDeepEqual(readdirSync(directory), [], 'the dead one left its socket');
    const lock = await lockDirectory(directory);
    assert.equal(readdirSync(directory).length, 2, 'one link and its socket');
    await lock.release();
    assert.deepEqual(readdirSync(directory), []);
  });

  test('of several starters at once exactly one holds the directory, over what a killed one left too', async () => {
    const directory = makeDirectory();
    for (let round = 0; round < 4; round += 1) {
      const starters = await Promise.all(Array.from({ length: 4 }, () => starter(directory)));
      const told = starters.map((one) => one.told());
      for (const one of starters) one.go();
      assert.deepEqual((await Promise.all(told)).sort(), ['data-in-use', 'data-in-use', 'data-in-use', 'held']);
      await Promise.all(starters.map((one) => one.kill()));
    }
  });

  test('starters within one process are told apart as well, a hundred times', async () => {
    const directory = makeDirectory();
    for (let round = 0; round < 100; round += 1) {
      const settled = await Promise.allSettled([1, 2, 3].map(() => lockDirectory(directory)));
      const held = settled.filter((one) => one.status === 'fulfilled');
      assert.equal(held.length, 1);
      await held[0]?.value.release();
    }
  });

  test('a copy whose link leads back to the original is held by nobody', async () => {
    const original = makeDirectory();
    const lock = await lockDirectory(original);
    const copy = makeDirectory();
    symlinkSync(join(original, 'lock.1'), join(copy, 'lock.1'));
    const held = await lockDirectory(copy);
    assert.deepEqual(
      readdirSync(copy).filter((name) => name.startsWith('lock.')),
      ['lock.2'],
    );
    await assert.rejects(lockDirectory(original), { code: 'data-in-use' });
    await Promise.all([lock.release(), held.release()]);
  });

  test('files that only look like locks are in nobody’s way', async () => {
    const directory = makeDirectory();
    writeFileSync(join(directory, 'lock.7'), 'copied from somewhere');
    mkdirSync(join(directory, 'lock.9'));
    writeFileSync(join(directory, 'lock'), '');
    const lock = await lockDirectory(directory);
    assert.equal(await code(lockDirectory(directory)), 'data-in-use');
    await lock.release();
    assert.deepEqual(readdirSync(directory).sort(), ['lock', 'lock.9']);
  });

  test('a directory whose path is longer than a socket’s may be is locked', async () => {
    const directory = join(makeDirectory(), 'x'.repeat(120), 'y'.repeat(120));
    mkdirSync(directory, { recursive: true });
    const lock = await lockDirectory(directory);
    assert.equal(await code(lockDirectory(directory)), 'data-in-use');
    await lock.release();
  });
});
