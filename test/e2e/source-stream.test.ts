// A server that reads a stream, killed at any moment: every entry is one change, in order.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { seedFrom } from '../guarantees/random.ts';
import { startRedis } from '../support/redis.ts';
import { ServerProcess } from '../support/server-process.ts';
import { SseClient } from '../support/sse-client.ts';
import { eventually } from '../support/waiting.ts';

const KILLS = 4;
const ENTRIES_A_ROUND = 60;

const sourceOn = (url: string) =>
  JSON.stringify([
    {
      ...{ name: 'ems', kind: 'redis-stream', url, streams: ['ems'] },
      format: { kind: 'json', key: 'battery:{id}', omit: ['id'], write: 'merge' },
    },
  ]);

async function json(server: ServerProcess, path: string): Promise<Record<string, unknown>> {
  return (await (await fetch(`${server.url}${path}`)).json()) as Record<string, unknown>;
}

describe('a source redis-stream on a running server', { timeout: 300_000 }, () => {
  test('fields of an entry are merged into a value, which a watch shows; what has no key is a dead letter', async (t) => {
    const redis = await startRedis(t);
    await redis.command('XADD', 'ems', '*', 'id', '7', 'soc', '80');
    const server = await ServerProcess.start({ env: { LATCHKEY_SOURCES: sourceOn(redis.url) } }, t);
    const watch = await SseClient.open(`${server.url}/v1/watch?key=battery:7`);
    t.after(() => watch.close());
    await redis.command('XADD', 'ems', '*', 'id', '7', 'voltage', '48');
    await watch.until('the merged value', ({ data }) => data.includes('{"soc":"80","voltage":"48"}'));
    await redis.command('XADD', 'ems', '*', 'soc', '1');
    await eventually('the dead letter', async () => {
      const letters = (await json(server, '/v1/dead-letters')).deadLetters as readonly { coordinates: object }[];
      return letters.length === 1 && 'id' in (letters[0]?.coordinates ?? {});
    });
    const { sources } = await json(server, '/v1/sources');
    const [source] = sources as Record<string, unknown>[];
    assert.deepEqual([source?.ready, source?.holder, source?.deadLettered, source?.gaps], [true, true, 1, 0]);
    await eventually('nothing behind', async () => {
      const metrics = await (await fetch(`${server.url}/metrics`)).text();
      return /latchkey_source_behind_messages\{source="ems"\} 0/.test(metrics);
    });
  });

  for (const workers of ['0', '2'])
    test(`every entry is one change over kill -9, with ${workers} workers`, async (t) => {
      const seed = seedFrom(process.env.LATCHKEY_SEED);
      t.diagnostic(`LATCHKEY_SEED=${seed}`);
      const redis = await startRedis(t);
      const env = { LATCHKEY_SOURCES: sourceOn(redis.url), LATCHKEY_WORKERS: workers };
      const server = await ServerProcess.start({ env }, t);
      let value = 0;
      for (let round = 0; round < KILLS; round += 1) {
        const at = (seed + round * 7919) % ENTRIES_A_ROUND;
        for (let index = 0; index < ENTRIES_A_ROUND; index += 1) {
          value += 1;
          await redis.command('XADD', 'ems', '*', 'id', '7', 'n', value);
          if (index === at) {
            await sleep((seed + round) % 20);
            await server.kill();
          }
        }
        await server.restart();
      }
      await eventually(
        'the last one',
        async () => (await json(server, '/v1/keys/battery:7')).n === String(value),
        60_000,
      );
      const { log } = (await json(server, '/v1/status')) as { log: { head: number } };
      assert.equal(log.head, value, 'each entry is one change');
      const { changes } = (await json(server, '/v1/keys/battery:7?history=true')) as {
        changes: { value: { n: string } }[];
      };
      const numbers = changes.map((change) => Number(change.value.n)).sort((one, other) => one - other);
      assert.deepEqual(
        numbers,
        numbers.map((_, index) => value - numbers.length + 1 + index),
      );
      await eventually('nothing pending', async () => {
        const [pending] = (await redis.command('XPENDING', 'ems', 'latchkey')) as readonly unknown[];
        return Number(pending) === 0;
      });
    });

  test('of two nodes around one Redis one takes each entry, however often they are killed', async (t) => {
    const seed = seedFrom(process.env.LATCHKEY_SEED);
    t.diagnostic(`LATCHKEY_SEED=${seed}`);
    const redis = await startRedis(t);
    const env = {
      LATCHKEY_SOURCES: sourceOn(redis.url),
      LATCHKEY_LOG_KIND: 'redis',
      LATCHKEY_LOG_URL: redis.url,
    };
    const nodes = [await ServerProcess.start({ env }, t), await ServerProcess.start({ env }, t)] as const;
    let value = 0;
    for (let round = 0; round < 2; round += 1) {
      const node = nodes[(seed + round) % 2] as ServerProcess;
      for (let index = 0; index < ENTRIES_A_ROUND; index += 1) {
        value += 1;
        await redis.command('XADD', 'ems', '*', 'id', '7', 'n', value);
        if (index === (seed + round * 7919) % ENTRIES_A_ROUND) await node.kill();
      }
      await node.restart();
    }
    for (const node of nodes)
      await eventually(
        'the last one',
        async () => (await json(node, '/v1/keys/battery:7')).n === String(value),
        60_000,
      );
    assert.equal(await redis.command('GET', 'battery:7'), `{"n":"${value}"}`, 'for every Redis client');
    const { changes } = (await json(nodes[0], '/v1/keys/battery:7?history=true')) as {
      changes: { value: { n: string } }[];
    };
    const numbers = changes.map((change) => Number(change.value.n)).sort((one, other) => one - other);
    assert.ok(numbers.length > 0);
    assert.deepEqual(
      numbers,
      numbers.map((_, index) => value - numbers.length + 1 + index),
      'each entry is one change',
    );
  });
});
