import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { LatchkeyError } from '@latchkey/client';
import { ManualClock } from '../../../test/support/manual-clock.ts';
import { DEFAULT_SETTINGS } from '../config/settings.ts';
import { directoryCopies } from './directory-copies.ts';
import { FORMAT_KEY, openEnvironment, STORE_FILE } from './environment.ts';
import { LmdbView } from './lmdb.ts';
import { NOW, puts } from './puts.fixture.ts';
import { checkStoreFile } from './store-file.ts';

const MODULE = new URL('./crash-writer.fixture.ts', import.meta.url).pathname;

function openView(directory: string): Promise<LmdbView> {
  const reportFault = (stage: string, error: unknown) => assert.fail(`${stage}: ${error}`);
  return LmdbView.open({ directory, settings: DEFAULT_SETTINGS, clock: new ManualClock(), reportFault });
}

describe('a data directory', () => {
  const root = mkdtempSync(join(tmpdir(), 'latchkey-environment-'));
  after(() => rmSync(root, { recursive: true, force: true }));
  let directories = 0;
  const makeStore = async (): Promise<string> => {
    directories += 1;
    const directory = join(root, String(directories));
    const view = await openView(directory);
    await view.apply({ placed: puts(200, 1), nowMicros: NOW });
    await view.close();
    return directory;
  };
  /** One clear error, and nothing written to what was found. */
  const refuses = async (directory: string, code: string, words: RegExp): Promise<void> => {
    const file = join(directory, STORE_FILE);
    const before = readFileSync(file);
    const isRefusal = (error: unknown): boolean => {
      assert.ok(error instanceof LatchkeyError, String(error));
      assert.equal(error.code, code, error.message);
      assert.match(error.message, words);
      assert.ok(error.message.includes(directory), 'says where');
      assert.ok(!error.message.includes('\n'), 'in one line');
      return true;
    };
    await assert.rejects(openView(directory), isRefusal);
    assert.throws(() => directoryCopies.inspect(directory), isRefusal);
    await assert.rejects(openView(directory), isRefusal, 'and again: no lock was left');
    assert.ok(readFileSync(file).equals(before), 'byte for byte as it was');
  };

  test('that was closed opens again, and its file passes the check', async () => {
    const directory = await makeStore();
    checkStoreFile(join(directory, STORE_FILE));
    const view = await openView(directory);
    assert.equal(view.head(0), 200);
    assert.equal(view.get('k.200')?.offset, 200);
    await view.close();
  });

  test('whose file was cut off is refused at every length', async () => {
    const directory = await makeStore();
    const file = join(directory, STORE_FILE);
    for (const bytes of [100_000, 50_000, 8192, 8191, 4096, 100, 1]) {
      truncateSync(file, bytes);
      await refuses(directory, 'data-corrupt', /has \d+ bytes where its head speaks of \d+|shorter than its own head/);
    }
  });

  test('whose file is empty is a new one', async () => {
    const directory = await makeStore();
    truncateSync(join(directory, STORE_FILE), 0);
    const view = await openView(directory);
    assert.equal(view.head(0), 0);
    await view.close();
  });

  test('whose file has a damaged head is refused', async () => {
    const directory = await makeStore();
    const file = join(directory, STORE_FILE);
    const whole = readFileSync(file);
    for (const fill of [0x00, 0xff, 0x5a]) {
      writeFileSync(file, Buffer.from(whole).fill(fill, 0, 8192));
      await refuses(directory, 'data-corrupt', /its head is damaged/);
    }
  });

  test('whose file lost everything but its head is refused', async () => {
    const directory = await makeStore();
    const file = join(directory, STORE_FILE);
    const whole = readFileSync(file);
    for (const fill of [0x00, 0xff]) {
      writeFileSync(file, Buffer.from(whole).fill(fill, 8192));
      await refuses(directory, 'data-corrupt', /is not a readable Latchkey store/);
    }
  });

  test('whose file is anything else is refused', async () => {
    for (const content of ['{"a":1}\n'.repeat(5000), Buffer.alloc(100_000, 7), 'short']) {
      directories += 1;
      const directory = join(root, String(directories));
      mkdirSync(directory);
      writeFileSync(join(directory, STORE_FILE), content);
      await refuses(directory, 'data-corrupt', /not a readable Latchkey store/);
    }
  });

  test('whose file is a folder is refused', async () => {
    const directory = join(root, 'folder');
    mkdirSync(join(directory, STORE_FILE), { recursive: true });
    await assert.rejects(openView(directory), { code: 'data-corrupt' });
  });

  test('whose file another program wrote with the same library is refused', async () => {
    const directory = join(root, 'foreign');
    mkdirSync(directory);
    const { database, root: environment } = openEnvironment(directory);
    await database('people').put(Buffer.from('a'), Buffer.from('1'));
    await environment.close();
    await refuses(directory, 'data-corrupt', /written by another program/);
  });

  test('of a newer format is refused by its name', async () => {
    const directory = await makeStore();
    const { database, root: environment } = openEnvironment(directory);
    await database('meta').put(FORMAT_KEY, Buffer.from('{"version":2}'));
    await environment.close();
    await refuses(directory, 'data-newer', /has format 2, .* reads up to 1/);
  });

  test('whose own records are no records is refused', async () => {
    for (const key of ['state', 'epochs', 'format']) {
      const directory = await makeStore();
      const { database, root: environment } = openEnvironment(directory);
      await database('meta').put(Buffer.from(key), Buffer.from('{"version":'));
      await environment.close();
      await refuses(directory, 'data-corrupt', /its own records cannot be read/);
    }
  });

  test('that cannot be made is refused', async () => {
    const file = join(root, 'file');
    writeFileSync(file, '');
    await assert.rejects(openView(join(file, 'data')), (error) => {
      assert.ok(error instanceof LatchkeyError && error.code === 'data-unwritable', String(error));
      return /cannot be used \(ENOTDIR\)/.test(error.message);
    });
  });

  test('made of a backup opens, and goes on in an epoch of its own', async () => {
    const directory = await makeStore();
    const backup = join(root, 'backup.mdb');
    const { bytes, position } = await directoryCopies.copy(directory, backup);
    assert.equal(readFileSync(backup).length, bytes);
    const restored = join(root, 'restored');
    mkdirSync(restored);
    copyFileSync(backup, join(restored, STORE_FILE));
    checkStoreFile(join(restored, STORE_FILE));
    const view = await openView(restored);
    assert.equal(view.get('k.7')?.offset, 7);
    assert.notEqual(view.epochs.current, position.epoch);
    await view.apply({ placed: puts(10, 201), nowMicros: NOW });
    assert.equal(view.head(0), 210);
    await view.close();
  });

  test('of a process that was killed while it wrote, overwrote and removed opens with all that it had told of', async () => {
    const directory = join(root, 'killed');
    let told = 0;
    for (let round = 0; round < 4; round += 1) {
      const child = spawn(process.execPath, ['--conditions=source', MODULE, directory, String(round)], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      let text = '';
      child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
        // After some steps, wherever it is.
        if (text.split('\n').length > 15 + round * 3) child.kill('SIGKILL');
      });
      await once(child, 'close');
      told = Number(text.slice(0, text.lastIndexOf('\n')).split('\n').at(-1));
      checkStoreFile(join(directory, STORE_FILE));
      const view = await openView(directory);
      assert.ok(view.head(0) >= told && told > 0, `${view.head(0)} holds ${told}`);
      const { keys } = view.counts();
      let listed = 0;
      for (let after: string | undefined; ; ) {
        const page = view.list({ limit: 1000, ...(after === undefined ? {} : { after }) });
        listed += page.entries.length;
        if (page.next === undefined) break;
        after = page.next;
      }
      assert.equal(listed, keys);
      await view.close();
    }
    assert.deepEqual(readdirSync(directory).sort(), [STORE_FILE, `${STORE_FILE}-lock`]);
  });
});
