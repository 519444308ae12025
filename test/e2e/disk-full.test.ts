import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ask, get, put } from '../support/http-client.ts';
import { ServerProcess } from '../support/server-process.ts';
import { SseClient } from '../support/sse-client.ts';

const VALUE_BYTES = 100_000;
const WRITES_MAX = 500;

const mount = (...args: string[]) => spawnSync('mount', args, { encoding: 'utf8' });

/** A file system of its own with so much room, or undefined where the test may not mount one. */
function smallDisk(size: string): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-disk-'));
  if (mount('-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', folder).status === 0) return folder;
  rmdirSync(folder);
  return undefined;
}

test('a full disk refuses writes with 503, keeps every acknowledged one and nothing of the others, and recovers with space', async (t) => {
  const disk = smallDisk('12m');
  if (disk === undefined) {
    t.diagnostic('mounting a tmpfs needs root on Linux; server/src/view holds the same promise by a failpoint');
    return;
  }
  let server: ServerProcess | undefined;
  // In this order: what is in use cannot be unmounted, what is mounted cannot be removed.
  t.after(async () => {
    await server?.dispose();
    spawnSync('umount', [disk]);
    rmdirSync(disk);
  });
  const data = join(disk, 'data');
  mkdirSync(data);
  server = await ServerProcess.start({ data });
  const watch = await SseClient.open(`${server.url}/v1/watch`);
  t.after(() => watch.close());
  await watch.named('synced');

  const kept: string[] = [];
  const refused: string[] = [];
  for (let index = 0; index < WRITES_MAX && refused.length < 5; index += 1) {
    const key = `fill.${index}`;
    const answer = await put(server.url, key, `${index}-`.padEnd(VALUE_BYTES, 'x'));
    if (answer.status === 200) kept.push(key);
    else {
      assert.equal(answer.status, 503, answer.text);
      assert.equal((answer.json as { error: { code: string } }).error.code, 'storage-full');
      assert.ok(answer.headers.has('retry-after'), 'a 503 says when to come back');
      refused.push(key);
    }
  }
  assert.ok(kept.length > 10 && refused.length === 5, `${kept.length} kept, ${refused.length} refused`);
  assert.ok((await ask(`${server.url}/live`)).status === 200);

  const assertKept = async () => {
    for (const key of kept) assert.equal((await get(server.url, key)).text.length, VALUE_BYTES + 2, key);
    for (const key of refused) assert.equal((await get(server.url, key)).status, 404, key);
  };
  await assertKept();

  assert.equal(mount('-o', 'remount,size=64m', disk).status, 0);
  const again = await put(server.url, 'after', 1);
  assert.equal(again.status, 200, again.text);
  await watch.until('the put after the disk had space', ({ data }) => data.includes('"after"'));
  assert.deepEqual(
    watch.changes.map(({ key }) => key),
    [...kept, 'after'],
  );

  await server.kill();
  await server.restart();
  await assertKept();
  assert.equal((await get(server.url, 'after')).text, '1');
});
