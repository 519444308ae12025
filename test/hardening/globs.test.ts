import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ask, get, put, sendCommands } from '../support/http-client.ts';
import { ServerProcess } from '../support/server-process.ts';
import { SseClient } from '../support/sse-client.ts';

const KEYS = 5000;
const KEY_LENGTH = 1000;
/** Patterns that match none of the keys, and make a matcher that backtracks, or tries each place, work hardest. */
const COSTLY = {
  'stars without end': `${'a*'.repeat(500)}b`,
  'stars around single characters': `*${'?*'.repeat(300)}b`,
  'a long run of any character': `*${'?'.repeat(500)}b*`,
  'a long run of classes': `*${'[ab]'.repeat(200)}c*`,
};

/** While the work goes on, another request is answered again and again; resolves with how often. */
async function askedMeanwhile(server: ServerProcess, work: Promise<unknown>): Promise<number> {
  let isOver = false;
  const ended = work.finally(() => {
    isOver = true;
  });
  let answers = 0;
  while (!isOver) {
    assert.equal((await get(server.url, 'other')).status, 200);
    answers += 1;
  }
  await ended;
  return answers;
}

describe('globs that are made to be costly, on five thousand keys of a kilobyte', () => {
  let server: ServerProcess;
  before(async () => {
    server = await ServerProcess.start();
    for (let done = 0; done < KEYS; done += 500) {
      const commands = Array.from({ length: 500 }, (_, index) => {
        const key = `${'a'.repeat(KEY_LENGTH - 6)}${String(done + index).padStart(6, '0')}`;
        return { op: 'put', key, value: 1 } as const;
      });
      await sendCommands(server.url, commands);
    }
    await put(server.url, 'other', 'first');
  });
  after(() => server.dispose());

  for (const [name, pattern] of Object.entries(COSTLY)) {
    test(`${name}: a removeMatching removes nothing and others are answered meanwhile`, async () => {
      const work = ask(`${server.url}/v1/keys?pattern=${encodeURIComponent(pattern)}`, { method: 'DELETE' });
      const meanwhile = await askedMeanwhile(server, work);
      const answer = await work;
      assert.equal(answer.status, 200, answer.text);
      assert.equal((answer.json as { removed: number }).removed, 0);
      assert.ok(meanwhile > 1, 'nobody was answered meanwhile');
    });

    test(`${name}: a stream of what matches is empty and others are answered meanwhile`, async () => {
      const work = ask(`${server.url}/v1/keys?pattern=${encodeURIComponent(pattern)}`, {
        headers: { accept: 'application/x-ndjson' },
      });
      const meanwhile = await askedMeanwhile(server, work);
      const answer = await work;
      assert.deepEqual([answer.status, answer.text], [200, '']);
      assert.ok(meanwhile > 1, 'nobody was answered meanwhile');
    });

    test(`${name}: a page of what matches is cut, and its cursor goes on`, async () => {
      let cursor = '';
      let pages = 0;
      do {
        const answer = await ask(`${server.url}/v1/keys?pattern=${encodeURIComponent(pattern)}${cursor}`);
        const body = answer.json as { cursor?: string; entries: readonly unknown[] };
        assert.deepEqual(body.entries, []);
        cursor = body.cursor === undefined ? '' : `&cursor=${body.cursor}`;
        pages += 1;
      } while (cursor !== '');
      assert.ok(pages > 1, 'all keys in one turn');
    });

    test(`${name}: a watch from the start gets its changes and others are answered meanwhile`, async () => {
      const body = JSON.stringify({ patterns: [pattern, 'other'] });
      const watch = await SseClient.open(`${server.url}/v1/watch`, { method: 'POST', body });
      const meanwhile = await askedMeanwhile(server, watch.named('synced'));
      await put(server.url, 'other', 'last');
      await watch.until('the last', ({ data }) => data.includes('"last"'));
      assert.ok(watch.changes.every(({ key }) => key === 'other'));
      assert.ok(meanwhile > 0);
      watch.close();
    });
  }
});
