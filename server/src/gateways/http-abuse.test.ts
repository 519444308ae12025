import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { after, afterEach, describe, test } from 'node:test';
import { type MemoryCore, memoryCore, type SettingsPart } from '../../../test/support/memory-core.ts';
import type { Gateway } from './gateway.ts';
import { type HttpListener, makeHttp } from './http.ts';
import { HTTP_TIMEOUTS, type HttpTimeouts } from './http-sockets.ts';
import { restGateway } from './rest.ts';

const MIB = 1024 * 1024;
/** Short waits, so that a test of a timeout takes as long as the timeout. */
const SHORT: Partial<HttpTimeouts> = { headersMs: 200, requestMs: 400, checkMs: 50, lingerMs: 300 };

describe('abuse of the listener', () => {
  let core: MemoryCore;
  let http: HttpListener | undefined;
  let port = 0;
  const sockets = new Set<Socket>();

  async function start(
    part: SettingsPart = {},
    timeouts: Partial<HttpTimeouts> = {},
    gateways: readonly Gateway[] = [restGateway],
  ) {
    core = memoryCore(part);
    http = await makeHttp(core, gateways, { ...HTTP_TIMEOUTS, ...timeouts });
    ({ port } = await http.listen());
  }
  afterEach(async () => {
    for (const socket of sockets) socket.destroy();
    sockets.clear();
    await http?.close();
    assert.equal(http?.connections() ?? 0, 0);
    http = undefined;
  });
  after(() => http?.close());

  async function open(): Promise<Socket> {
    const socket = connect(port, '127.0.0.1');
    sockets.add(socket);
    socket.on('error', () => {});
    await once(socket, 'connect');
    return socket;
  }

  /** Everything the server says until it closes the connection. */
  async function heard(socket: Socket): Promise<string> {
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk;
    });
    if (!socket.closed) await new Promise((resolve) => socket.once('close', resolve));
    return text;
  }

  const statusOf = (text: string) => Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1]);
  const bodyOf = (text: string) => JSON.parse(text.slice(text.indexOf('\r\n\r\n') + 4));
  const GET = 'GET /v1/keys HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n';
  async function stillServes(): Promise<void> {
    const socket = await open();
    socket.write(GET);
    assert.equal(statusOf(await heard(socket)), 200);
  }

  test('headers that trickle in are cut off with 408 in our form', async () => {
    await start({}, SHORT);
    const socket = await open();
    socket.write('GET /v1/keys HTTP/1.1\r\nHost: localhost\r\n');
    const trickle = setInterval(() => socket.write('X: y\r\n'), 20);
    const text = await heard(socket);
    clearInterval(trickle);
    assert.equal(statusOf(text), 408);
    assert.equal(bodyOf(text).error.code, 'request-timeout');
    assert.match(text, /\r\nRetry-After: \d+\r\n/);
    await stillServes();
  });

  test('a body that trickles in, and a connection that never says a word, are cut off as well', async () => {
    await start({}, SHORT);
    const silent = await open();
    const slow = await open();
    slow.write('PUT /v1/keys/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n');
    const trickle = setInterval(() => slow.write('1'), 20);
    const [silence, text] = await Promise.all([heard(silent), heard(slow)]);
    clearInterval(trickle);
    assert.equal(statusOf(silence), 408);
    assert.equal(statusOf(text), 408);
    assert.equal(core.log.batches.length, 0);
  });

  test('what is not HTTP is 400 in our form, and the listener goes on', async () => {
    await start();
    for (const garbage of [
      '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
      'hello\r\n\r\n',
      'GET / HTTP/9.9\r\n\r\n',
      '\0\0\0\0',
      'GET /\r\n\r\n',
    ]) {
      const socket = await open();
      socket.write(garbage, 'latin1');
      const text = await heard(socket);
      assert.equal(statusOf(text), 400, JSON.stringify(garbage));
      assert.equal(bodyOf(text).error.code, 'invalid-request');
    }
    await stillServes();
  });

  test('two lengths of one body, and a length beside chunks, are refused: nothing can be smuggled', async () => {
    await start();
    for (const headers of [
      'Content-Length: 1\r\nContent-Length: 2',
      'Content-Length: 1\r\nTransfer-Encoding: chunked',
    ]) {
      const socket = await open();
      socket.write(`PUT /v1/keys/a HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n\r\n1`);
      assert.equal(statusOf(await heard(socket)), 400);
    }
    assert.equal(core.log.batches.length, 0);
  });

  test('a missing Host is 400 in our form, and HTTP/1.0 needs none', async () => {
    await start();
    const without = await open();
    without.write('GET /v1/keys HTTP/1.1\r\nConnection: close\r\n\r\n');
    const text = await heard(without);
    assert.deepEqual([statusOf(text), bodyOf(text).error.field], [400, 'host']);
    const old = await open();
    old.write('GET /v1/keys HTTP/1.0\r\n\r\n');
    assert.equal(statusOf(await heard(old)), 200);
  });

  test('a long URL is 414, whether it fits the parser or not, and big headers are 431', async () => {
    await start();
    for (const length of [20_000, 200_000]) {
      const socket = await open();
      socket.write(
        `GET /v1/keys?prefix=${'a'.repeat(length)} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`,
      );
      const text = await heard(socket);
      assert.equal(statusOf(text), 414);
      assert.equal(bodyOf(text).error.code, 'uri-too-long');
    }
    const socket = await open();
    socket.write(`GET /v1/keys HTTP/1.1\r\nHost: localhost\r\nCookie: ${'a'.repeat(100_000)}\r\n\r\n`);
    const text = await heard(socket);
    assert.equal(statusOf(text), 431);
    assert.equal(bodyOf(text).error.code, 'headers-too-big');
    await stillServes();
  });

  test('a body announced too big is 413 with the limit before it is read, and so is Expect: 100-continue', async () => {
    await start({ limits: { bodyBytesMax: MIB } }, SHORT);
    const socket = await open();
    socket.write(`PUT /v1/keys/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${1024 * MIB}\r\n\r\n`);
    const text = await heard(socket);
    assert.equal(statusOf(text), 413);
    assert.deepEqual([bodyOf(text).error.code, bodyOf(text).error.limit], ['body-too-big', MIB]);
    const polite = await open();
    polite.write(
      `PUT /v1/keys/a HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: ${1024 * MIB}\r\n\r\n`,
    );
    assert.equal(statusOf(await heard(polite)), 413);
    const fits = await open();
    fits.write(
      'PUT /v1/keys/a HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nConnection: close\r\nContent-Length: 1\r\n\r\n1',
    );
    assert.match(await heard(fits), /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK/);
  });

  test('a gigabyte streamed without a length is 413 and takes no memory', async () => {
    await start({ limits: { bodyBytesMax: MIB } }, { ...SHORT, requestMs: 60_000 });
    const socket = await open();
    const answer = heard(socket);
    socket.write('PUT /v1/keys/a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n');
    const chunk = Buffer.concat([Buffer.from('100000\r\n'), Buffer.alloc(MIB, 0x20), Buffer.from('\r\n')]);
    let peak = 0;
    const before = process.memoryUsage().rss;
    for (let sent = 0; sent < 1024 && !socket.destroyed; sent += 1) {
      peak = Math.max(peak, process.memoryUsage().rss);
      if (!socket.write(chunk)) await Promise.race([once(socket, 'drain'), once(socket, 'close')]).catch(() => {});
    }
    const text = await answer;
    assert.equal(statusOf(text), 413);
    assert.ok(peak - before < 100 * MIB, `grew by ${Math.round((peak - before) / MIB)} MiB`);
    assert.equal(core.log.batches.length, 0);
    await stillServes();
  });

  test('one connection too many is told 503 too-many-connections with Retry-After, and none of its requests is carried out', async () => {
    await start({ limits: { connectionsMax: 2 } });
    const first = await open();
    const second = await open();
    for (const socket of [first, second]) {
      socket.write('GET /v1/keys HTTP/1.1\r\nHost: localhost\r\n\r\n');
      await once(socket, 'data');
    }
    const third = await open();
    third.write('PUT /v1/keys/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\n1');
    const text = await heard(third);
    assert.equal(statusOf(text), 503);
    assert.deepEqual([bodyOf(text).error.code, bodyOf(text).error.limit], ['too-many-connections', 2]);
    assert.match(text, /\r\nRetry-After: 1\r\n/);
    assert.equal(core.log.batches.length, 0);
    first.destroy();
    while ((http as HttpListener).connections() > 1) await new Promise((resolve) => setImmediate(resolve));
    await stillServes();
  });

  test('garbage behind a good request does not spoil the answer before it', async () => {
    await start();
    core.log.view.put('a', 1);
    const socket = await open();
    socket.write('GET /v1/keys/a?after=aaaa.1&wait=0.1 HTTP/1.1\r\nHost: localhost\r\n\r\n\0garbage\r\n\r\n');
    const text = await heard(socket);
    assert.match(text, /^HTTP\/1\.1 (204|400) /);
    assert.equal(text.split('\r\n\r\n').length, 2);
  });

  test('a client that closes in the middle of its body leaves nothing behind', async () => {
    await start();
    const socket = await open();
    socket.write('PUT /v1/keys/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n12');
    while ((http as HttpListener).connections() === 0) await new Promise((resolve) => setImmediate(resolve));
    socket.destroy();
    while ((http as HttpListener).connections() > 0) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(core.log.batches.length, 0);
    await stillServes();
  });

  test('a compressed body is 415 and not kept as if it were the value', async () => {
    await start();
    const put = async (encoding: string) => {
      const socket = await open();
      const head = `PUT /v1/keys/a HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Encoding: ${encoding}`;
      socket.write(`${head}\r\nContent-Type: application/octet-stream\r\nContent-Length: 1\r\n\r\n1`);
      return heard(socket);
    };
    for (const encoding of ['gzip', 'br', 'deflate, identity']) {
      const text = await put(encoding);
      assert.deepEqual(
        [statusOf(text), bodyOf(text).error.code, bodyOf(text).error.field],
        [415, 'content-type-unsupported', 'content-encoding'],
      );
      assert.match(text, /\r\naccept-encoding: identity\r\n/i);
    }
    assert.equal(core.log.batches.length, 0);
    assert.equal(statusOf(await put('Identity')), 200);
  });

  test('unknown paths are 404 and wrong methods 405 with Allow, in our form', async () => {
    await start();
    const ask = async (method: string, path: string) => {
      const socket = await open();
      socket.write(`${method} ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
      return heard(socket);
    };
    const lost = await ask('GET', '/nowhere');
    assert.deepEqual([statusOf(lost), bodyOf(lost).error.code], [404, 'not-found']);
    assert.ok(bodyOf(lost).error.requestId);
    const wrong = await ask('POST', '/v1/keys/a');
    assert.deepEqual([statusOf(wrong), bodyOf(wrong).error.code], [405, 'method-not-allowed']);
    assert.match(wrong, /\r\nallow: GET, HEAD, PUT, PATCH, DELETE\r\n/i);
    assert.equal(statusOf(await ask('PROPFIND', '/v1/keys')), 405);
    assert.equal(statusOf(await ask('GET', '/%zz')), 400);
  });
});
