// A subscriber of Redis pub/sub that was away for ten seconds has lost what was published, and nobody says so. A watcher that was away
// goes on without a gap, or is told what it takes to.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { sendCommands } from '../support/http-client.ts';
import { startRedis } from '../support/redis.ts';
import { startNodes, untilAgree } from '../support/redis-nodes.ts';
import type { ServerProcess } from '../support/server-process.ts';
import { SseClient } from '../support/sse-client.ts';

const BEFORE = 5;
const AWAY = 1000;
const KEYS = 10;
const STEP = 100;

async function write(node: ServerProcess, from: number, count: number): Promise<void> {
  const commands = Array.from({ length: count }, (_, n) => ({
    op: 'put' as const,
    key: `k.${(from + n) % KEYS}`,
    value: from + n,
  }));
  for (let first = 0; first < count; first += STEP)
    for (const { outcome } of await sendCommands(node.url, commands.slice(first, first + STEP)))
      assert.equal(outcome, 'applied');
}

/** Writes while a watcher of the first node is away; resolves with what it is told by the second, up to the newest change. */
async function comeBack(nodes: readonly ServerProcess[]): Promise<SseClient> {
  const [one, two] = nodes as readonly [ServerProcess, ServerProcess];
  const watch = await SseClient.open(`${one.url}/v1/watch?prefix=k.`);
  await write(two, 0, BEFORE);
  await watch.changeCount(BEFORE);
  watch.close();
  await write(one, BEFORE, AWAY);
  await untilAgree(nodes);
  const again = await SseClient.open(`${two.url}/v1/watch?prefix=k.`, { lastEventId: watch.lastEventId as string });
  await again.until('the newest change', ({ data }) => JSON.parse(data).value === BEFORE + AWAY - 1);
  return again;
}

describe('a watcher that was away while others wrote, unlike a subscriber of Redis pub/sub', () => {
  test('goes on at another node without a gap while the history reaches back', async (t) => {
    const redis = await startRedis(t);
    const watch = await comeBack(await startNodes(t, 2, redis.url));
    t.after(() => watch.close());
    assert.deepEqual(
      watch.changes.map(({ value }) => value),
      Array.from({ length: AWAY }, (_, n) => BEFORE + n),
    );
    assert.ok(!watch.events.some(({ event }) => event === 'reset' || event === 'conflated'));
  });

  test('is told in the stream where the history does not, and has the last value of every key', async (t) => {
    const redis = await startRedis(t);
    const window = { LATCHKEY_HISTORY_CHANGES_MAX: '100', LATCHKEY_FEED_CATCH_UP_CHANGES_MAX: '50' };
    const watch = await comeBack(await startNodes(t, 2, redis.url, window));
    t.after(() => watch.close());
    assert.ok(watch.events.some(({ event }) => event === 'reset' || event === 'conflated'));
    const last = new Map(watch.changes.map(({ key, value }) => [key, value]));
    assert.deepEqual(
      [...last.values()].sort(),
      Array.from({ length: KEYS }, (_, n) => BEFORE + AWAY - KEYS + n).sort(),
    );
  });
});
