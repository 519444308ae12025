// The machine of a node stops, by power or by its kernel. A node of this log does not flush each step, so its store may come back with
// any of its pages missing, and LMDB would read on in what is there.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { get, put, sendCommands } from '../support/http-client.ts';
import { type RedisProcess, startRedis } from '../support/redis.ts';
import { startNode, startNodes, untilAgree } from '../support/redis-nodes.ts';
import { runLatchkey, type ServerProcess, temporaryFolder } from '../support/server-process.ts';
import { SseClient } from '../support/sse-client.ts';

const CHANGES = 20;
const MARK = 'latchkey.unflushed';
const STORE = 'latchkey.mdb';
const ANOTHER_BOOT = '00000000-0000-4000-8000-000000000000';

const fileOf = ({ data }: ServerProcess, name: string): string => join(data, name);
const isMarked = (node: ServerProcess): boolean => existsSync(fileOf(node, MARK));
const isEmptied = ({ records }: ServerProcess): boolean =>
  records.some(({ message }) =>
    /can't be trusted: .* It was emptied, and is filled anew from the Redis/.test(String(message)),
  );

/** What the next start finds: a mark of before, and a store of which the disk has its length and little else. */
function loseWhatWasNotFlushed(node: ServerProcess): void {
  const mark = JSON.parse(readFileSync(fileOf(node, MARK), 'utf8')) as Record<string, string>;
  writeFileSync(fileOf(node, MARK), JSON.stringify({ ...mark, boot: ANOTHER_BOOT }));
  writeFileSync(fileOf(node, STORE), readFileSync(fileOf(node, STORE)).fill(0, 4096, 200_000));
}

/** A node that begins anew has to go by the index then, and knows no history. */
const forgetChanges = (redis: RedisProcess) => redis.command('XTRIM', 'latchkey:main:changes', 'MAXLEN', 1);

async function count(node: ServerProcess): Promise<void> {
  for (let n = 0; n < CHANGES; n += 1) assert.equal((await put(node.url, 'counter', n)).status, 200);
}

/** What a watcher is told that had seen the first change. */
async function watchOn(node: ServerProcess, lastEventId: string): Promise<SseClient> {
  const watch = await SseClient.open(`${node.url}/v1/watch?key=counter`, { lastEventId });
  await watch.until('the newest change', ({ data }) => JSON.parse(data).value === CHANGES - 1);
  return watch;
}

async function firstEventId(node: ServerProcess): Promise<string> {
  const watch = await SseClient.open(`${node.url}/v1/watch?key=counter`);
  await put(node.url, 'counter', -1);
  await watch.changeCount(1);
  watch.close();
  return watch.lastEventId as string;
}

describe('a node whose steps are not flushed', () => {
  test('that was killed goes on from where it was: its whole history is there, and nothing was filled anew', async (t) => {
    const redis = await startRedis(t);
    const node = await startNode(t, redis.url);
    const first = await firstEventId(node);
    await count(node);
    await node.kill();
    assert.ok(isMarked(node));
    await forgetChanges(redis);
    await node.restart();
    const watch = await watchOn(node, first);
    t.after(() => watch.close());
    assert.deepEqual(
      watch.changes.map(({ value }) => value),
      Array.from({ length: CHANGES }, (_, n) => n),
    );
    assert.ok(!watch.events.some(({ event }) => event === 'reset' || event === 'conflated'));
    assert.equal(isEmptied(node), false);
  });

  test('and whose machine restarted is filled anew, damaged as its store may be, and serves what the others do', async (t) => {
    const redis = await startRedis(t);
    const nodes = await startNodes(t, 2, redis.url);
    const [one, two] = nodes as readonly [ServerProcess, ServerProcess];
    const first = await firstEventId(one);
    await count(one);
    await sendCommands(one.url, [
      { op: 'put', key: 'kept', value: { x: 1 } },
      { op: 'put', key: 'gone', value: 1, updated: '2026-01-01T00:00:00Z' },
      { op: 'put', key: 'gone later', value: 1 },
      { op: 'remove', key: 'gone', updated: '2026-01-02T00:00:00Z' },
    ]);
    await one.kill();
    await sendCommands(two.url, [
      { op: 'put', key: 'meanwhile', value: 2 },
      { op: 'remove', key: 'gone later' },
    ]);
    await forgetChanges(redis);
    loseWhatWasNotFlushed(one);
    const copy = await runLatchkey(['backup', join(temporaryFolder(t), 'copy'), '--data', one.data]);
    assert.match(copy.stderr, /was not flushed before its machine stopped/);
    await one.restart();
    assert.ok(isEmptied(one), one.output);
    const values = await untilAgree(nodes, (each) => 'meanwhile' in each);
    assert.deepEqual(values, { counter: CHANGES - 1, kept: { x: 1 }, meanwhile: 2 });
    assert.equal((await get(one.url, 'gone later')).status, 404);
    const [late] = await sendCommands(one.url, [{ op: 'put', key: 'gone', value: 2, updated: '2026-01-01T12:00:00Z' }]);
    assert.equal(late?.outcome, 'late', 'the tombstone still protects the key');
    const watch = await watchOn(one, first);
    t.after(() => watch.close());
    assert.ok(
      watch.events.some(({ event }) => event === 'conflated'),
      'the history before is told to be gone',
    );
    assert.equal((await put(one.url, 'kept', 3)).status, 200);
    assert.equal((await untilAgree(nodes, (each) => each.kept === 3)).meanwhile, 2);
  });

  test('that was stopped leaves a flushed store: no mark, and good in any boot', async (t) => {
    const redis = await startRedis(t);
    const node = await startNode(t, redis.url);
    await count(node);
    assert.ok(isMarked(node));
    assert.deepEqual(await node.stop(), { code: 0, signal: null });
    assert.deepEqual(readdirSync(node.data).sort(), [STORE, `${STORE}-lock`]);
    await node.restart();
    assert.equal(isEmptied(node), false);
    assert.equal((await get(node.url, 'counter')).text, String(CHANGES - 1));
  });

  test('is none where the Redis is to be filled again from it', async (t) => {
    const redis = await startRedis(t);
    const node = await startNode(t, redis.url, { LATCHKEY_LOG_REBUILD: 'true', LATCHKEY_LOG_REBUILD_WAIT: '1s' });
    await count(node);
    assert.equal(isMarked(node), false);
    await node.kill();
    await node.restart();
    assert.equal((await get(node.url, 'counter')).text, String(CHANGES - 1));
  });
});
