import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createConnection, createServer, type Socket } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { FaultProxy } from './fault-proxy.ts';

/** A client and the server's end of its connection through a proxy. */
async function pair(
  t: TestContext,
): Promise<{ proxy: FaultProxy; client: Socket; server: Socket; heard: () => string }> {
  const listener = createServer();
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const proxy = await FaultProxy.start((listener.address() as AddressInfo).port);
  const accepted = once(listener, 'connection') as Promise<[Socket]>;
  const client = createConnection({ host: '127.0.0.1', port: Number(new URL(proxy.url).port) });
  client.on('error', () => {});
  let text = '';
  client.setEncoding('utf8').on('data', (more: string) => {
    text += more;
  });
  const [server] = await accepted;
  server.on('error', () => {});
  t.after(async () => {
    client.destroy();
    server.destroy();
    await proxy.close();
    listener.close();
  });
  return { proxy, client, server, heard: () => text };
}

async function until(client: Socket, holds: () => boolean): Promise<void> {
  while (!holds()) await once(client, 'data');
}

describe('the fault proxy', () => {
  test('lets everything through in order while it is fair', async (t) => {
    const { client, heard, server } = await pair(t);
    server.pipe(server);
    const sent = Array.from({ length: 500 }, (_, index) => `line ${index}\n`).join('');
    client.write(sent);
    await until(client, () => heard().length >= sent.length);
    assert.equal(heard(), sent);
  });

  test('cuts within a piece: its beginning arrives, its end does not', async (t) => {
    const { client, heard, proxy, server } = await pair(t);
    proxy.cutWithin(() => 5);
    server.write('0123456789');
    await once(client, 'close');
    assert.ok('01234'.startsWith(heard()), heard());
    assert.equal(proxy.connections, 0);
  });

  test('a cut ends both sides', async (t) => {
    const { client, proxy, server } = await pair(t);
    const gone = Promise.all([once(client, 'close'), once(server, 'close')]);
    server.resume();
    proxy.cut();
    await gone;
  });

  test('swallows the end of a connection while it is half-open, and breaks it when healed', async (t) => {
    const { client, heard, proxy, server } = await pair(t);
    proxy.set({ kind: 'half-open' });
    const closed = once(client, 'close');
    server.write('last');
    await until(client, () => heard() === 'last');
    server.destroy();
    await once(server, 'close');
    assert.equal(client.readableEnded, false);
    proxy.heal();
    await closed;
  });

  test('lets requests through whose answers it keeps, until it is healed', async (t) => {
    const { client, heard, proxy, server } = await pair(t);
    proxy.set({ kind: 'stalled', only: 'down' });
    const asked = once(server, 'data') as Promise<[Buffer]>;
    client.write('asked');
    assert.equal(String((await asked)[0]), 'asked');
    const bite = proxy.nextBite();
    server.write('answered');
    await bite;
    assert.equal(heard(), '');
    proxy.heal();
    await until(client, () => heard() === 'answered');
  });

  test('stalled, delayed and slow bytes arrive whole in the end', async (t) => {
    const { client, heard, proxy, server } = await pair(t);
    proxy.set({ kind: 'stalled' });
    server.write('stalled ');
    proxy.set({ kind: 'delayed', delayMs: 5 });
    await until(client, () => heard() === 'stalled ');
    server.write('delayed ');
    await until(client, () => heard() === 'stalled delayed ');
    proxy.set({ kind: 'slow', bytesPerSecond: 500 });
    server.write('and slow');
    await until(client, () => heard() === 'stalled delayed and slow');
  });
});
