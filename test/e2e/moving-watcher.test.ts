// Three nodes around one Redis, and a curl that goes from one to the next with the last id it was told, while nodes are killed.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { put } from '../support/http-client.ts';
import { startRedis } from '../support/redis.ts';
import { startNodes } from '../support/redis-nodes.ts';
import type { ServerProcess } from '../support/server-process.ts';
import { SseClient } from '../support/sse-client.ts';

const NODES = 3;
const KILLS = 4;
const WRITES = 30;

test('a watcher that moves from node to node by its position, with nodes killed in between, sees each change once', async (t) => {
  const redis = await startRedis(t);
  const nodes = await startNodes(t, NODES, redis.url);
  const at = (index: number) => nodes[index % NODES] as ServerProcess;
  const told: unknown[] = [];
  const written: unknown[] = [];
  let position: string | undefined;
  let restarted: Promise<void> = Promise.resolve();
  for (let round = 0; round < KILLS; round += 1) {
    // The third one is still on its way back.
    const [watched, other] = [at(round), at(round + 1)];
    const watch = await SseClient.open(
      `${watched.url}/v1/watch?prefix=k.`,
      position === undefined ? {} : { lastEventId: position },
    );
    t.after(() => watch.close());
    const write = async (...writing: readonly ServerProcess[]) => {
      for (let n = 0; n < WRITES; n += 1) {
        const value = written.length;
        const { status, text } = await put((writing[n % writing.length] as ServerProcess).url, `k.${value % 5}`, value);
        assert.equal(status, 200, text);
        written.push(value);
      }
    };
    await write(watched, other);
    await watch.until('the newest write', ({ data }) => JSON.parse(data).value === written.length - 1);
    await watched.kill();
    await watch.ended();
    assert.ok(!watch.events.some(({ event }) => event === 'reset' || event === 'conflated'), 'it went on');
    told.push(...watch.changes.map(({ value }) => value));
    position = watch.lastEventId;
    await write(other); // Nobody watches.
    await restarted;
    restarted = watched.restart();
  }
  await restarted;
  const last = await SseClient.open(`${at(KILLS + 1).url}/v1/watch?prefix=k.`, { lastEventId: position as string });
  t.after(() => last.close());
  told.push(...(await last.changeCount(WRITES)).map(({ value }) => value));
  assert.deepEqual(told, written, 'each change once, in the order of the writes');
});
