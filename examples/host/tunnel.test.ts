import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { forward, forwardUpgrade } from './tunnel.ts';

/** A tunnel to a port where nothing listens: one that was free a moment ago. */
async function tunnelToNothing(scope: TestContext): Promise<string> {
  const gone = createServer().listen(0, '127.0.0.1');
  await once(gone, 'listening');
  const server = new URL(`http://127.0.0.1:${(gone.address() as AddressInfo).port}`);
  gone.close();
  await once(gone, 'close');
  const tunnel = createServer((request, response) => forward(request, response, server));
  tunnel.on('upgrade', (request, socket, head) => forwardUpgrade(request, socket, head, server));
  tunnel.listen(0, '127.0.0.1');
  await once(tunnel, 'listening');
  scope.after(() => {
    tunnel.close();
    tunnel.closeAllConnections();
  });
  return `127.0.0.1:${(tunnel.address() as AddressInfo).port}`;
}

test('while the server is away a WebSocket is opened and told to come back later', async (t) => {
  const socket = new WebSocket(`ws://${await tunnelToNothing(t)}/v1/watch`);
  const opened = once(socket, 'open');
  const [close] = (await once(socket, 'close')) as [CloseEvent];
  await opened;
  assert.deepEqual([close.code, close.wasClean], [1013, true]);
});

test('while the server is away an event stream is empty and ends, and another request is answered with 503', async (t) => {
  const address = `http://${await tunnelToNothing(t)}`;
  const stream = await fetch(`${address}/v1/watch`, { headers: { accept: 'text/event-stream' } });
  assert.deepEqual([stream.status, await stream.text()], [200, 'retry: 1000\n\n']);
  const other = await fetch(`${address}/v1/keys/a`);
  assert.deepEqual([other.status, other.headers.get('retry-after')], [503, '1']);
  const { error } = (await other.json()) as { error: { code: string } };
  assert.equal(error.code, 'unavailable');
});
