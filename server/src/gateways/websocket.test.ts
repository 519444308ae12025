import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, type TestContext, test } from 'node:test';
import { type ErrorCode, LatchkeyError } from '@latchkey/client';
import { type GatewayProbe, gatewaySuite } from '../../../test/conformance/gateway.suite.ts';
import { GatewayServer } from '../../../test/support/gateway-server.ts';
import { WebSocketClient } from '../../../test/support/websocket-client.ts';
import { WebSocketWatcher } from '../../../test/support/websocket-watcher.ts';
import { makeWebsocketGateway } from './websocket.ts';

async function probe(scope: TestContext): Promise<GatewayProbe> {
  const server = await GatewayServer.start(scope, [makeWebsocketGateway()]);
  return {
    log: server.log,
    watch: async (filter = {}, mode = {}) => {
      const client = await WebSocketWatcher.open(server.url);
      const stream = client.watch(1, filter, { ...mode });
      const first = await stream.until('an answer', () => true);
      if (first.op !== 'error') return stream;
      client.ws.terminate();
      const { code, message } = JSON.parse(first.text) as { code: ErrorCode; message: string };
      throw new LatchkeyError(code, message);
    },
    closeFeed: () => server.feed.close(),
  };
}

gatewaySuite('websocket', probe);

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('websocket watches', () => {
  test('watching comes first, then opened, and synced names the group', async (scope) => {
    const server = await GatewayServer.start(scope, [makeWebsocketGateway()]);
    const client = await WebSocketWatcher.open(server.url);
    await client.watch('é', { keys: ['a'] }).op('synced');
    const [watching, opened, synced] = client.frames;
    assert.deepEqual(watching, { op: 'watching', id: 'é', ref: 'g1' });
    assert.equal(opened?.op, 'opened');
    assert.equal(synced?.ref, 'g1');
    client.ws.terminate();
  });

  test('a connection gets a group’s frame once for all its watches of it', async (scope) => {
    const server = await GatewayServer.start(scope, [makeWebsocketGateway()]);
    const client = await WebSocketWatcher.open(server.url);
    const streams = [1, 2, 3].map((id) => client.watch(id, { prefixes: ['a'] }));
    for (const stream of streams) await stream.op('synced');
    server.log.view.put('a1', 1);
    for (const stream of streams) await stream.count(1);
    assert.equal(client.frames.filter(({ changes }) => changes !== undefined).length, 1);
    client.ws.send('{"op":"unwatch","id":2}');
    while (!client.frames.some(({ op }) => op === 'unwatched')) await once(client.ws, 'message');
    server.log.view.put('a1', 2);
    await streams[0]?.value('a1', 2);
    await streams[2]?.value('a1', 2);
    assert.equal(server.feed.counts().watchers, 2);
    client.ws.terminate();
  });

  test('watches of one group on a connection that stalls again and again each see every change once', async (scope) => {
    const server = await GatewayServer.start(scope, [makeWebsocketGateway()]);
    const client = await WebSocketWatcher.open(server.url);
    const streams = [1, 2].map((id) => client.watch(id, {}));
    for (const stream of streams) await stream.op('synced');
    const filler = 'x'.repeat(100_000);
    for (let round = 0; round < 6; round += 1) {
      client.ws.pause();
      // Several chunks a tick, so that a member may be refused between two of them.
      for (let index = 0; server.feed.counts().behind === 0 || index % 40 !== 0; index += 1) {
        server.log.view.put(`k${index % 5}`, `${round}.${index}${filler}`);
        if (index % 3 === 0) await turn();
      }
      const late = client.watch(10 + round, {}, { from: 'now' });
      client.ws.resume();
      server.log.view.put('end', round);
      for (const stream of streams) await stream.value('end', round);
      await late.op('synced');
    }
    server.log.view.put('end', 'all');
    for (const stream of client.streams.values()) await stream.value('end', 'all');
    for (const stream of streams) {
      const told = stream.changes.map(({ version }) => Number(version?.split('.')[1]));
      assert.deepEqual(
        told,
        [...new Set(told)].toSorted((a, b) => a - b),
      );
      if (!stream.events.some(({ op }) => op === 'conflated')) {
        assert.deepEqual(
          told,
          Array.from({ length: server.log.view.head(0) }, (_, index) => index + 1),
        );
      }
    }
    assert.ok(client.frames.some(({ op }) => op === 'behind'));
    client.ws.terminate();
  });

  test('the limit of watches, a taken id and an unknown one are refused, and the connection stays', async (scope) => {
    const limits = { watchesPerConnectionMax: 2 };
    const server = await GatewayServer.start(scope, [makeWebsocketGateway()], { limits });
    const client = await WebSocketClient.open(server.url);
    const errors = () => client.frames.filter(({ op }) => op === 'error');
    client.send({ op: 'watch', id: 1 });
    client.send({ op: 'watch', id: 1 });
    client.send({ op: 'watch', id: 2 });
    client.send({ op: 'watch', id: 3 });
    client.send({ op: 'unwatch', id: 7 });
    client.send({ op: 'watch', id: 4, filter: { pattern: ['a'] } });
    client.send({ op: 'put', id: 1, key: 'a', value: 1 });
    client.send({ op: 'ping', id: 'last' });
    await client.until('pong', ({ op }) => op === 'pong');
    assert.deepEqual(
      errors().map(({ code, id }) => [id, code]),
      [
        [1, 'invalid-request'],
        [3, 'too-many-watches'],
        [7, 'not-found'],
        [4, 'too-many-watches'],
        [1, 'invalid-request'],
      ],
    );
    assert.equal(server.feed.counts().watchers, 2);
    client.close();
    await client.untilClosed();
    while (server.feed.counts().watchers > 0) await turn();
  });

  test('the end of the feed closes with the code that says: come back', async (scope) => {
    const server = await GatewayServer.start(scope, [makeWebsocketGateway()]);
    const client = await WebSocketClient.open(server.url);
    for (const id of [1, 2]) client.send({ op: 'watch', id, filter: { keys: [`${id}`] } });
    await client.until('synced', ({ id, op }) => op === 'synced' && id === 2);
    await server.feed.close();
    assert.deepEqual(await client.untilClosed(), { code: 4001, reason: 'closing' });
    assert.equal(client.frames.filter(({ op }) => op === 'bye').length, 2);
  });

  test('a connection without watches is closed too when the listener stops', async (scope) => {
    const server = await GatewayServer.start(scope, [makeWebsocketGateway({ turnMs: 10 })]);
    const client = await WebSocketClient.open(server.url);
    await server.http.stopAccepting();
    assert.equal((await client.untilClosed()).code, 4001);
  });
});

describe('websocket commands', () => {
  test('each gets its outcome under its own id, in order, and a value keeps its text', async (scope) => {
    const server = await GatewayServer.start(scope, [makeWebsocketGateway()]);
    const client = await WebSocketClient.open(server.url);
    client.send('{"id":"x","op":"put","key":"a","value":{"one":1.0}}');
    client.send('{"op":"merge","key":"a","value":{"two":2},"id":2}');
    client.send({ op: 'read', id: 3, key: 'a' });
    client.send({ op: 'put', id: 4, key: '', value: 1 });
    client.send({ op: 'nonsense', id: 5 });
    client.send({ op: 'remove', id: 6, key: 'a' });
    await client.until('the last', ({ id }) => id === 6);
    assert.deepEqual(
      client.frames.map(({ id, op, outcome }) => [id, op, outcome]),
      [
        ['x', 'outcome', 'applied'],
        [2, 'outcome', 'applied'],
        [3, 'outcome', 'value'],
        [4, 'outcome', 'refused'],
        [5, 'outcome', 'refused'],
        [6, 'outcome', 'applied'],
      ],
    );
    assert.match(client.texts[2] as string, /"one":1\.0/);
    assert.match(server.log.batches[0]?.origin as string, /^http:127\.0\.0\.1:\d+$/);
    client.close();
  });

  test('far more than may wait are all answered, in order, in batches', async (scope) => {
    const server = await GatewayServer.start(scope, [makeWebsocketGateway()]);
    const gate = Promise.withResolvers<void>();
    const submit = server.log.submit.bind(server.log);
    server.log.submit = async (batch) => {
      await gate.promise;
      return submit(batch);
    };
    const client = await WebSocketWatcher.open(server.url);
    for (let id = 0; id < 5000; id += 1) client.ws.send(`{"op":"put","id":${id},"key":"a","value":${id}}`);
    await turn();
    gate.resolve();
    while (client.frames.length < 5000) await once(client.ws, 'message');
    // How many come at once, and so whether any is too much, is up to the kernel.
    const refused = client.frames.filter(({ op }) => op === 'error');
    assert.ok(refused.every(({ code }) => code === 'overloaded'));
    assert.ok(server.log.batches.every(({ commands }) => commands.length <= 64));
    const applied = client.frames.filter(({ outcome }) => outcome === 'applied').map(({ id }) => id as number);
    assert.equal(applied.length + refused.length, 5000);
    assert.deepEqual(
      applied,
      applied.toSorted((a, b) => a - b),
    );
    client.ws.terminate();
  });

  test('a batch that the log refuses is an error for each of its commands', async (scope) => {
    const server = await GatewayServer.start(scope, [makeWebsocketGateway()]);
    server.log.fault = new LatchkeyError('store-full', 'The store is full.', { retryAfter: 5 });
    const client = await WebSocketClient.open(server.url);
    const answer = await client.ask({ op: 'put', id: 1, key: 'a', value: 1 });
    assert.deepEqual(answer, { op: 'error', id: 1, code: 'store-full', message: 'The store is full.', retryAfter: 5 });
    server.log.fault = undefined;
    assert.equal((await client.ask({ op: 'put', id: 2, key: 'a', value: 1 })).outcome, 'applied');
    client.close();
  });

  test('a client that sends and never reads is not read any further', async (scope) => {
    const server = await GatewayServer.start(scope, [makeWebsocketGateway()]);
    server.log.view.put('big', 'x'.repeat(500_000));
    const client = await WebSocketWatcher.open(server.url);
    client.ws.pause();
    for (let id = 0; id < 600; id += 1) client.ws.send(`{"op":"read","id":${id},"key":"big"}`);
    let before = -1;
    // Still means: no batch more in a hundred turns, with most of the commands unanswered.
    for (let still = 0; still < 100; still += 1) {
      if (server.log.batches.length !== before) still = 0;
      before = server.log.batches.length;
      await turn();
    }
    const submitted = server.log.batches.reduce((sum, { commands }) => sum + commands.length, 0);
    assert.ok(submitted < 300, `${submitted} commands were carried out for a client that reads nothing`);
    client.ws.resume();
    while (client.frames.length < 600) await once(client.ws, 'message');
    client.ws.terminate();
  });
});
