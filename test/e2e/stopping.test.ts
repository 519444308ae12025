import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, test } from 'node:test';
import { get, put } from '../support/http-client.ts';
import { ServerProcess } from '../support/server-process.ts';
import { SseClient } from '../support/sse-client.ts';
import { WebSocketClient } from '../support/websocket-client.ts';

describe('a graceful stop', () => {
  test('says bye to every watcher, finishes what it took, and exits with 0', async (t) => {
    const server = await ServerProcess.start({}, t);
    const watch = await SseClient.open(`${server.url}/v1/watch`);
    await watch.named('synced');
    const socket = await WebSocketClient.open(server.url);
    socket.send({ op: 'watch', id: 1, filter: {} });
    await socket.until('synced', ({ op }) => op === 'synced');

    const writes = Array.from({ length: 200 }, (_, index) =>
      put(server.url, `stop.${index}`, index).then(
        ({ status }) => ({ index, status }),
        () => ({ index, status: 0 }),
      ),
    );
    await watch.changeCount(1);
    const stopped = server.stop();
    const results = await Promise.all(writes);
    assert.deepEqual(await stopped, { code: 0, signal: null }, server.output);

    const bye = JSON.parse((await watch.named('bye')).data) as { afterMs: number };
    assert.ok(bye.afterMs >= 0);
    await watch.ended();
    await socket.until('bye', ({ op }) => op === 'bye');
    const { code } = await socket.untilClosed();
    assert.ok(code === 1001 || (code >= 4000 && code < 4500), `closed with ${code}, which does not say: come back`);

    await server.restart();
    for (const { index, status } of results) {
      if (status === 200) assert.equal((await get(server.url, `stop.${index}`)).text, String(index));
      else assert.ok(status === 0 || status === 503, `write ${index} was answered ${status}`);
    }
  });

  test('is not held up by a WebSocket that never stops sending commands', async (t) => {
    const server = await ServerProcess.start({}, t);
    let isStopping = false;
    let id = 0;
    const send = () => {
      id += 1;
      if (socket.closed === undefined) socket.send({ op: 'put', id, key: `busy.${id % 10}`, value: id });
    };
    const refused: unknown[] = [];
    const socket = await WebSocketClient.open(server.url, '/v1/watch', ({ code, op }) => {
      if (op === 'error') refused.push(code);
      if (!isStopping || refused.length < 1000) send();
    });
    for (let started = 0; started < 30; started += 1) send();
    await socket.until('the first outcomes', ({ op }) => op === 'outcome');
    isStopping = true;
    assert.deepEqual(await server.stop(), { code: 0, signal: null });
    const { code } = await socket.untilClosed();
    assert.equal(code, 4001, `closed with ${code} after ${refused.length} refusals`);
    assert.ok(refused.length > 0 && refused.every((each) => each === 'closing'), JSON.stringify(refused.slice(0, 5)));
  });

  test('SIGINT stops as SIGTERM does', async (t) => {
    const server = await ServerProcess.start({}, t);
    server.signal('SIGINT');
    assert.deepEqual(await server.exited, { code: 0, signal: null });
  });

  test('a second signal exits at once, whatever still hangs', async (t) => {
    const server = await ServerProcess.start({}, t);
    // A request whose body never ends keeps the first stop waiting.
    const socket = connect(server.port, '127.0.0.1');
    socket.on('error', () => {});
    t.after(() => socket.destroy());
    await once(socket, 'connect');
    socket.write('PUT /v1/keys/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n');
    await once(socket, 'data');
    server.signal('SIGTERM');
    const watch = await SseClient.open(`${server.url}/v1/watch`).catch(() => undefined);
    watch?.close();
    server.signal('SIGTERM');
    const { code, signal } = await server.exited;
    assert.ok(code !== null && signal === null, `ended by ${signal}`);
  });

  test('what was acknowledged is there after any stop', async (t) => {
    const server = await ServerProcess.start({}, t);
    await put(server.url, 'a', 'before');
    await server.stop();
    await server.restart();
    assert.equal((await get(server.url, 'a')).text, '"before"');
    await put(server.url, 'a', 'again');
    await server.kill();
    await server.restart();
    assert.equal((await get(server.url, 'a')).text, '"again"');
  });
});
