/** Clients that users have, unmodified, against the gateway. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { WatchError } from '@redis/client';
import { Redis } from 'ioredis';
import { FaultProxy } from '../support/fault-proxy.ts';
import { connectRedis, startResp } from '../support/resp-server.ts';
import type { Scope } from '../support/server-process.ts';
import { SseClient } from '../support/sse-client.ts';

function ioredis(port: number, scope: Scope, options = {}): Redis {
  const client = new Redis(port, '127.0.0.1', { maxRetriesPerRequest: 1, ...options });
  client.on('error', () => {}); // The command that it breaks rejects.
  scope.after(() => client.disconnect());
  return client;
}

/** Resolves with what `listen` hands over first. */
function first<T>(listen: (take: (value: T) => void) => void): Promise<T> {
  return new Promise((resolve) => listen(resolve));
}

/** Resolves when the client is back behind it. */
async function cutOff(client: { once(event: 'ready', listener: () => void): unknown }, proxy: FaultProxy) {
  const back = first<void>((take) => client.once('ready', () => take()));
  proxy.cut();
  await back;
}

describe('node-redis', () => {
  for (const RESP of [2, 3] as const) {
    it(`works unmodified in RESP${RESP}`, async (t) => {
      const { port } = await startResp(t);
      const client = await connectRedis(port, t, { RESP, name: 'worker' });
      assert.equal(await client.set('a', '1', { expiration: { type: 'EX', value: 100 } }), 'OK');
      assert.equal(await client.get('a'), '1');
      assert.equal(await client.ttl('a'), 100);
      assert.equal(await client.set('a', '2', { condition: 'NX' }), null);
      assert.equal(await client.hSet('h', { one: '1', two: '2' }), 2);
      assert.deepEqual({ ...(await client.hGetAll('h')) }, { one: '1', two: '2' });
      assert.deepEqual(await client.mGet(['a', 'none']), ['1', null]);
      const outcome = await client.multi().set('b', 'x').get('b').hGetAll('h').del('none').exec();
      assert.deepEqual(JSON.parse(JSON.stringify(outcome)), ['OK', 'x', { one: '1', two: '2' }, 0]);
      const many = await Promise.all(
        Array.from({ length: 3000 }, (_value, index) => client.set(`k:${index}`, `${index}`)),
      );
      assert.ok(many.every((reply) => reply === 'OK'));
      const found = new Set<string>();
      for await (const keys of client.scanIterator({ MATCH: 'k:*', COUNT: 500 }))
        for (const key of keys) found.add(key);
      assert.equal(found.size, 3000);
      const subscriber = client.duplicate();
      await subscriber.connect();
      t.after(() => subscriber.destroy());
      const heard = first<string>((take) => void subscriber.subscribe('update', (message) => take(message)));
      const events = first<string>((take) => void subscriber.pSubscribe('__keyevent@0__:set', (key) => take(key)));
      await subscriber.ping();
      assert.equal(await client.publish('update', 'hello'), 1);
      await client.set('seen', '1');
      assert.equal(await heard, 'hello');
      assert.equal(await events, 'seen');
    });
  }

  for (const RESP of [2, 3] as const) {
    it(`is told by WATCH what others changed, in RESP${RESP}`, async (t) => {
      const { port } = await startResp(t);
      const client = await connectRedis(port, t, { RESP });
      const other = await connectRedis(port, t, { RESP });
      await client.watch(['a', 'b']);
      await client.multi().set('a', '1').exec();
      await client.watch('a');
      await other.set('a', '2');
      await assert.rejects(client.multi().set('a', '3').exec(), WatchError);
      assert.equal(await client.get('a'), '2');
      await client.watch('a');
      await other.set('a', '4');
      await client.unwatch();
      assert.deepEqual([...(await client.multi().get('a').exec())], ['4']);
    });

    it(`goes on over cut connections, subscriptions too, in RESP${RESP}`, async (t) => {
      const { port } = await startResp(t);
      const proxy = await FaultProxy.start(port);
      t.after(() => proxy.close());
      const socket = { reconnectStrategy: () => 10 };
      const client = await connectRedis(proxy.port, t, { RESP, socket });
      const subscriber = await connectRedis(proxy.port, t, { RESP, socket });
      const publisher = await connectRedis(port, t);
      let hear: (message: string) => void = () => undefined;
      await subscriber.subscribe('round', (message) => hear(message));
      for (const round of ['1', '2', '3']) {
        if (round !== '1') await Promise.all([cutOff(client, proxy), cutOff(subscriber, proxy)]);
        const heard = first<string>((take) => {
          hear = take;
        });
        while ((await publisher.publish('round', round)) === 0) await subscriber.ping().catch(() => undefined);
        assert.equal(await heard, round);
        await client.set('round', round);
        assert.equal(await publisher.get('round'), round);
      }
    });
  }

  it('logs in, and is told when it does not', async (t) => {
    const { port } = await startResp(t, { resp: { password: 'secret' } });
    const client = await connectRedis(port, t, { password: 'secret' });
    assert.equal(await client.ping(), 'PONG');
    await assert.rejects(
      connectRedis(port, t, { password: 'wrong', socket: { reconnectStrategy: false } }),
      /WRONGPASS/,
    );
    const without = await connectRedis(port, t, {
      RESP: 2,
      disableClientInfo: true,
      socket: { reconnectStrategy: false },
    });
    await assert.rejects(without.get('a'), /NOAUTH Authentication required/);
  });
});

describe('ioredis', () => {
  it('works unmodified: commands, pipelines, transactions, scans and subscriptions', async (t) => {
    const { port } = await startResp(t);
    const client = ioredis(port, t);
    assert.equal(await client.set('a', '1', 'PX', 100_000), 'OK');
    assert.equal(await client.get('a'), '1');
    assert.equal(await client.hset('h', { one: '1', two: 'zwei' }), 2);
    assert.deepEqual(await client.hgetall('h'), { one: '1', two: 'zwei' });
    const pipeline = client.pipeline();
    for (let index = 0; index < 2000; index += 1) pipeline.set(`p:${index}`, `${index}`).get(`p:${index}`);
    const replies = (await pipeline.exec()) ?? [];
    assert.equal(replies.length, 4000);
    for (const [index, [error, reply]] of replies.entries()) {
      assert.equal(error, null);
      assert.equal(reply, index % 2 === 0 ? 'OK' : String((index - 1) / 2));
    }
    const outcome = await client.multi().set('a', '2').get('a').hget('a', 'x').exec();
    assert.deepEqual(
      outcome?.map(([error, reply]) => (error === null ? reply : (error as Error).message.slice(0, 9))),
      ['OK', '2', 'WRONGTYPE'],
    );
    let cursor = '0';
    const found = new Set<string>();
    do {
      const [next, keys] = await client.scan(cursor, 'MATCH', 'p:1*', 'COUNT', 300);
      for (const key of keys) found.add(key);
      cursor = next;
    } while (cursor !== '0');
    assert.equal(found.size, 1111);
    const subscriber = ioredis(port, t);
    const heard = first<string[]>((take) => subscriber.on('pmessage', (...parts: string[]) => take(parts)));
    await subscriber.psubscribe('__keyspace@0__:*');
    await client.del('a');
    assert.deepEqual(await heard, ['__keyspace@0__:*', '__keyspace@0__:a', 'del']);
  });
});

describe('ioredis with others beside it', () => {
  it('is told by WATCH what they changed', async (t) => {
    const { port } = await startResp(t);
    const client = ioredis(port, t);
    const other = ioredis(port, t);
    await client.watch('a');
    assert.deepEqual(await client.multi().set('a', '1').exec(), [[null, 'OK']]);
    await client.watch('a');
    await other.set('a', '2');
    assert.equal(await client.multi().set('a', '3').exec(), null);
    assert.equal(await client.get('a'), '2');
  });

  it('goes on over cut connections, subscriptions too', async (t) => {
    const { port } = await startResp(t);
    const proxy = await FaultProxy.start(port);
    t.after(() => proxy.close());
    const client = ioredis(proxy.port, t, { retryStrategy: () => 10, maxRetriesPerRequest: null });
    const publisher = ioredis(port, t);
    await client.subscribe('round');
    for (const round of ['1', '2', '3']) {
      if (round !== '1') await cutOff(client, proxy);
      const heard = first<string>((take) => client.once('message', (_channel, message: string) => take(message)));
      while ((await publisher.publish('round', round)) === 0) await client.ping().catch(() => undefined);
      assert.equal(await heard, round);
    }
  });
});

describe('what Redis clients write', () => {
  it('is what watchers are shown: an object as JSON with its own text, a number as its digits, bytes as bytes', async (t) => {
    const { port, url } = await startResp(t);
    const client = await connectRedis(port, t);
    const watcher = await SseClient.open(`${url}/v1/watch?from=now`);
    t.after(() => watcher.close());
    await client.set('json', '{"n": 1.0}');
    await client.set('digits', '42');
    await client.hSet('hash', { temp: '21.5' });
    await client.sendCommand(['SET', 'bytes', Buffer.from([0xff])]);
    const shown = async (key: string) =>
      (await (await fetch(`${url}/v1/keys/${key}?meta=true`)).json()) as Record<string, unknown>;
    assert.deepEqual((await shown('json')).value, { n: 1 });
    assert.equal(await (await fetch(`${url}/v1/keys/json`)).text(), '{"n": 1.0}');
    assert.equal((await shown('digits')).value, '42');
    assert.deepEqual((await shown('hash')).value, { temp: '21.5' });
    assert.equal((await shown('bytes')).encoding, 'base64');
    assert.match(String((await shown('bytes')).origin), /^resp:127\.0\.0\.1:\d+$/);
    await watcher.until('the change of bytes', (event) => event.data.includes('"bytes"'));
  });

  it('keeps a field a number that others wrote as one', async (t) => {
    const { port, url } = await startResp(t);
    const client = await connectRedis(port, t);
    await fetch(`${url}/v1/keys/room`, {
      method: 'PUT',
      body: '{"temp":20.50,"name":"7"}',
      headers: { 'content-type': 'application/json' },
    });
    assert.deepEqual({ ...(await client.hGetAll('room')) }, { temp: '20.50', name: '7' });
    assert.equal(await client.hSet('room', { temp: '21.0', name: '8' }), 0);
    assert.equal(await client.get('room'), '{"temp":21.0,"name":"8"}');
    assert.equal(await client.hDel('room', ['temp', 'name']), 2);
    assert.equal(await client.exists('room'), 0);
  });

  it('is seen by a command behind it in the pipeline, and by every other connection once it is answered', async (t) => {
    const { port } = await startResp(t);
    const one = await connectRedis(port, t);
    const two = await connectRedis(port, t);
    for (let round = 0; round < 50; round += 1) {
      const [, own] = await Promise.all([one.set('seen', String(round)), one.get('seen')]);
      assert.equal(own, String(round));
      assert.equal(await two.get('seen'), String(round));
    }
  });
});
