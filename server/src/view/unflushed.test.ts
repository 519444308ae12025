import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { ManualClock } from '../../../test/support/manual-clock.ts';
import { temporaryFolder } from '../../../test/support/server-process.ts';
import { DEFAULT_SETTINGS } from '../config/settings.ts';
import { directoryCopies } from './directory-copies.ts';
import { STORE_FILE } from './environment.ts';
import { LmdbView, type LmdbViewOptions } from './lmdb.ts';
import { NOW, puts } from './puts.fixture.ts';
import { bootId, MARK_FILE } from './unflushed.ts';

const WRITER = new URL('./crash-writer.fixture.ts', import.meta.url).pathname;
const OWNER = 'redis main';
const EARLIER = '00000000-0000-4000-8000-000000000001';
const NOW_BOOT = '00000000-0000-4000-8000-000000000002';

/** What was said while a view was opened. */
interface Said {
  readonly emptied: string[];
  readonly faults: unknown[];
}

async function openView(
  directory: string,
  options: Partial<LmdbViewOptions> = {},
): Promise<{ readonly view: LmdbView } & Said> {
  const emptied: string[] = [];
  const faults: unknown[] = [];
  const view = await LmdbView.open({
    ...{
      directory,
      settings: DEFAULT_SETTINGS,
      clock: new ManualClock(),
      epochs: 'log',
      owner: OWNER,
      flushes: 'close',
    },
    boot: () => NOW_BOOT,
    onEmptied: (why) => emptied.push(why),
    reportFault: (_stage, error) => faults.push(error),
    ...options,
  });
  return { view, emptied, faults };
}

async function write(view: LmdbView, count = 200): Promise<void> {
  await view.apply({ placed: puts(count, view.head(0) + 1), nowMicros: NOW, epochs: [{ id: 'aaaa', first: [1] }] });
}

/** A directory whose view was closed. */
async function closed(directory: string, options: Partial<LmdbViewOptions> = {}): Promise<string> {
  const { view } = await openView(directory, options);
  await write(view);
  await view.close();
  return directory;
}

function mark(directory: string, boot: string, owner = OWNER): void {
  writeFileSync(join(directory, MARK_FILE), JSON.stringify({ boot, owner }));
}

const markOf = (directory: string): unknown => JSON.parse(readFileSync(join(directory, MARK_FILE), 'utf8'));
const isMarked = (directory: string): boolean => existsSync(join(directory, MARK_FILE));

function damage(directory: string): void {
  const file = join(directory, STORE_FILE);
  writeFileSync(file, readFileSync(file).fill(0x5a, 0, 100_000));
}

describe('a store that is flushed when it is closed', () => {
  test('is marked while it is open, and no longer when it was closed', async (t) => {
    const data = temporaryFolder(t);
    const { view, emptied } = await openView(data);
    assert.deepEqual(markOf(data), { boot: NOW_BOOT, owner: OWNER });
    await write(view);
    assert.deepEqual(markOf(data), { boot: NOW_BOOT, owner: OWNER });
    await view.close();
    assert.deepEqual(readdirSync(data).sort(), [STORE_FILE, `${STORE_FILE}-lock`]);
    const again = await openView(data, { boot: () => EARLIER });
    assert.deepEqual([again.view.head(0), again.emptied, emptied], [200, [], []]);
    assert.deepEqual(markOf(data), { boot: EARLIER, owner: OWNER });
    await again.view.close();
  });

  test('is marked before there is a store', async (t) => {
    const data = temporaryFolder(t);
    const seen: boolean[] = [];
    const { view } = await openView(data, { beforeCommit: () => void seen.push(isMarked(data)) });
    await view.close();
    assert.deepEqual(seen, [true]);
    rmSync(join(data, STORE_FILE));
    mark(data, EARLIER);
    const { view: again, emptied } = await openView(data);
    assert.deepEqual(emptied, [], 'a start that went no further has lost nothing');
    await again.close();
  });

  test('is flushed at each step where the system tells no boots apart, and has no mark', async (t) => {
    const data = temporaryFolder(t);
    const { view } = await openView(data, { boot: () => undefined });
    assert.equal(isMarked(data), false);
    await view.close();
  });

  test('is flushed at each step where the mark can’t be written, and tells of it', async (t) => {
    const data = await closed(temporaryFolder(t));
    symlinkSync(join(data, 'nowhere', 'at all'), join(data, MARK_FILE));
    const { view, faults } = await openView(data);
    assert.equal((faults[0] as NodeJS.ErrnoException).code, 'ENOENT');
    assert.deepEqual([view.head(0), readdirSync(data).includes(MARK_FILE)], [200, false]);
    await view.close();
  });

  test('that an earlier version flushed step by step is taken as it is', async (t) => {
    const data = await closed(temporaryFolder(t), { flushes: 'step' });
    const { view, emptied } = await openView(data);
    assert.deepEqual([view.head(0), emptied, isMarked(data)], [200, [], true]);
    await view.close();
  });

  test('loses its mark where steps are flushed again', async (t) => {
    const data = await closed(temporaryFolder(t));
    mark(data, NOW_BOOT);
    const { view, emptied } = await openView(data, { flushes: 'step' });
    assert.deepEqual([view.head(0), emptied, isMarked(data)], [200, [], false]);
    await view.close();
  });

  test('whose last flush failed is marked as of no boot, and is a new one at the next opening', async (t) => {
    const data = temporaryFolder(t);
    const { faults, view } = await openView(data);
    rmSync(join(data, STORE_FILE));
    mkdirSync(join(data, STORE_FILE));
    await view.close();
    assert.equal((faults[0] as NodeJS.ErrnoException).code, 'EISDIR');
    assert.deepEqual(markOf(data), { boot: '', owner: OWNER });
    rmSync(join(data, STORE_FILE), { recursive: true });
    writeFileSync(join(data, STORE_FILE), 'what the disk kept');
    const { emptied, view: again } = await openView(data);
    assert.deepEqual(emptied, ['it could not be flushed']);
    await again.close();
  });
});

describe('a store that was not closed', () => {
  test('is taken as it is in the same boot: the kernel has what a killed process wrote', async (t) => {
    const data = join(temporaryFolder(t), 'killed');
    let told = 0;
    for (let round = 0; round < 3; round += 1) {
      const child = spawn(process.execPath, ['--conditions=source', WRITER, data, String(round), 'close'], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      let text = '';
      child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
        if (text.split('\n').length > 15 + round * 3) child.kill('SIGKILL');
      });
      await once(child, 'close');
      told = Number(text.slice(0, text.lastIndexOf('\n')).split('\n').at(-1));
      assert.ok(isMarked(data));
    }
    const { view, emptied } = await openView(data, { owner: 'local', epochs: 'opening', boot: bootId });
    assert.deepEqual(emptied, []);
    assert.ok(view.head(0) >= told && told > 0, `${view.head(0)} holds ${told}`);
    assert.equal(view.list({ limit: 100_000 }).entries.length, view.counts().keys);
    await view.close();
    assert.equal(isMarked(data), false);
  });

  test('is a new one in another boot, however damaged it is', async (t) => {
    for (const harm of [() => {}, damage]) {
      const data = await closed(temporaryFolder(t));
      mark(data, EARLIER);
      harm(data);
      const { view, emptied } = await openView(data);
      assert.deepEqual([view.head(0), view.counts().keys], [0, 0]);
      assert.deepEqual(emptied, ['it was not flushed before its machine stopped, or it comes from another machine']);
      assert.deepEqual(markOf(data), { boot: NOW_BOOT, owner: OWNER });
      await write(view);
      await view.close();
      const again = await openView(data);
      assert.deepEqual([again.view.head(0), again.emptied], [200, []]);
      await again.view.close();
    }
  });

  test('is a new one where its mark can’t be read, or the system tells no boots apart', async (t) => {
    for (const text of ['', '{"boot":"', '[]', 'null', '{"boot":1,"owner":"redis main"}']) {
      const data = await closed(temporaryFolder(t));
      writeFileSync(join(data, MARK_FILE), text);
      const { view, emptied } = await openView(data);
      assert.deepEqual([view.head(0), emptied], [0, ['nothing tells whether it was flushed']], text);
      await view.close();
    }
    const data = await closed(temporaryFolder(t));
    mark(data, NOW_BOOT);
    const { view, emptied } = await openView(data, { boot: () => undefined });
    assert.deepEqual([view.head(0), isMarked(data)], [0, false]);
    assert.match(emptied[0] as string, /does not tell whether it restarted since/);
    await view.close();
  });

  test('in the same boot is refused where it is damaged: nobody knows why', async (t) => {
    const data = await closed(temporaryFolder(t));
    mark(data, NOW_BOOT);
    damage(data);
    await assert.rejects(openView(data), { code: 'data-corrupt' });
  });
});

describe('the directory of another log', () => {
  test('is refused before it gets a mark, and opens as it was', async (t) => {
    const local = { owner: 'local', epochs: 'opening', flushes: 'step' } as const;
    const data = await closed(temporaryFolder(t), local);
    await assert.rejects(openView(data), {
      code: 'config-invalid',
      message: /belongs to the log local, not to redis main/,
    });
    assert.equal(isMarked(data), false);
    const { view } = await openView(data, local);
    assert.equal(view.head(0), 200);
    await view.close();
  });

  test('is refused by its mark, whatever became of the store, which stays', async (t) => {
    const data = await closed(temporaryFolder(t));
    mark(data, EARLIER);
    damage(data);
    for (const owner of ['local', 'redis other'])
      await assert.rejects(openView(data, { owner }), {
        code: 'config-invalid',
        message: new RegExp(`belongs to the log redis main, not to ${owner}`),
      });
    writeFileSync(join(data, MARK_FILE), '');
    await assert.rejects(openView(data, { owner: 'local', flushes: 'step' }), { code: 'config-invalid' });
    assert.ok(existsSync(join(data, STORE_FILE)));
  });
});

describe('a copy of a store that is flushed when it is closed', () => {
  test('is whole, also while the store is open, and has no mark', async (t) => {
    const data = temporaryFolder(t);
    const { view } = await openView(data, { boot: bootId });
    await write(view);
    const [own, others] = [join(temporaryFolder(t), 'own'), join(temporaryFolder(t), 'others')];
    await view.backup(own);
    assert.deepEqual((await directoryCopies.copy(data, others)).position.components, [{ offset: 200 }]);
    await view.close();
    for (const copy of [own, others]) {
      const restored = temporaryFolder(t);
      copyFileSync(copy, join(restored, STORE_FILE));
      const { view: again, emptied } = await openView(restored);
      assert.deepEqual([again.head(0), again.get('k.200')?.offset, emptied], [200, 200, []]);
      await again.close();
    }
  });

  test('is not made of a store that can’t be trusted', async (t) => {
    const data = await closed(temporaryFolder(t));
    const copy = join(temporaryFolder(t), 'copy');
    for (const boot of [EARLIER, '']) {
      mark(data, boot);
      await assert.rejects(directoryCopies.copy(data, copy), {
        code: 'data-corrupt',
        message: /was not flushed before its machine stopped, .* fills it anew from its log/,
      });
    }
    assert.equal(existsSync(copy), false);
  });
});
