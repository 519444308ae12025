// A Redis without persistence, or with another disk, starts again and has nothing. Redis sinks of Kafka Connect and Debezium go on as
// if nothing had happened, and never write what was there before.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ask, get, put, sendCommands } from '../support/http-client.ts';
import { startRedis } from '../support/redis.ts';
import { eventually, startNodes, untilAgree, untilApplied, untilReady } from '../support/redis-nodes.ts';
import type { ServerProcess } from '../support/server-process.ts';
import { SseClient } from '../support/sse-client.ts';

const KEYS = 20_000;
const WAIT = { LATCHKEY_LOG_REBUILD_WAIT: '1s' };

/** As a source with offsets of its own; resolves with the status. */
async function sendRow(
  url: string,
  { expected, next, value }: { readonly expected?: string; readonly next: string; readonly value: number },
): Promise<number> {
  const { status } = await ask(`${url}/v1/commands`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'latchkey-source': 'rows/0',
      ...(expected === undefined ? {} : { 'latchkey-expected-offset': expected }),
      'latchkey-next-offset': next,
    },
    body: JSON.stringify([{ op: 'put', key: 'row', value }]),
  });
  return status;
}

/** Resolves when all of them have come as far. */
async function untilShown(nodes: readonly ServerProcess[], key: string, version: string): Promise<void> {
  for (const { url } of nodes)
    assert.equal((await get(url, key, `?minPosition=${version}&wait=30`)).status, 200, `${url} has come to ${version}`);
}

describe('a Redis that comes back without its data, unnoticed by the Redis sinks of Kafka Connect and Debezium', () => {
  test('is noticed: watchers are told reset, every node begins anew, and what is written then is all that is there', async (t) => {
    const redis = await startRedis(t);
    const nodes = await startNodes(t, 2, redis.url, WAIT);
    const [one, two] = nodes;
    if (one === undefined || two === undefined) throw new Error('two nodes were started');
    await put(one.url, 'lost', 1);
    const watch = await SseClient.open(`${two.url}/v1/watch`);
    t.after(() => watch.close());
    await watch.changeCount(1);
    await redis.restart({ withData: false });
    await untilApplied(one, { op: 'put', key: 'new', value: 2 });
    const reset = await watch.named('reset');
    assert.equal(JSON.parse(reset.data).reason, 'epoch');
    await watch.until('the new write', ({ data }) => JSON.parse(data).key === 'new');
    assert.deepEqual(await untilAgree(nodes, (values) => 'new' in values), { new: 2 });
    assert.equal((await get(two.url, 'lost')).status, 404);
    assert.equal(await redis.command('EXISTS', 'lost'), 0);
    await untilReady(...nodes);
  });

  test('is filled again from the node that knows most, where that is asked for: values, expiries, tombstones and progress', async (t) => {
    const redis = await startRedis(t);
    const nodes = await startNodes(t, 2, redis.url, { ...WAIT, LATCHKEY_LOG_REBUILD: 'true' });
    const [one, two] = nodes;
    if (one === undefined || two === undefined) throw new Error('two nodes were started');
    await put(one.url, 'kept', { x: 1 });
    await sendCommands(one.url, [
      { op: 'put', key: 'short', value: 's', ttl: 3000 },
      { op: 'put', key: 'gone', value: 1, updated: '2026-01-01T00:00:00Z' },
      { op: 'remove', key: 'gone', updated: '2026-01-02T00:00:00Z' },
    ]);
    assert.equal(await sendRow(two.url, { value: 7, next: '8' }), 200);
    await untilAgree(nodes, (values) => 'row' in values);
    const watch = await SseClient.open(`${two.url}/v1/watch`);
    t.after(() => watch.close());
    await watch.named('synced');
    await redis.restart({ withData: false });
    await untilApplied(two, { op: 'put', key: 'new', value: 2 });
    await watch.until('the new write', ({ data }) => JSON.parse(data).key === 'new');
    const values = await untilAgree(nodes, (each) => 'new' in each);
    assert.deepEqual(values, { kept: { x: 1 }, new: 2, row: 7, short: 's' });
    const folded = new Map<unknown, unknown>();
    for (const { key, op, value } of watch.changes) op === 'remove' ? folded.delete(key) : folded.set(key, value);
    assert.deepEqual(Object.fromEntries(folded), values, 'a watcher has them too');
    assert.equal(await redis.command('GET', 'kept'), '{"x":1}');
    assert.ok(Number(await redis.command('TTL', 'short')) > 2000);
    // A node shows what it reads of the log before it takes writes again.
    await untilReady(...nodes);
    const [late] = await sendCommands(one.url, [{ op: 'put', key: 'gone', value: 2, updated: '2026-01-01T12:00:00Z' }]);
    assert.equal(late?.outcome, 'late', 'the tombstone still protects the key');
    assert.equal(await sendRow(one.url, { value: 7, next: '8' }), 409, 'the row was taken before');
    assert.equal(await sendRow(one.url, { value: 8, expected: '8', next: '9' }), 200);
  });

  test('is filled to the end by another node where the one that does it is killed in the middle', async (t) => {
    const redis = await startRedis(t);
    const nodes = await startNodes(t, 3, redis.url, { ...WAIT, LATCHKEY_LOG_REBUILD: 'true' });
    const [one] = nodes;
    if (one === undefined) throw new Error('three nodes were started');
    const keys = Array.from({ length: KEYS }, (_, index) => `k.${index}`);
    for (let at = 0; at < KEYS; at += 1000) {
      const page = keys.slice(at, at + 1000);
      const outcomes = await sendCommands(
        one.url,
        page.map((key, index) => ({ op: 'put', key, value: at + index })),
      );
      assert.ok(outcomes.every(({ outcome }) => outcome === 'applied'));
    }
    // Whoever goes on puts back what it knows itself.
    await untilShown(nodes, 'full', await untilApplied(one, { op: 'put', key: 'full', value: 'z' }));
    const ids = await Promise.all(
      nodes.map(async ({ url }) => ((await ask(`${url}/v1/status`)).json as { readonly node: string }).node),
    );
    await redis.restart({ withData: false });
    const heads = async () => Number(await redis.command('HLEN', 'latchkey:main:heads'));
    const isUnderWay = (count: number) => count > KEYS / 10;
    await eventually('the log is being put back', heads, isUnderWay);
    const lease = String(await redis.command('HGET', 'latchkey:main:leases', 'rebuild'));
    const killed = nodes[ids.findIndex((id) => lease.endsWith(` ${id}`))];
    if (killed === undefined) throw new Error(`one of them holds the lease: ${lease}, ${ids}`);
    await killed.kill();
    assert.ok((await heads()) < KEYS, 'it was killed in the middle');
    const [left, other] = nodes.filter((node) => node !== killed);
    if (left === undefined || other === undefined) throw new Error('two nodes are left');
    await untilApplied(left, { op: 'put', key: 'new', value: 'x' });
    await killed.restart();
    await untilReady(...nodes);
    await untilShown(nodes, 'end', await untilApplied(other, { op: 'put', key: 'end', value: 'y' }));
    const all = await Promise.all(
      nodes.map(async ({ url }) => {
        const { text } = await ask(`${url}/v1/keys?values=true`, { headers: { accept: 'application/x-ndjson' } });
        return text
          .trimEnd()
          .split('\n')
          .map((line) => JSON.parse(line) as Readonly<Record<'key' | 'value' | 'version', unknown>>);
      }),
    );
    for (const entries of all) assert.deepEqual(entries, all[0]);
    const values = new Map(all[0]?.map(({ key, value }) => [key, value]));
    assert.deepEqual([values.get('new'), values.get('end'), values.size], ['x', 'y', KEYS + 3]);
    for (const [index, key] of keys.entries()) assert.equal(values.get(key), index, key);
  });
});
