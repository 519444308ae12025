import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { FakeServer, frame, opened, settle, synced } from '../../test/support/fake-websocket.ts';
import { type ConnectionOptions, connect } from './connection.ts';
import { LatchkeyError } from './error.ts';
import { watch } from './watch.ts';

/** A `fetch` that gives one event stream after another, or fails. */
class FakeStreams {
  readonly asked: string[] = [];
  isUp = true;
  answer: () => Response = () => new Response('<h1>404</h1>', { status: 404 });

  readonly fetch = (async (url: URL) => {
    this.asked.push(url.searchParams.get('from') ?? '');
    if (!this.isUp) throw new TypeError('fetch failed');
    return this.answer();
  }) as unknown as typeof fetch;
}

const stream = (text: string) => () =>
  new Response(new ReadableStream({ start: (controller) => controller.enqueue(new TextEncoder().encode(text)) }), {
    headers: { 'content-type': 'text/event-stream' },
  });
const OPENED = 'id: aaaa.1;abc123\nevent: opened\ndata: {"position":"aaaa.1;abc123"}\n\n';

function setUp(scope: TestContext, more: Partial<ConnectionOptions> = {}) {
  const server = new FakeServer();
  const streams = new FakeStreams();
  const connection = connect({
    server: 'http://127.0.0.1:1',
    openWebSocket: server.open,
    fetch: streams.fetch,
    random: () => 0,
    ...more,
  });
  scope.after(() => connection.close());
  return { connection, server, streams };
}

const names = (connection: ReturnType<typeof connect>) => connection.candidates().map(({ name }) => name);

describe('which transport', () => {
  test('WebSocket first, then SSE; what delivered is tried alone, and the other again when it fails for long', async (scope) => {
    const { connection } = setUp(scope);
    assert.deepEqual(names(connection), ['websocket', 'sse']);
    connection.worked('sse');
    assert.deepEqual(names(connection), ['sse']);
    for (let failure = 0; failure < 3; failure += 1) {
      connection.backoff.begin(0);
      await connection.backoff.wait(AbortSignal.abort());
    }
    assert.deepEqual(names(connection), ['sse', 'websocket']);
  });

  test('what was asked for is the only one; without a WebSocket there is SSE', (scope) => {
    assert.deepEqual(names(setUp(scope, { transport: 'sse' }).connection), ['sse']);
    assert.deepEqual(names(setUp(scope, { transport: 'websocket' }).connection), ['websocket']);
    const fault = (error: unknown) => error instanceof LatchkeyError && error.code === 'usage';
    assert.deepEqual(names(connect({ server: 'http://h', token: 't' })), ['sse']);
    assert.throws(() => connect({ server: 'http://h', token: 't', transport: 'websocket' }), fault);
  });

  test('a storage that throws, or holds nonsense, does no harm', (scope) => {
    const broken = {
      getItem: () => {
        throw new Error('SecurityError');
      },
      setItem: () => {
        throw new Error('QuotaExceededError');
      },
    };
    const { connection } = setUp(scope, { storage: broken });
    connection.worked('sse');
    assert.deepEqual(names(connection), ['sse']);
    const nonsense = { getItem: () => 'pigeon', setItem: () => {} };
    assert.deepEqual(names(setUp(scope, { storage: nonsense }).connection), ['websocket', 'sse']);
  });

  test('a connection that worked and is lost is made again after a wait, by the same transport', async (scope) => {
    const { connection, server, streams } = setUp(scope);
    const kinds: string[] = [];
    watch(connection, {}, () => {}, { onStatus: ({ kind }) => kinds.push(kind) });
    await settle();
    server.socket.give(opened(1, 0));
    await settle();
    const next = server.next();
    server.socket.cut();
    await next;
    assert.deepEqual(kinds, ['connecting', 'catching-up', 'waiting', 'connecting']);
    assert.deepEqual(streams.asked, []);
  });

  test('a watch that was cut on one goes on with its position on the other', async (scope) => {
    const { connection, server, streams } = setUp(scope);
    streams.answer = stream(OPENED);
    const seen: string[] = [];
    watch(connection, {}, (event) => seen.push(event.op));
    await settle();
    server.socket.give(opened(1, 0), frame(1, 1), synced(1, 1));
    await settle();
    server.isUp = false;
    server.socket.cut();
    while (seen.length < 4) await settle();
    assert.deepEqual(seen, ['opened', 'put', 'synced', 'opened']);
    assert.deepEqual(streams.asked, ['aaaa.1;abc123']);
  });
});

describe('an answer that is not Latchkey’s', () => {
  test('is thrown before anything worked, and come back from after', async (scope) => {
    const { connection, streams } = setUp(scope, { transport: 'sse' });
    assert.equal((await watch(connection, {}, () => {}).closed)?.code, 'invalid-request');
    streams.answer = () => {
      streams.answer = () =>
        new Response('<h1>Log in to this hotel</h1>', { headers: { 'content-type': 'text/html' } });
      return new Response(`retry: 1\n\n${OPENED}`, { headers: { 'content-type': 'text/event-stream' } });
    };
    const retries: string[] = [];
    const back = Promise.withResolvers<void>();
    const watching = watch(connection, {}, () => {}, {
      onRetry: ({ code }) => {
        if (retries.push(code) === 4) back.resolve();
      },
    });
    await back.promise;
    assert.deepEqual(retries, ['unavailable', 'invalid-request', 'invalid-request', 'invalid-request']);
    streams.answer = () => Response.json({ error: { code: 'forbidden', message: 'No.' } }, { status: 403 });
    assert.equal((await watching.closed)?.code, 'forbidden');
  });
});
