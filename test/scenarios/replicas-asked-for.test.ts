// `log.wait`: a write is answered when so many replicas have it. With the replica gone it is written and told to be unsafe, and what was
// told so is neither lost nor there twice when the replica is back.
import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { FaultProxy } from '../support/fault-proxy.ts';
import { type Answer, get, put } from '../support/http-client.ts';
import { untilCaughtUp } from '../support/lagging-replica.ts';
import { type RedisProcess, startRedis } from '../support/redis.ts';
import { startNodes, untilAgree, untilApplied, untilNotReady, untilReady } from '../support/redis-nodes.ts';
import type { ServerProcess } from '../support/server-process.ts';
import { SseClient } from '../support/sse-client.ts';

const UNSAFE = 4;

interface World {
  readonly primary: RedisProcess;
  readonly replica: RedisProcess;
  /** Between the nodes and the primary. */
  readonly link: FaultProxy;
  readonly nodes: readonly ServerProcess[];
  readonly one: ServerProcess;
  readonly two: ServerProcess;
  readonly watch: SseClient;
}

/** Two nodes that ask for one replica, which has everything, and one watcher who has seen the first write. */
async function replicated(t: TestContext): Promise<World> {
  const primary = await startRedis(t);
  const replica = await startRedis(t, { replicaOf: primary });
  const link = await FaultProxy.start(primary.port);
  t.after(() => link.close());
  await untilCaughtUp(replica, primary);
  const url = primary.url.replace(`:${primary.port}`, `:${link.port}`);
  const nodes = await startNodes(t, 2, url, { LATCHKEY_LOG_WAIT: '1' });
  const [one, two] = nodes;
  if (one === undefined || two === undefined) throw new Error('two nodes were started');
  const first = await put(one.url, 'first', 0);
  assert.equal(first.status, 200, first.text);
  assert.equal(await replica.command('GET', 'first'), '0', 'the replica has what was answered');
  const watch = await SseClient.open(`${two.url}/v1/watch`);
  t.after(() => watch.close());
  await watch.changeCount(1);
  return { primary, replica, link, nodes, one, two, watch };
}

/** Told that it is written, and why that is not as safe as was asked for. */
function assertUnsafe({ json, status, text }: Answer): void {
  assert.equal(status, 504, text);
  const { error } = json as { readonly error: { readonly code: string; readonly message: string } };
  assert.equal(error.code, 'timeout');
  assert.match(error.message, /^This is written, but not as safely as log\.wait asks for: .* 0 of 1 replicas have it/);
}

/** While the replica is gone; all of it is to be seen at once. */
async function writeUnsafely({ nodes, one, primary, watch }: World): Promise<Readonly<Record<string, unknown>>> {
  const expected: Record<string, unknown> = { first: 0 };
  for (let n = 0; n < UNSAFE; n += 1) {
    assertUnsafe(await put((nodes[n % 2] ?? one).url, `unsafe.${n}`, n));
    expected[`unsafe.${n}`] = n;
    assert.equal(await primary.command('GET', `unsafe.${n}`), String(n));
  }
  assert.deepEqual(await untilAgree(nodes, (values) => `unsafe.${UNSAFE - 1}` in values), expected);
  await watch.changeCount(1 + UNSAFE);
  return expected;
}

/** Every change once, in the order of the log. */
function assertOnce(watch: SseClient, values: Readonly<Record<string, unknown>>): void {
  assert.deepEqual(
    watch.changes.map(({ key }) => key),
    Object.keys(values),
  );
  const offsets = watch.changes.map(({ version }) => Number(String(version).split('.')[1]));
  assert.deepEqual(
    offsets,
    [...new Set(offsets)].sort((a, b) => a - b),
  );
  assert.ok(!watch.events.some(({ event }) => event === 'reset'));
}

describe('writes that a replica must have', () => {
  test('are answered `timeout` while it is frozen, though written, and as written when it goes on; none is lost, none there twice', async (t) => {
    const world = await replicated(t);
    const { nodes, one, primary, replica, two, watch } = world;
    replica.pause();
    const written = { ...(await writeUnsafely(world)) };
    for (const node of nodes) assert.match(await untilNotReady(node), /0 of 1 replicas have it/);
    // Whichever node it comes to, a repeat is no safer than what it repeats.
    const repeat = { 'idempotency-key': 'again' };
    assertUnsafe(await put(one.url, 'again', 1, '', repeat));
    assertUnsafe(await put(one.url, 'again', 1, '', repeat));
    assertUnsafe(await put(two.url, 'again', 1, '', repeat));
    replica.resume();
    // Nobody writes meanwhile.
    await untilReady(...nodes);
    await untilCaughtUp(replica, primary);
    assert.equal((await put(two.url, 'again', 1, '', repeat)).status, 200);
    assert.equal(await replica.command('GET', 'again'), '1');
    written.again = 1;
    const values: Record<string, unknown> = { ...written };
    for (const [n, { url }] of nodes.entries()) {
      const { status, text } = await put(url, `after.${n}`, n);
      assert.equal(status, 200, text);
      values[`after.${n}`] = n;
    }
    await untilReady(...nodes);
    assert.deepEqual(await untilAgree(nodes, (each) => 'after.1' in each), values);
    await watch.changeCount(Object.keys(values).length);
    assertOnce(watch, values);
    for (const [key, value] of Object.entries(values)) assert.equal(await replica.command('GET', key), String(value));
  });

  test('are answered as written again when one without data has taken its place, and outlive the primary then', async (t) => {
    const world = await replicated(t);
    const { link, nodes, one, primary, replica, two, watch } = world;
    await replica.kill9();
    const written = await writeUnsafely(world);
    await replica.restart({ withData: false });
    await untilCaughtUp(replica, primary);
    const after = await put(one.url, 'after', 9);
    assert.equal(after.status, 200, after.text);
    const values = { ...written, after: 9 };
    await watch.changeCount(Object.keys(values).length);
    assertOnce(watch, values);

    await primary.kill9();
    await replica.command('REPLICAOF', 'NO', 'ONE');
    link.leadTo(replica.port);
    link.cut();
    const next = await startRedis(t, { replicaOf: replica });
    await untilCaughtUp(next, replica);
    await untilApplied(two, { op: 'put', key: 'since', value: 10 });
    assert.deepEqual(await untilAgree(nodes, (each) => 'since' in each), { ...values, since: 10 });
    assert.equal((await get(one.url, 'after')).text, '9');
    await untilReady(...nodes);
  });
});
