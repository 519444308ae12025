import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { type ClientOptions, LatchkeyClient } from './client.ts';
import { type ErrorCode, LatchkeyError } from './error.ts';
import { repeatWrite } from './repeated-write.ts';
import type { WatchOptions } from './watch.ts';
import type { WatchEvent } from './watch-event.ts';

interface Call {
  readonly method: string;
  readonly url: URL;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

type Answer = (call: Call, response: ServerResponse) => void;

/** A server that plays one answer after the other; the last one again and again. */
async function serve(scope: TestContext, ...answers: readonly Answer[]): Promise<{ url: string; calls: Call[] }> {
  const calls: Call[] = [];
  const server = createServer(async (request, response) => {
    const body = Buffer.concat(await request.toArray()).toString();
    const url = new URL(request.url as string, 'http://localhost');
    const call = { method: request.method as string, url, headers: request.headers, body };
    calls.push(call);
    const answer = answers[Math.min(calls.length, answers.length) - 1] as Answer;
    answer(call, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  scope.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, calls };
}

const json =
  (body: unknown, status = 200, headers: Record<string, string> = {}): Answer =>
  (_call, response) =>
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));

const stream =
  (text: string, isEnded = true): Answer =>
  (_call, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(text);
    if (isEnded) response.end();
  };

const isError = (code: ErrorCode) => (error: unknown) => error instanceof LatchkeyError && error.code === code;

describe('client', () => {
  test('reads an entry, and tells none from an error', async (scope) => {
    const entry = { key: 'a/b c', value: 1, version: 'aaaa.1', updated: '2026-11-20T12:00:00Z' };
    const missing = json({ error: { code: 'not-found', message: 'There is no entry.' } }, 404);
    const refused = json(
      { error: { code: 'key-too-long', message: 'Too long.', field: 'key', limit: 9, requestId: 'r1' } },
      400,
    );
    const { calls, url } = await serve(scope, json(entry), missing, refused);
    const client = new LatchkeyClient({ server: `${url}/base`, token: 't0' });
    assert.deepEqual(await client.get('a/b c', { minPosition: 'aaaa.1' }), entry);
    assert.equal(calls[0]?.url.pathname, '/base/v1/keys/a%2Fb%20c');
    assert.equal(calls[0]?.url.search, '?meta=true&minPosition=aaaa.1');
    assert.equal(calls[0]?.headers.authorization, 'Bearer t0');
    assert.equal(await client.get('x'), undefined);
    await assert.rejects(client.get('y'), (error: LatchkeyError) => {
      assert.equal(error.code, 'key-too-long');
      assert.deepEqual(error.details, { field: 'key', limit: 9, isAnswer: true, extra: { requestId: 'r1' } });
      return true;
    });
  });

  test('a key that is a dot, which no URL can carry, is read all the same', async (scope) => {
    const { calls, url } = await serve(scope, json([{ outcome: 'value', entry: null }]));
    assert.equal(await new LatchkeyClient({ server: url }).get('..'), undefined);
    assert.equal(calls[0]?.body, '[{"op":"read","key":".."}]');
  });

  test('writes by commands: outcomes are told, a refusal is thrown', async (scope) => {
    const { calls, url } = await serve(
      scope,
      json([{ outcome: 'applied', version: 'aaaa.1' }]),
      json([{ outcome: 'late', version: 'aaaa.1' }]),
      json([{ outcome: 'duplicate' }]),
      json([{ outcome: 'refused', code: 'value-too-big', message: 'Too big.', field: 'value', limit: 5 }]),
    );
    const client = new LatchkeyClient({ server: url });
    assert.equal((await client.put('a', { x: 1 }, { ttl: 60 })).outcome, 'applied');
    assert.equal((await client.merge('a', { y: 2 })).outcome, 'late');
    assert.equal((await client.remove('a', { ifVersion: 'aaaa.1' })).outcome, 'duplicate');
    await assert.rejects(client.put('a', 'x'), isError('value-too-big'));
    assert.deepEqual(
      calls.map(({ body, method, url: { pathname } }) => [method, pathname, JSON.parse(body)]),
      [
        ['POST', '/v1/commands', [{ op: 'put', key: 'a', value: { x: 1 }, ttl: 60 }]],
        ['POST', '/v1/commands', [{ op: 'merge', key: 'a', value: { y: 2 } }]],
        ['POST', '/v1/commands', [{ op: 'remove', key: 'a', ifVersion: 'aaaa.1' }]],
        ['POST', '/v1/commands', [{ op: 'put', key: 'a', value: 'x' }]],
      ],
    );
  });

  test('a write with an idempotency key is repeated until it is answered; one without is sent once', async (scope) => {
    const busy = json({ error: { code: 'not-ready', message: 'Starting.' } }, 503);
    const cut: Answer = (_call, response) => response.destroy();
    const applied = json([{ outcome: 'applied', version: 'aaaa.1' }]);
    const { calls, url } = await serve(scope, busy, cut, applied, cut, busy);
    const client = new LatchkeyClient({ server: url, random: () => 0 });
    assert.equal((await client.put('a', 1, { idempotencyKey: 'k1' })).outcome, 'applied');
    assert.equal(calls.length, 3);
    assert.equal(new Set(calls.map(({ body }) => body)).size, 1);
    await assert.rejects(client.put('a', 1), isError('unavailable'));
    assert.equal(calls.length, 4);
    const mixed = [
      { op: 'put', key: 'a', value: 1, idempotencyKey: 'k2' } as const,
      { op: 'remove', key: 'b' } as const,
    ];
    await assert.rejects(client.commands(mixed), isError('not-ready'));
    assert.equal(calls.length, 5);
    const hasty = new LatchkeyClient({ server: url, retryForMs: 0 });
    await assert.rejects(hasty.put('a', 1, { idempotencyKey: 'k3' }), isError('not-ready'));
    assert.equal(calls.length, 6);
  });

  test('pauses between tries of a write are short beside the time it is repeated for, and the last try is at its end', async (scope) => {
    scope.mock.timers.enable({ apis: ['setTimeout'] });
    const began = performance.now();
    let laterMs = 0;
    scope.mock.method(performance, 'now', () => began + laterMs);
    const sentAtMs: number[] = [];
    const none = new LatchkeyError('unavailable', 'No answer.', {});
    const setup = { retryForMs: 30_000, random: () => 0.7, wake: () => () => {}, signal: new AbortController().signal };
    const repeated = repeatWrite(() => {
      sentAtMs.push(laterMs);
      return Promise.reject(none);
    }, setup).catch((error: unknown) => error);
    for (; laterMs <= 31_000; laterMs += 10) {
      await new Promise((turn) => setImmediate(turn));
      scope.mock.timers.tick(10);
    }
    assert.equal(await repeated, none);
    const pauses = sentAtMs.slice(1).map((at, index) => at - (sentAtMs[index] as number));
    assert.ok(Math.max(...pauses) <= 2110, `paused for ${Math.max(...pauses)} ms`);
    assert.ok(Math.abs((sentAtMs.at(-1) as number) - 30_000) <= 10, `the last try was at ${sentAtMs.at(-1)} ms`);
  });

  test('a repeated write ends with its signal, and with the client', async (scope) => {
    const { url } = await serve(scope, json({ error: { code: 'not-ready', message: 'Starting.' } }, 503));
    const client = new LatchkeyClient({ server: url, random: () => 0.99 });
    const abort = new AbortController();
    const aborted = client.put('a', 1, { idempotencyKey: 'k1' }, { signal: abort.signal });
    const closed = client.remove('a', { idempotencyKey: 'k2' });
    setTimeout(() => abort.abort(new Error('enough')), 20);
    await assert.rejects(aborted, /enough/);
    client.close();
    await assert.rejects(closed, isError('closing'));
    await assert.rejects(client.get('a'), isError('closing'));
  });

  test('no more than 1,000 calls wait for answers', async (scope) => {
    const { url } = await serve(scope, () => {});
    const client = new LatchkeyClient({ server: url });
    const abort = new AbortController();
    const { signal } = abort;
    const calls = Array.from({ length: 1000 }, () => client.get('a', { signal }));
    await assert.rejects(client.get('a'), isError('overloaded'));
    abort.abort();
    await Promise.allSettled(calls);
    assert.equal((await Promise.allSettled([client.get('a', { signal })]))[0]?.status, 'rejected');
  });

  test('a 404 that is not Latchkey’s is no missing entry', async (scope) => {
    const { url } = await serve(scope, (_call, response) => response.writeHead(404).end('nginx'));
    await assert.rejects(new LatchkeyClient({ server: url }).get('a'), isError('invalid-request'));
  });

  test('sends many commands at once, all or nothing if asked', async (scope) => {
    const outcomes = [{ outcome: 'refused', code: 'key-invalid', message: 'No.' }];
    const { calls, url } = await serve(scope, json(outcomes));
    const client = new LatchkeyClient({ server: url });
    assert.deepEqual(await client.commands([{ op: 'read', key: '' }], { atomic: true }), outcomes);
    assert.equal(calls[0]?.url.search, '?atomic=true');
  });

  test('lists a page', async (scope) => {
    const page = { entries: [], position: 'aaaa.7' };
    const { calls, url } = await serve(scope, json(page));
    assert.deepEqual(await new LatchkeyClient({ server: url }).list({ prefix: 'a b', limit: 5 }), page);
    assert.equal(calls[0]?.url.search, '?prefix=a+b&limit=5');
  });

  test('whatever goes wrong is an error with a code', async (scope) => {
    const html: Answer = (_call, response) =>
      response.writeHead(502, { 'content-type': 'text/html' }).end('<h1>Bad Gateway</h1>');
    const cut: Answer = (_call, response) => {
      response.writeHead(200, { 'content-length': '100' });
      response.write('[');
      setImmediate(() => response.destroy());
    };
    const later = json({ error: { code: 'overloaded', message: 'Wait.' } }, 429, { 'retry-after': '7' });
    const future = json({ error: { code: 'of-tomorrow', message: 'New.' } }, 403);
    const { url } = await serve(scope, html, cut, later, future);
    const client = new LatchkeyClient({ server: url });
    await assert.rejects(client.list(), isError('unavailable'));
    await assert.rejects(client.list(), isError('unavailable'));
    await assert.rejects(
      client.list(),
      (error: LatchkeyError) => isError('overloaded')(error) && error.details.retryAfter === 7,
    );
    await assert.rejects(client.list(), isError('forbidden'));
    await assert.rejects(new LatchkeyClient({ server: 'http://127.0.0.1:1' }).list(), isError('unavailable'));
    for (const key of ['', '\ud800']) await assert.rejects(client.get(key), isError('key-invalid'));
    for (const server of ['localhost:1', 'ftp://x', '']) {
      assert.throws(() => new LatchkeyClient({ server }), isError('usage'));
    }
  });

  test('a signal ends a call with its own reason', async (scope) => {
    const { url } = await serve(scope, () => {});
    const abort = new AbortController();
    const call = new LatchkeyClient({ server: url }).list({ signal: abort.signal });
    abort.abort(new Error('enough'));
    await assert.rejects(call, /enough/);
  });
});

const change = (offset: number) =>
  `id: aaaa.${offset};f\ndata: {"op":"put","key":"k","value":${offset},"version":"aaaa.${offset}","updated":"x"}\n\n`;
const opened = (position: string) => `retry: 1\n\nid: ${position}\nevent: opened\ndata: {"position":"${position}"}\n\n`;

async function take(
  url: string,
  count: number,
  options: WatchOptions = {},
  more: Partial<ClientOptions> = {},
): Promise<readonly WatchEvent[]> {
  const events: WatchEvent[] = [];
  const client = new LatchkeyClient({ server: url, transport: 'sse', random: () => 0, ...more });
  for await (const event of client.watch({ prefixes: ['k'] }, options)) {
    events.push(event);
    if (events.length === count) break;
  }
  return events;
}

describe('watch', () => {
  test('gives changes and control events with their positions, and resumes after the last one', async (scope) => {
    const { calls, url } = await serve(
      scope,
      stream(`${opened('aaaa.0;f')}${change(1)}`),
      stream(`${opened('aaaa.1;f')}${change(2)}id: aaaa.2;f\nevent: synced\ndata: {"position":"aaaa.2;f"}\n\n`, false),
    );
    const retries: string[] = [];
    const events = await take(url, 5, { onRetry: (error) => retries.push(error.code) });
    assert.deepEqual(
      events.map(({ op, position }) => [op, position]),
      [
        ['opened', 'aaaa.0;f'],
        ['put', 'aaaa.1;f'],
        ['opened', 'aaaa.1;f'],
        ['put', 'aaaa.2;f'],
        ['synced', 'aaaa.2;f'],
      ],
    );
    assert.deepEqual(
      calls.map((call) => call.url.searchParams.get('from')),
      ['start', 'aaaa.1;f'],
    );
    assert.deepEqual(retries, ['unavailable']);
  });

  test('what was read but not taken by its reader is asked for again', async (scope) => {
    const { calls, url } = await serve(
      scope,
      stream(`${opened('aaaa.0;f')}${change(1)}${change(2)}${change(3)}`, false),
    );
    const events = await take(url, 2);
    assert.equal(events.at(-1)?.position, 'aaaa.1;f');
    assert.equal(calls.length, 1);
  });

  test('bye says when to come back, and keeps the position', async (scope) => {
    const { url } = await serve(
      scope,
      stream(`${opened('aaaa.4;f')}event: bye\ndata: {"afterMs":3}\n\n`),
      stream(opened('aaaa.4;f'), false),
    );
    const waits: number[] = [];
    const events = await take(url, 3, { onRetry: (_error, afterMs) => waits.push(afterMs) }, { random: () => 0.99 });
    assert.deepEqual(events[1], { op: 'bye', afterMs: 3, position: 'aaaa.4;f' });
    assert.deepEqual(waits, [3]);
  });

  test('waits grow with full jitter up to a bound, and begin anew after something came', async (scope) => {
    const fault = json({ error: { code: 'not-ready', message: 'Starting.' } }, 503);
    const { url } = await serve(
      scope,
      fault,
      fault,
      fault,
      stream(`${opened('aaaa.0;f')}${change(1)}`),
      fault,
      stream(opened('aaaa.1;f'), false),
    );
    const asked: number[] = [];
    const random = () => {
      asked.push(1);
      return 0.001;
    };
    const waits: number[] = [];
    await take(url, 3, { onRetry: (_error, afterMs) => waits.push(afterMs) }, { random });
    assert.deepEqual(waits, [1, 2, 4, 0, 0]);
    assert.equal(asked.length, 5);
  });

  test('a refusal is thrown', async (scope) => {
    const { calls, url } = await serve(scope, json({ error: { code: 'pattern-invalid', message: 'No.' } }, 400));
    await assert.rejects(take(url, 1), isError('pattern-invalid'));
    assert.equal(calls.length, 1);
  });

  test('an answer that is no event stream is thrown: nobody would come to be a Latchkey server by waiting', async (scope) => {
    const { url } = await serve(scope, json({ hello: 'world' }));
    await assert.rejects(take(url, 1), isError('invalid-request'));
  });

  test('a signal ends it quietly, while it reads and while it waits', async (scope) => {
    const { url } = await serve(scope, stream(opened('aaaa.0;f'), false));
    const reading = new AbortController();
    const seen: string[] = [];
    for await (const { op } of new LatchkeyClient({ server: url, transport: 'sse' }).watch(
      {},
      { signal: reading.signal },
    )) {
      seen.push(op);
      setImmediate(() => reading.abort());
    }
    assert.deepEqual(seen, ['opened']);
    const waiting = new AbortController();
    const nobody = new LatchkeyClient({ server: 'http://127.0.0.1:1', random: () => 0.99 });
    const onRetry = () => setImmediate(() => waiting.abort());
    for await (const event of nobody.watch({}, { signal: waiting.signal, onRetry })) assert.fail(event.op);
  });

  test('a connection that falls silent is given up, and resumed', async (scope) => {
    const { calls, url } = await serve(
      scope,
      stream(`${opened('aaaa.0;f')}${change(1)}`, false),
      stream(`${opened('aaaa.1;f')}${change(2)}`, false),
    );
    await take(url, 4, {}, { silenceMaxMs: 50 });
    assert.equal(calls[1]?.url.searchParams.get('from'), 'aaaa.1;f');
  });

  test('a long filter is posted', async (scope) => {
    const { calls, url } = await serve(scope, stream(opened('aaaa.0;f'), false));
    const keys = Array.from({ length: 500 }, (_, index) => `a long key ${index}`);
    for await (const _ of new LatchkeyClient({ server: url, transport: 'sse' }).watch({ keys }, { values: false }))
      break;
    assert.equal(calls[0]?.method, 'POST');
    assert.deepEqual(JSON.parse(calls[0]?.body ?? ''), {
      keys,
      prefixes: [],
      patterns: [],
      from: 'start',
      values: false,
    });
  });
});
