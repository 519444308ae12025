import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { WebSocket } from 'ws';
import { GatewayServer } from '../../../test/support/gateway-server.ts';
import { WebSocketClient } from '../../../test/support/websocket-client.ts';
import { kvStoreGateway } from './kv-store.ts';
import { makeKvStoreSubscribeGateway } from './kv-store-subscribe.ts';
import { makeSseGateway } from './sse.ts';

const gateways = () => [kvStoreGateway, makeKvStoreSubscribeGateway()];

async function set(server: GatewayServer, key: string, value: string): Promise<void> {
  const response = await fetch(`${server.url}/set`, {
    method: 'POST',
    body: JSON.stringify({ Key: key, Value: value }),
  });
  assert.equal(await response.text(), '"SUCCESS"\n');
}

describe('kv-store /subscribe', () => {
  test('shows every put from now on, with the address it came from and this instance’s count', async (scope) => {
    const server = await GatewayServer.start(scope, gateways());
    await set(server, 'Before', 'x');
    const client = await WebSocketClient.open(server.url, '/subscribe');
    client.send('Keepalive ping');
    while (server.feed.counts().watchers === 0) await new Promise((resolve) => setImmediate(resolve));
    await set(server, 'City', 'Ahmedabad');
    server.log.view.remove('City');
    server.log.view.put('json', { a: 1 });
    await client.until('the second put', ({ Offset }) => Offset === 2);
    assert.equal(client.frames.length, 2);
    const { Key, ...rest } = client.frames[0] as Record<string, unknown>;
    assert.deepEqual(rest, { Topic: 'command-log', Partition: 0, Offset: 1, Value: 'City: Ahmedabad' });
    assert.match(Key as string, /^Client address=127\.0\.0\.1:\d+$/);
    assert.equal(client.frames[1]?.Value, 'json: {"a":1}');
    client.close();
  });

  test('subscribers share one group, and whoever joins later counts on', async (scope) => {
    const server = await GatewayServer.start(scope, gateways());
    const first = await WebSocketClient.open(server.url, '/subscribe');
    server.log.view.put('a', 1);
    await first.until('0', ({ Offset }) => Offset === 0);
    const second = await WebSocketClient.open(server.url, '/subscribe');
    assert.deepEqual(server.feed.counts().groups, 1);
    server.log.view.put('a', 2);
    await second.until('1', ({ Offset }) => Offset === 1);
    await first.until('1', ({ Offset }) => Offset === 1);
    assert.equal(second.frames.length, 1);
    for (const client of [first, second]) client.close();
  });

  test('a subscriber that stops reading gets the same numbers when it goes on', async (scope) => {
    const server = await GatewayServer.start(scope, gateways());
    const ws = new WebSocket(`${server.url.replace('http', 'ws')}/subscribe`);
    await once(ws, 'open');
    const offsets: number[] = [];
    ws.on('message', (data) => offsets.push((JSON.parse(String(data)) as { Offset: number }).Offset));
    ws.pause();
    let puts = 0;
    for (; server.feed.counts().behind === 0; puts += 1) {
      server.log.view.put(`k${puts}`, 'x'.repeat(200_000));
      await new Promise((resolve) => setImmediate(resolve));
    }
    ws.resume();
    while (offsets.at(-1) !== puts - 1) await once(ws, 'message');
    assert.deepEqual(
      offsets,
      Array.from({ length: puts }, (_, index) => index),
    );
    ws.terminate();
  });

  test('ends with the code that says: come back', async (scope) => {
    const server = await GatewayServer.start(scope, [...gateways(), makeSseGateway()]);
    const client = await WebSocketClient.open(server.url, '/subscribe');
    while (server.feed.counts().watchers === 0) await new Promise((resolve) => setImmediate(resolve));
    await server.feed.close();
    assert.equal((await client.untilClosed()).code, 4001);
    const late = await WebSocketClient.open(server.url, '/subscribe');
    assert.equal((await late.untilClosed()).code, 4001);
  });
});
