// A failover to a replica that lacks the last writes: the one loss that asynchronous replication allows. What was lost is lost on every
// node, and what was written since is never taken for it.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { FaultProxy } from '../support/fault-proxy.ts';
import { put } from '../support/http-client.ts';
import { LOCKABLE, lockOut, untilCaughtUp } from '../support/lagging-replica.ts';
import { startRedis } from '../support/redis.ts';
import { startNodes, untilAgree, untilApplied, untilReady } from '../support/redis-nodes.ts';
import { startSentinels } from '../support/redis-sentinels.ts';
import { SseClient } from '../support/sse-client.ts';

const LOST = 10;

describe('a failover to a replica that lags', () => {
  test('by Sentinel: watchers are told reset, all nodes drop what was lost and agree, and the old primary comes back as a replica', async (t) => {
    const sentinels = await startSentinels(t, { redis: LOCKABLE });
    const [replica] = sentinels.replicas;
    if (replica === undefined) throw new Error('there is one replica');
    const { primary } = sentinels;
    const nodes = await startNodes(t, 2, primary.url, {
      LATCHKEY_LOG_SENTINELS: JSON.stringify(sentinels.sentinels.map(({ port }) => `127.0.0.1:${port}`)),
      LATCHKEY_LOG_SENTINEL_NAME: sentinels.name,
    });
    const [one, two] = nodes;
    if (one === undefined || two === undefined) throw new Error('two nodes were started');
    await put(one.url, 'kept', 1);
    await put(one.url, 'changed', 'old');
    await untilCaughtUp(replica, primary);
    await lockOut(replica, primary);
    for (let n = 0; n < LOST; n += 1) assert.equal((await put(one.url, `lost.${n}`, n)).status, 200);
    const { json } = await put(two.url, 'changed', 'lost');
    const lost = (json as { readonly version: string }).version;
    const watch = await SseClient.open(`${two.url}/v1/watch`);
    t.after(() => watch.close());
    await watch.changeCount(LOST + 2);

    await primary.kill9();
    await sentinels.movedFrom(primary);
    await untilApplied(one, { op: 'put', key: 'since', value: 2 });
    assert.equal(JSON.parse((await watch.named('reset')).data).reason, 'epoch');
    await watch.until('the new write', ({ data }) => JSON.parse(data).key === 'since');
    const values = await untilAgree(nodes, (each) => 'since' in each && each.changed === 'old');
    assert.deepEqual(values, { changed: 'old', kept: 1, since: 2 });
    await untilReady(...nodes);
    const stale = await put(two.url, 'changed', 'new', '', { 'if-match': `"${lost}"` });
    assert.equal(stale.status, 412, 'a version that was lost is of nothing that is there');

    await replica.command('CONFIG', 'SET', 'masterauth', 'test-admin');
    await primary.restart({ withData: true });
    await untilApplied(two, { op: 'put', key: 'later', value: 3 });
    assert.deepEqual(await untilAgree(nodes, (each) => 'later' in each), { ...values, later: 3 });
  });

  for (const { count, which } of [
    { count: 3, which: 'fewer offsets than were lost' },
    { count: LOST * 3, which: 'more offsets than were lost' },
  ]) {
    test(`a node that slept through it and holds what was lost brings nothing of it back: ${which} were given since`, async (t) => {
      const primary = await startRedis(t, LOCKABLE);
      const replica = await startRedis(t, { ...LOCKABLE, replicaOf: primary });
      const link = await FaultProxy.start(primary.port);
      t.after(() => link.close());
      const nodes = await startNodes(t, 2, primary.url.replace(`:${primary.port}`, `:${link.port}`));
      const [awake, asleep] = nodes;
      if (awake === undefined || asleep === undefined) throw new Error('two nodes were started');
      await put(awake.url, 'changed', 'old');
      await untilCaughtUp(replica, primary);
      await lockOut(replica, primary);
      for (let n = 0; n < LOST; n += 1) await put(awake.url, `lost.${n}`, n);
      await put(awake.url, 'changed', 'lost');
      await untilAgree(nodes, (each) => each.changed === 'lost');
      const watch = await SseClient.open(`${asleep.url}/v1/watch`);
      t.after(() => watch.close());
      await watch.changeCount(LOST + 1);
      const position = watch.lastEventId as string;

      asleep.signal('SIGSTOP');
      await primary.kill9();
      await replica.command('REPLICAOF', 'NO', 'ONE');
      link.leadTo(replica.port);
      link.cut();
      for (let n = 0; n < count; n += 1) await untilApplied(awake, { op: 'put', key: `since.${n}`, value: n });
      asleep.signal('SIGCONT');

      await untilApplied(asleep, { op: 'merge', key: 'woken', value: { x: 1 } });
      assert.equal(JSON.parse((await watch.named('reset')).data).reason, 'epoch');
      const values = await untilAgree(nodes, (each) => 'woken' in each && `since.${count - 1}` in each);
      assert.equal(values.changed, 'old');
      assert.deepEqual(
        Object.keys(values).filter((key) => key.startsWith('lost.')),
        [],
      );
      assert.deepEqual(await replica.command('KEYS', 'lost.*'), []);
      for (const node of nodes) {
        const resumed = await SseClient.open(`${node.url}/v1/watch`, { lastEventId: position });
        t.after(() => resumed.close());
        assert.equal(JSON.parse((await resumed.named('reset')).data).reason, 'epoch');
      }
    });
  }
});
