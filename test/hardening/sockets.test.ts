import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ask, get, put } from '../support/http-client.ts';
import { RawSocket } from '../support/raw-socket.ts';
import { type Scope, ServerProcess } from '../support/server-process.ts';
import { SseClient } from '../support/sse-client.ts';

const MIB = 1024 * 1024;

const open = (server: ServerProcess, count: number, scope: Scope) =>
  Promise.all(Array.from({ length: count }, () => RawSocket.open(server.port, scope)));

const codeOf = (heard: string) =>
  (JSON.parse(heard.slice(heard.indexOf('\r\n\r\n') + 4)) as { error: { code: string } }).error.code;

async function head(server: ServerProcess): Promise<number> {
  return ((await ask(`${server.url}/v1/status`)).json as { log: { head: number } }).log.head;
}

describe('sockets that mean no good', () => {
  test('a thousand slow-loris connections, in headers and bodies, keep nobody waiting and are cut off', async (t) => {
    const server = await ServerProcess.start({}, t);
    const inHeaders = await open(server, 500, t);
    const inBodies = await open(server, 500, t);
    for (const slow of inHeaders) slow.write('GET /v1/keys HTTP/1.1\r\nHost: localhost\r\n');
    for (const slow of inBodies) {
      slow.write('PUT /v1/keys/slow HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n"');
    }
    const trickle = setInterval(() => {
      for (const slow of inHeaders) slow.write('X-Slow: 1\r\n');
      for (const slow of inBodies) slow.write('x');
    }, 500);
    t.after(() => clearInterval(trickle));
    for (let index = 0; index < 50; index += 1)
      assert.equal((await put(server.url, `fast.${index}`, index)).status, 200);
    const answers = await Promise.all(inHeaders.map((slow) => slow.end()));
    for (const heard of answers) {
      assert.match(heard, /^HTTP\/1\.1 408 /);
      assert.equal(codeOf(heard), 'request-timeout');
    }
    assert.equal(await head(server), 50);
    // Bodies have two minutes; a stop does not wait for them.
    assert.deepEqual(await server.stop(), { code: 0, signal: null });
    await server.restart();
    assert.equal((await get(server.url, 'slow')).status, 404, 'half a value is none');
    assert.equal(await head(server), 50);
  });

  test('a body announced as 1 GB is 413 before it is sent, and one streamed all the same takes no memory', async (t) => {
    const server = await ServerProcess.start({}, t);
    const before = server.residentBytes();
    let peak = before;
    const chunk = Buffer.alloc(MIB, 0x20);
    const announced = await RawSocket.open(server.port, t);
    announced.write(`PUT /v1/keys/big HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${1024 * MIB}\r\n\r\n`);
    await announced.until('body-too-big');
    assert.equal(announced.status, 413);
    const chunked = await RawSocket.open(server.port, t);
    chunked.write('POST /v1/commands HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n');
    const streams: readonly (readonly [RawSocket, Buffer])[] = [
      [announced, chunk],
      [chunked, Buffer.concat([Buffer.from('100000\r\n'), chunk, Buffer.from('\r\n')])],
    ];
    for (const [socket, bytes] of streams) {
      for (let sent = 0; sent < 1024 && !socket.socket.destroyed; sent += 1) {
        socket.write(bytes);
        await socket.drained();
        peak = Math.max(peak, server.residentBytes());
      }
      socket.socket.destroy();
    }
    assert.equal(chunked.status, 413);
    assert.ok(peak - before < 256 * MIB, `grew from ${before} to ${peak} bytes`);
    assert.equal((await ask(`${server.url}/ready`)).status, 200);
    assert.equal(await head(server), 0);
  });

  test('connections beyond limits.connectionsMax are told 503, those within go on, and room that is free is given again', async (t) => {
    const connectionsMax = 100;
    const env = { LATCHKEY_LIMITS_CONNECTIONS_MAX: String(connectionsMax) };
    const server = await ServerProcess.start({ env }, t);
    const watch = await SseClient.open(`${server.url}/v1/watch`);
    t.after(() => watch.close());
    await watch.named('synced');
    const writer = await RawSocket.open(server.port, t);
    const idle = await open(server, 2000, t);
    // The first ones fill the house (the agent of `fetch` keeps one as well); the last are beyond it for certain.
    const refused = idle.slice(-200);
    for (const one of refused)
      one.write('PUT /v1/keys/sneaked HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\n1');
    for (const heard of await Promise.all(refused.map((one) => one.end()))) {
      if (heard === '') continue; // More of them at a time than are worth an answer are cut.
      assert.match(heard, /^HTTP\/1\.1 503 [\s\S]*\r\nRetry-After: 1\r\n/);
      assert.equal(codeOf(heard), 'too-many-connections');
    }
    writer.write('PUT /v1/keys/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nConnection: close\r\n\r\n1');
    assert.match(await writer.end(), /^HTTP\/1\.1 200 /);
    await watch.changeCount(1);
    for (const one of idle) one.socket.destroy();
    for (;;) {
      const answer = await get(server.url, 'sneaked').catch(() => undefined);
      if (answer === undefined || answer.status === 503) continue;
      assert.equal(answer.status, 404);
      break;
    }
    assert.deepEqual(
      watch.changes.map(({ key }) => key),
      ['a'],
    );
  });

  test('a client that closes its half of the connection right behind its request leaves nothing half done', async (t) => {
    const server = await ServerProcess.start({}, t);
    const socket = await RawSocket.open(server.port, t);
    socket.write('PUT /v1/keys/half HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\n123');
    socket.socket.end();
    const heard = await socket.end();
    assert.ok(heard === '' || socket.status === 200, heard);
    const { status, text } = await get(server.url, 'half');
    assert.ok(text === '123' || (status === 404 && heard === ''), text);
  });

  test('watchers that left without a word or with half of one are forgotten', async (t) => {
    const server = await ServerProcess.start({}, t);
    const sockets = await open(server, 100, t);
    for (const socket of sockets) {
      socket.write('GET /v1/watch HTTP/1.1\r\nHost: localhost\r\n\r\n');
      await socket.until('event: synced');
    }
    for (const [index, { socket }] of sockets.entries()) {
      if (index % 3 === 0) socket.resetAndDestroy();
      else if (index % 3 === 1) socket.end();
      else socket.destroy();
    }
    for (;;) {
      const { feed } = (await ask(`${server.url}/v1/status`)).json as { feed: { watchers: number; groups: number } };
      if (feed.watchers === 0 && feed.groups === 0) break;
    }
  });

  const putP = (value: number) =>
    `PUT /v1/keys/p HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${String(value).length}\r\n\r\n${value}`;
  const GARBAGE = '\0\x01 garbage\r\n\r\n';

  test('pipelined requests are all carried out and answered in order', async (t) => {
    const server = await ServerProcess.start({}, t);
    const socket = await RawSocket.open(server.port, t);
    const values = Array.from({ length: 300 }, (_, index) => index);
    socket.write(values.map(putP).join(''));
    socket.write('GET /v1/keys/p HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
    const heard = await socket.end();
    const offsets = [...heard.matchAll(/"version":"[0-9a-z]+\.(\d+)"/g)].map(([, offset]) => Number(offset));
    assert.deepEqual(
      offsets,
      values.map((value) => value + 1),
    );
    assert.ok(heard.endsWith('\r\n\r\n299'), heard.slice(-200));
  });

  test('garbage behind pipelined requests is 400 and the end, and nothing behind it is carried out', async (t) => {
    const server = await ServerProcess.start({}, t);
    const socket = await RawSocket.open(server.port, t);
    socket.write(`${putP(1)}${putP(2)}${GARBAGE}${putP(777)}`);
    const heard = await socket.end();
    const statuses = [...heard.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status));
    assert.ok(
      statuses.every((status, index) => status === (index === statuses.length - 1 ? 400 : 200)),
      heard,
    );
    assert.ok((await head(server)) <= 2);
  });

  test('a thousand requests pipelined by a client that reads none of the answers take no memory to speak of', async (t) => {
    const server = await ServerProcess.start({}, t);
    await put(server.url, 'big', 'x'.repeat(500_000));
    const before = server.residentBytes();
    const socket = await RawSocket.open(server.port, t);
    socket.socket.pause();
    socket.write('GET /v1/keys/big HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(1000));
    for (let index = 0; index < 200; index += 1) assert.equal((await put(server.url, 'a', index)).status, 200);
    const grown = server.residentBytes() - before;
    assert.ok(grown < 150 * MIB, `500 MB of answers wait in ${Math.round(grown / MIB)} MiB`);
  });
});
