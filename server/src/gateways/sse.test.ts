import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { type ErrorCode, type Filter, LatchkeyError, SseParser } from '@latchkey/client';
import { type GatewayProbe, gatewaySuite, type WatchMode } from '../../../test/conformance/gateway.suite.ts';
import { GatewayServer } from '../../../test/support/gateway-server.ts';
import { LiveStream } from '../../../test/support/live-stream.ts';
import { makeSseGateway } from './sse.ts';

const gateway = () => makeSseGateway(() => 0);

interface Opened {
  readonly response: IncomingMessage;
  readonly stream: LiveStream;
}

async function open(url: string, headers: Readonly<Record<string, string>> = {}, body?: string): Promise<Opened> {
  const sent = request(url, { method: body === undefined ? 'GET' : 'POST', headers, agent: false });
  sent.end(body);
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  sent.on('error', () => {});
  response.on('error', () => {});
  if (response.statusCode !== 200) {
    const chunks = await response.toArray();
    const { error } = JSON.parse(Buffer.concat(chunks).toString()) as { error: { code: ErrorCode; message: string } };
    throw new LatchkeyError(error.code, error.message);
  }
  const stream = new LiveStream({
    pause: () => response.pause(),
    resume: () => response.resume(),
    cut: () => response.destroy(),
  });
  const parser = new SseParser();
  response.on('data', (chunk: Buffer) => {
    for (const { data, id, type } of parser.push(chunk)) {
      const op = type === 'message' ? {} : { op: type };
      stream.take({ ...JSON.parse(data), ...op, position: id, text: data });
    }
  });
  response.on('close', () => stream.ended());
  return { response, stream };
}

function queryOf(filter: Filter, { from, values }: WatchMode): string {
  const query = new URLSearchParams();
  for (const key of filter.keys ?? []) query.append('key', key);
  for (const prefix of filter.prefixes ?? []) query.append('prefix', prefix);
  for (const pattern of filter.patterns ?? []) query.append('pattern', pattern);
  if (from !== undefined) query.set('from', from);
  if (values !== undefined) query.set('values', String(values));
  return query.toString();
}

async function probe(scope: TestContext): Promise<GatewayProbe> {
  const server = await GatewayServer.start(scope, [gateway()]);
  return {
    log: server.log,
    watch: async (filter = {}, mode = {}) => (await open(`${server.url}/v1/watch?${queryOf(filter, mode)}`)).stream,
    closeFeed: () => server.feed.close(),
  };
}

gatewaySuite('sse', probe);

/** All that comes on a raw socket until it ends, or until it holds. */
async function readUntil(socket: Socket, holds: (text: string) => boolean = () => false): Promise<string> {
  let text = '';
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    text += String(chunk);
    if (holds(text)) break;
  }
  return text;
}

describe('sse', () => {
  test('answers with the headers that keep proxies and caches out of the way', async (scope) => {
    const server = await GatewayServer.start(scope, [gateway()]);
    const { response, stream } = await open(`${server.url}/v1/watch`);
    const { headers } = response;
    assert.equal(headers['content-type'], 'text/event-stream');
    assert.equal(headers['cache-control'], 'no-cache, no-transform');
    assert.equal(headers['x-accel-buffering'], 'no');
    assert.equal(headers.connection, 'close');
    assert.equal(headers['transfer-encoding'], undefined);
    assert.equal(headers['content-length'], undefined);
    await stream.op('synced');
    stream.cut();
  });

  test('the events are written as the standard has them', async (scope) => {
    const server = await GatewayServer.start(scope, [gateway()]);
    const socket = connect(server.port, '127.0.0.1');
    socket.write('GET /v1/watch?key=a HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await readUntil(socket, (text) => text.includes('event: synced'));
    server.log.view.put('a', 'x');
    const text = await readUntil(socket, (part) => part.includes('"x"'));
    assert.match(text, /^id: aaaa\.1;[0-9a-z]{6}\ndata: \{"op":"put","key":"a","value":"x".*\}\n\n$/);
    socket.destroy();
  });

  test('a listed origin gets its CORS headers, on the stream too', async (scope) => {
    const server = await GatewayServer.start(scope, [gateway()], { http: { corsOrigins: ['https://page.example'] } });
    const { response, stream } = await open(`${server.url}/v1/watch`, { origin: 'https://page.example' });
    assert.equal(response.headers['access-control-allow-origin'], 'https://page.example');
    assert.equal(response.headers.vary, 'Origin');
    await stream.op('synced');
    stream.cut();
  });

  test('Last-Event-ID wins over from, as an EventSource that comes back needs', async (scope) => {
    const server = await GatewayServer.start(scope, [gateway()]);
    server.log.view.put('a', 1);
    const first = await open(`${server.url}/v1/watch?from=start`);
    await first.stream.op('synced');
    first.stream.cut();
    server.log.view.put('b', 2);
    const second = await open(`${server.url}/v1/watch?from=start`, {
      'last-event-id': first.stream.position as string,
    });
    await second.stream.op('synced');
    assert.deepEqual(second.stream.story, ['opened', 'put b', 'synced']);
    const third = await open(`${server.url}/v1/watch`, { 'last-event-id': '' });
    await third.stream.op('synced');
    assert.deepEqual(third.stream.story, ['opened', 'put a', 'put b', 'synced']);
    for (const { stream } of [second, third]) stream.cut();
  });

  test('a long filter may be posted', async (scope) => {
    const server = await GatewayServer.start(scope, [gateway()]);
    server.log.view.put('a', 1);
    const body = JSON.stringify({ keys: ['a'], prefixes: ['p.'], patterns: [], from: 'now', values: false });
    const { stream } = await open(`${server.url}/v1/watch`, { 'content-type': 'application/json' }, body);
    await stream.op('synced');
    server.log.view.put('p.1', 1);
    server.log.view.put('other', 1);
    server.log.view.put('a', 2);
    await stream.count(2);
    assert.deepEqual(stream.story, ['opened', 'synced', 'put p.1', 'put a']);
    stream.cut();
  });

  const refused = [
    ['/v1/watch?prefx=a', {}, 'unknown-field'],
    ['/v1/watch?from=x', {}, 'position-invalid'],
    ['/v1/watch?from=now&from=start', {}, 'invalid-request'],
    ['/v1/watch', { 'last-event-id': 'x' }, 'position-invalid'],
    ['/v1/watch?values=maybe', {}, 'invalid-request'],
    ['/v1/watch?key=%ff', {}, 'invalid-utf8'],
    [`/v1/watch?key=${'k'.repeat(2000)}`, {}, 'key-too-long'],
    [`/v1/watch?key=${'k'.repeat(20_000)}`, {}, 'uri-too-long'],
  ] as const;
  for (const [path, headers, code] of refused) {
    test(`${path.slice(0, 40)} ${JSON.stringify(headers)} is refused as ${code}`, async (scope) => {
      const server = await GatewayServer.start(scope, [gateway()]);
      await assert.rejects(open(`${server.url}${path}`, headers), (error: LatchkeyError) => error.code === code);
      assert.equal(server.feed.counts().watchers, 0);
    });
  }

  const bodies = [
    ['not json', 'invalid-json'],
    ['[]', 'invalid-request'],
    ['{"key":"a"}', 'unknown-field'],
    ['{"keys":"a"}', 'invalid-request'],
    ['{"keys":[1]}', 'invalid-request'],
    ['{"from":7}', 'invalid-request'],
    ['{"values":"yes"}', 'invalid-request'],
  ] as const;
  for (const [body, code] of bodies) {
    test(`a posted filter ${body} is refused as ${code}`, async (scope) => {
      const server = await GatewayServer.start(scope, [gateway()]);
      await assert.rejects(open(`${server.url}/v1/watch`, {}, body), (error: LatchkeyError) => error.code === code);
    });
  }

  test('a parameter beside a posted filter is refused', async (scope) => {
    const server = await GatewayServer.start(scope, [gateway()]);
    await assert.rejects(open(`${server.url}/v1/watch?from=now`, {}, '{}'), { code: 'unknown-field' });
  });

  test('HEAD answers with the headers alone', async (scope) => {
    const server = await GatewayServer.start(scope, [gateway()]);
    const response = await fetch(`${server.url}/v1/watch`, { method: 'HEAD' });
    assert.equal(response.status, 200);
    assert.equal(response.headers.get('content-type'), 'text/event-stream');
    assert.equal(server.feed.counts().watchers, 0);
  });

  test('a client of HTTP/1.0 gets the same stream', async (scope) => {
    const server = await GatewayServer.start(scope, [gateway()]);
    const socket = connect(server.port, '127.0.0.1');
    socket.write('GET /v1/watch HTTP/1.0\r\n\r\n');
    const text = await readUntil(socket, (all) => all.includes('event: synced'));
    assert.match(text, /^HTTP\/1\.1 200 OK\r\n[\s\S]*\r\n\r\nretry: 1000\n\nid: /);
    socket.destroy();
  });

  test('what a client sends after its request is no request', async (scope) => {
    const server = await GatewayServer.start(scope, [gateway()]);
    const socket = connect(server.port, '127.0.0.1');
    socket.write('GET /v1/watch HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await readUntil(socket, (all) => all.includes('event: synced'));
    socket.write('GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n\0garbage');
    server.log.view.put('a', 1);
    const text = await readUntil(socket, (all) => all.includes('"key":"a"'));
    assert.doesNotMatch(text, /HTTP\/1\.1|error/);
    socket.destroy();
  });

  test('a request pipelined behind a watch never writes into its stream', async (scope) => {
    const server = await GatewayServer.start(scope, [gateway()]);
    const socket = connect(server.port, '127.0.0.1');
    socket.write(
      'GET /v1/watch HTTP/1.1\r\nHost: a\r\n\r\nGET /nothing HTTP/1.1\r\nHost: a\r\n\r\n'.replaceAll(
        ': a',
        ': localhost',
      ),
    );
    const text = await readUntil(socket, (all) => all.includes('event: synced'));
    assert.equal(text.split('HTTP/1.1 ').length <= 2, true, text);
    socket.destroy();
  });

  test('a watch ends when its client closes, whichever way', async (scope) => {
    const server = await GatewayServer.start(scope, [gateway()]);
    for (const close of [(socket: Socket) => socket.end(), (socket: Socket) => socket.resetAndDestroy()]) {
      const socket = connect(server.port, '127.0.0.1');
      socket.write('GET /v1/watch HTTP/1.1\r\nHost: localhost\r\n\r\n');
      await readUntil(socket, (all) => all.includes('event: synced'));
      assert.equal(server.feed.counts().watchers, 1);
      close(socket);
      while (server.feed.counts().watchers > 0) await new Promise((resolve) => setImmediate(resolve));
      while (server.http.connections() > 0) await new Promise((resolve) => setImmediate(resolve));
    }
  });

  test('a reader that drains nothing for too long is ended, and may come back', async (scope) => {
    const server = await GatewayServer.start(scope, [gateway()], {
      feed: { stalledTimeoutMs: 200, progressIntervalMs: 50 },
    });
    const { stream } = await open(`${server.url}/v1/watch`);
    await stream.op('synced');
    stream.pause();
    for (let round = 0; server.feed.counts().behind === 0; round += 1) {
      server.log.view.put('a', 'x'.repeat(256 * 1024) + round);
      await new Promise((resolve) => setImmediate(resolve));
    }
    while (server.feed.counts().watchers > 0) await new Promise((resolve) => setTimeout(resolve, 20));
    stream.resume();
    await stream.end();
    const again = await open(`${server.url}/v1/watch?from=${encodeURIComponent(stream.position as string)}`);
    await again.stream.op('synced');
    again.stream.cut();
  });
});
