import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { type ErrorCode, LatchkeyError } from '@latchkey/client';
import { WebSocket } from 'ws';
import { type GatewayProbe, gatewaySuite } from '../../../test/conformance/gateway.suite.ts';
import { GatewayServer } from '../../../test/support/gateway-server.ts';
import { LiveStream } from '../../../test/support/live-stream.ts';
import { type Frame, WebSocketClient } from '../../../test/support/websocket-client.ts';
import { makeWebsocketGateway } from './websocket.ts';

type Json = Readonly<Record<string, unknown>>;

/** A client as WIRE.md has it: frames with a `ref` are for the watches that were attached to it. */
class Client {
  readonly ws: WebSocket;
  readonly frames: Json[] = [];
  readonly streams = new Map<unknown, LiveStream>();
  readonly #attached = new Map<unknown, string>();

  constructor(url: string) {
    this.ws = new WebSocket(`${url.replace('http', 'ws')}/v1/watch`, { perMessageDeflate: false });
    this.ws.on('message', (data) => this.#take(String(data)));
    this.ws.on('close', () => {
      for (const stream of this.streams.values()) stream.ended();
    });
    this.ws.on('error', () => {});
  }

  static async open(url: string): Promise<Client> {
    const client = new Client(url);
    await once(client.ws, 'open');
    return client;
  }

  watch(id: unknown, filter: unknown = {}, more: Json = {}): LiveStream {
    const stream = new LiveStream({
      pause: () => this.ws.pause(),
      resume: () => this.ws.resume(),
      cut: () => this.ws.terminate(),
    });
    this.streams.set(id, stream);
    this.ws.send(JSON.stringify({ op: 'watch', id, filter, ...more }));
    return stream;
  }

  #take(text: string): void {
    const frame = JSON.parse(text) as Json;
    this.frames.push(frame);
    const { changes, id, op, position, ref } = frame;
    if (op === 'synced') this.#attached.set(id, ref as string);
    if (op === 'behind') {
      assert.ok(this.#attached.delete(id), 'only an attached watch falls behind');
      return;
    }
    if (changes === undefined) {
      if (op !== 'watching' && op !== 'outcome' && op !== 'pong') this.#give(id, { ...frame, text });
      return;
    }
    const own = id === undefined ? [] : [id];
    const to = ref === undefined ? own : [...this.#attached].filter(([, group]) => group === ref).map(([each]) => each);
    assert.ok(to.length > 0, `nobody is attached to ${text}`);
    if (ref === undefined) assert.equal(this.#attached.has(id), false, 'an attached watch gets no frames of its own');
    for (const each of to) {
      for (const [index, change] of (changes as Json[]).entries()) {
        const isLast = index === (changes as Json[]).length - 1;
        this.#give(each, { ...change, position: isLast ? position : undefined, text });
      }
    }
  }

  #give(id: unknown, event: Json): void {
    this.streams.get(id)?.take(event as unknown as Parameters<LiveStream['take']>[0]);
  }
}

async function probe(scope: TestContext): Promise<GatewayProbe> {
  const server = await GatewayServer.start(scope, [makeWebsocketGateway()]);
  return {
    log: server.log,
    watch: async (filter = {}, mode = {}) => {
      const client = await Client.open(server.url);
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
    const client = await Client.open(server.url);
    await client.watch('é', { keys: ['a'] }).op('synced');
    const [watching, opened, synced] = client.frames;
    assert.deepEqual(watching, { op: 'watching', id: 'é', ref: 'g1' });
    assert.equal(opened?.op, 'opened');
    assert.equal(synced?.ref, 'g1');
    client.ws.terminate();
  });

  test('a connection gets a group’s frame once for all its watches of it', async (scope) => {
    const server = await GatewayServer.start(scope, [makeWebsocketGateway()]);
    const client = await Client.open(server.url);
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
    const client = await Client.open(server.url);
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

  test('what arrives together shares a batch, and what is too much is refused as overloaded', async (scope) => {
    const server = await GatewayServer.start(scope, [makeWebsocketGateway()]);
    let release: () => void = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const submit = server.log.submit.bind(server.log);
    server.log.submit = async (batch) => {
      await held;
      return submit(batch);
    };
    const client = new Client(server.url);
    await once(client.ws, 'open');
    for (let id = 0; id < 5000; id += 1) client.ws.send(`{"op":"put","id":${id},"key":"a","value":${id}}`);
    while (!client.frames.some(({ code }) => code === 'overloaded')) await once(client.ws, 'message');
    release();
    while (client.frames.length < 5000) await once(client.ws, 'message');
    const refused = client.frames.filter(({ op }) => op === 'error');
    assert.ok(refused.length > 0 && refused.length < 4000, `${refused.length} were refused`);
    assert.ok(refused.every(({ code }) => code === 'overloaded'));
    assert.ok(server.log.batches.every(({ commands }) => commands.length <= 64));
    const applied = client.frames.filter(({ outcome }) => outcome === 'applied').map(({ id }) => id as number);
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
    const client = await Client.open(server.url);
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
    const client = await Client.open(server.url);
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
