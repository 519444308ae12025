// A Redis that is there and takes no writes: read-only, full, or by its ACL. Who writes is told so, nobody who reads notices, and it
// goes on by itself.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { get, put, remove, sendCommands } from '../support/http-client.ts';
import { startRedis } from '../support/redis.ts';
import { startNode, startNodes, untilAgree, untilApplied, untilNotReady, untilReady } from '../support/redis-nodes.ts';
import { SseClient } from '../support/sse-client.ts';

const codeOf = (json: unknown) => (json as { readonly error?: { readonly code?: string } }).error?.code;

describe('a Redis that refuses writes, on which Redpanda’s and Kafka Connect’s Redis outputs stall', () => {
  test('READONLY: writes are answered 503 and are nowhere, reads and watches go on, and so does the rest when it is primary again', async (t) => {
    const redis = await startRedis(t);
    const nodes = await startNodes(t, 2, redis.url);
    const [one, two] = nodes;
    if (one === undefined || two === undefined) throw new Error('two nodes were started');
    await put(one.url, 'a', 1);
    const watch = await SseClient.open(`${two.url}/v1/watch`);
    t.after(() => watch.close());
    await watch.changeCount(1);
    await redis.command('REPLICAOF', '127.0.0.1', 1);
    let refused = await put(one.url, 'a', 'refused');
    // The connection may be given up under it, for what the Redis has become: then nobody knows, and it is asked again.
    while (codeOf(refused.json) === 'timeout') refused = await put(one.url, 'a', 'refused');
    assert.equal(refused.status, 503, refused.text);
    assert.equal(codeOf(refused.json), 'not-ready');
    assert.match(await untilNotReady(one), /replica/);
    for (const node of nodes) assert.equal((await get(node.url, 'a')).text, '1');
    await redis.command('REPLICAOF', 'NO', 'ONE');
    await untilApplied(one, { op: 'put', key: 'b', value: 2 });
    await watch.until('what was written since', ({ data }) => JSON.parse(data).key === 'b');
    assert.ok(!watch.events.some(({ event }) => event === 'reset'));
    await untilReady(...nodes);
  });

  test('full, with noeviction: writes are answered storage-full, removals make room, and all goes on when there is some', async (t) => {
    const redis = await startRedis(t, { memoryPolicy: 'noeviction' });
    const node = await startNode(t, redis.url);
    await put(node.url, 'a', 1);
    await redis.command('CONFIG', 'SET', 'maxmemory', 1);
    const refused = await put(node.url, 'b', 2);
    assert.equal(refused.status, 503, refused.text);
    assert.equal(codeOf(refused.json), 'storage-full');
    assert.equal((await get(node.url, 'b')).status, 404, 'never counted as written');
    assert.equal(await redis.command('EXISTS', 'b'), 0);
    assert.equal((await get(node.url, 'a')).status, 200);
    await redis.command('CONFIG', 'SET', 'maxmemory', 0);
    await untilApplied(node, { op: 'put', key: 'b', value: 2 });
    assert.equal((await remove(node.url, 'a')).status, 200);
    assert.deepEqual(await untilAgree([node]), { b: 2 });
    await untilReady(node);
  });

  test('an ACL that forbids one key of a batch: that key is refused and nothing of it written, the others are', async (t) => {
    const redis = await startRedis(t, { acl: ['user latchkey on >secret ~latchkey:* ~allowed.* &* +@all'] });
    const node = await startNode(t, redis.url.replace('redis://', 'redis://latchkey:secret@'));
    const outcomes = await sendCommands(
      node.url,
      ['allowed.1', 'forbidden', 'allowed.2'].map((key) => ({ op: 'put', key, value: 1 })),
    );
    assert.deepEqual(
      outcomes.map(({ outcome }) => outcome),
      ['applied', 'refused', 'applied'],
    );
    assert.equal(await redis.command('EXISTS', 'forbidden'), 0);
    assert.equal(await redis.command('EXISTS', 'allowed.1', 'allowed.2'), 2);
    assert.equal((await get(node.url, 'forbidden')).status, 404);
    const alone = await put(node.url, 'forbidden', 1);
    assert.notEqual(alone.status, 200);
    assert.equal((await put(node.url, 'allowed.3', 1)).status, 200, 'the others flow');
    await untilReady(node);
  });
});
