import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { describe, test } from 'node:test';
import { GatewayServer } from '../../../test/support/gateway-server.ts';
import { type Frame, WebSocketClient } from '../../../test/support/websocket-client.ts';
import { WebSocketWatcher } from '../../../test/support/websocket-watcher.ts';
import { makeWebsocketGateway } from './websocket.ts';

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('websocket abuse', () => {
  const bad: readonly (readonly [string, string, unknown])[] = [
    ['not JSON', 'nonsense', undefined],
    ['an array', '[{"op":"ping"}]', undefined],
    ['no op', '{"id":1}', 1],
    ['an op of another type', '{"op":7,"id":"a"}', 'a'],
    ['two commands in one frame', '{"op":"read","key":"a","id":1}\n{"op":"read","key":"b","id":2}', undefined],
    ['a command without an id', '{"op":"read","key":"a"}', undefined],
    ['an id of another type', '{"op":"read","key":"a","id":{}}', undefined],
    ['a long id', JSON.stringify({ op: 'ping', id: 'x'.repeat(200) }), undefined],
    ['an unfinished object', '{"op":"ping"', undefined],
    ['deep nesting', `{"op":"watch","id":1,"filter":${'['.repeat(100_000)}`, undefined],
  ];
  for (const [name, text, id] of bad) {
    test(`${name} is refused as frame-invalid, and the connection stays`, async (scope) => {
      const server = await GatewayServer.start(scope, [makeWebsocketGateway()]);
      const client = await WebSocketClient.open(server.url);
      client.send(text);
      const error = await client.until('an error', ({ op }) => op === 'error');
      assert.equal(error.code, 'frame-invalid');
      assert.equal(error.id, id);
      client.send({ op: 'ping' });
      await client.until('pong', ({ op }) => op === 'pong');
      client.close();
    });
  }

  test('a binary frame is refused', async (scope) => {
    const server = await GatewayServer.start(scope, [makeWebsocketGateway()]);
    const client = await WebSocketWatcher.open(server.url);
    client.ws.send(Buffer.from('{"op":"ping"}'), { binary: true });
    await once(client.ws, 'message');
    assert.equal(client.frames[0]?.code, 'frame-invalid');
    client.ws.terminate();
  });

  test('an unknown field of a watch is refused, or a typing error would watch everything', async (scope) => {
    const server = await GatewayServer.start(scope, [makeWebsocketGateway()]);
    const client = await WebSocketClient.open(server.url);
    const frames: readonly Frame[] = [
      { op: 'watch', id: 1, filtr: { keys: ['a'] } },
      { op: 'watch', id: 2, filter: { key: ['a'] } },
    ];
    for (const frame of frames) assert.equal((await client.ask(frame)).code, 'unknown-field');
    assert.equal(server.feed.counts().watchers, 0);
    client.close();
  });

  test('a frame bigger than limits.bodyBytesMax closes with 1009', async (scope) => {
    const server = await GatewayServer.start(scope, [makeWebsocketGateway()], { limits: { bodyBytesMax: 1000 } });
    const client = await WebSocketClient.open(server.url);
    client.send(JSON.stringify({ op: 'put', id: 1, key: 'a', value: 'x'.repeat(1000) }));
    assert.equal((await client.untilClosed()).code, 1009);
    assert.equal(server.log.batches.length, 0);
  });

  async function handshake(server: GatewayServer): Promise<Socket> {
    const socket = connect(server.port, '127.0.0.1');
    socket.on('error', () => {});
    const key = Buffer.alloc(16, 7).toString('base64');
    socket.write(
      'GET /v1/watch HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
        `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n\r\n`,
    );
    await once(socket, 'data');
    return socket;
  }

  test('a frame that is not masked, and bytes that are no frame, close the connection', async (scope) => {
    const server = await GatewayServer.start(scope, [makeWebsocketGateway()]);
    for (const bytes of [Buffer.from('\x81\x0d{"op":"ping"}', 'latin1'), Buffer.alloc(64, 0xff)]) {
      const socket = await handshake(server);
      const [answer] = await Promise.all([once(socket, 'data') as Promise<[Buffer]>, socket.write(bytes)]);
      assert.equal(answer[0][0], 0x88);
      assert.equal(answer[0].readUInt16BE(2), 1002);
      socket.destroy();
    }
  });

  test('a handshake that is none is answered 400', async (scope) => {
    const server = await GatewayServer.start(scope, [makeWebsocketGateway()]);
    const socket = connect(server.port, '127.0.0.1');
    socket.write('GET /v1/watch HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
    const [answer] = (await once(socket, 'data')) as [Buffer];
    assert.match(answer.toString(), /^HTTP\/1\.1 400 /);
    socket.destroy();
  });

  test('a peer that answers no ping is gone after feed.stalledTimeout; one that answers stays', async (scope) => {
    const feed = { stalledTimeoutMs: 300, progressIntervalMs: 60_000 };
    const server = await GatewayServer.start(scope, [makeWebsocketGateway({ turnMs: 2 })], { feed });
    const silent = await handshake(server);
    const alive = await WebSocketClient.open(server.url);
    await once(silent, 'close');
    while (server.http.connections() > 1) await turn();
    alive.send({ op: 'ping' });
    await alive.until('pong', ({ op }) => op === 'pong');
    assert.equal(alive.closed, undefined);
    alive.close();
  });
});
