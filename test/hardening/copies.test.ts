import assert from 'node:assert/strict';
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { get, put } from '../support/http-client.ts';
import { runLatchkey, ServerProcess, temporaryFolder } from '../support/server-process.ts';

test('a data directory that was copied under load opens with all that was acknowledged before, or is refused in one line', async (t) => {
  const server = await ServerProcess.start({}, t);
  let isOver = false;
  let acknowledged = -1;
  const writing = (async () => {
    for (let number = 0; !isOver; number += 1) {
      assert.equal((await put(server.url, `copied.${number}`, 'x'.repeat(5000))).status, 200);
      acknowledged = number;
    }
  })();
  const copies: { readonly data: string; readonly upTo: number }[] = [];
  for (let round = 0; round < 4; round += 1) {
    const data = join(temporaryFolder(t, 'copy'), 'data');
    await put(server.url, 'round', round);
    copies.push({ data, upTo: acknowledged });
    cpSync(server.data, data, { recursive: true });
  }
  isOver = true;
  await writing;
  for (const { data, upTo } of copies) {
    let copy: ServerProcess;
    try {
      copy = await ServerProcess.start({ data }, t);
    } catch {
      const refused = await runLatchkey(['serve', '--port', '0', '--data', data]);
      assert.equal(refused.stderr.trimEnd().split('\n').length, 1, refused.stderr);
      assert.match(refused.stderr, /^error: .*(?:not a readable|damaged|backup)/);
      continue;
    }
    for (let number = 0; number <= upTo; number += 1) {
      assert.equal((await get(copy.url, `copied.${number}`)).status, 200, `copied.${number} of ${upTo}`);
    }
    assert.equal((await put(copy.url, 'copied.new', 1)).status, 200);
    await copy.stop();
  }
  assert.equal((await get(server.url, 'copied.new')).status, 404, 'the original is not touched');
  assert.equal((await put(server.url, 'after', 1)).status, 200);
});
