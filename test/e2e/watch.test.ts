import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { EventSource } from '../support/event-source.ts';
import { ask, get, put, remove } from '../support/http-client.ts';
import { ServerProcess } from '../support/server-process.ts';
import { SseClient } from '../support/sse-client.ts';
import { WebSocketClient } from '../support/websocket-client.ts';

describe('from a fact to a live value', () => {
  let server: ServerProcess;
  before(async () => {
    server = await ServerProcess.start();
  });
  after(() => server.dispose());

  test('a put is read back as sent and reaches a watcher that was there before', async (t) => {
    const watch = await SseClient.open(`${server.url}/v1/watch?prefix=plain.`);
    t.after(() => watch.close());
    assert.equal(watch.status, 200);
    assert.match(String(watch.headers['content-type']), /^text\/event-stream/);
    assert.match(String(watch.headers['cache-control']), /no-cache/);
    await watch.named('synced');

    const answer = await put(server.url, 'plain.1', { temp: 21.5 });
    assert.equal(answer.status, 200);
    const { outcome, version } = answer.json as { outcome: string; version: string };
    assert.equal(outcome, 'applied');

    const [change] = await watch.changeCount(1);
    assert.equal(change?.op, 'put');
    assert.equal(change?.key, 'plain.1');
    assert.deepEqual(change?.value, { temp: 21.5 });
    assert.equal(change?.version, version);

    const read = await get(server.url, 'plain.1');
    assert.equal(read.text, '{"temp":21.5}');
    assert.equal(read.headers.get('etag'), `"${version}"`);
  });

  test('a snapshot comes first, its end is announced, and then every change in order', async (t) => {
    for (const number of [1, 2, 3]) await put(server.url, `snap.${number}`, number);
    await put(server.url, 'snap.1', 'newer');
    await remove(server.url, 'snap.2');
    const watch = await SseClient.open(`${server.url}/v1/watch?prefix=snap.&from=start`);
    t.after(() => watch.close());
    await watch.named('synced');
    assert.equal(watch.events[0]?.event, 'opened');
    assert.deepEqual(
      watch.changes.map(({ op, key, value }) => [op, key, value]),
      [
        ['put', 'snap.3', 3],
        ['put', 'snap.1', 'newer'],
      ],
    );
    await put(server.url, 'snap.4', 4);
    await remove(server.url, 'snap.3');
    const changes = await watch.changeCount(4);
    assert.deepEqual(
      changes.slice(2).map(({ op, key, reason }) => [op, key, reason]),
      [
        ['put', 'snap.4', undefined],
        ['remove', 'snap.3', 'deleted'],
      ],
    );
    assert.ok(
      watch.events.every(({ id }) => id !== undefined && id !== ''),
      'every event carries a position as its id',
    );
  });

  test('from=now shows only what comes after', async (t) => {
    await put(server.url, 'now.1', 'before');
    const watch = await SseClient.open(`${server.url}/v1/watch?prefix=now.&from=now`);
    t.after(() => watch.close());
    await watch.named('synced');
    await put(server.url, 'now.1', 'after');
    const [change] = await watch.changeCount(1);
    assert.equal(change?.value, 'after');
  });

  test('the npm package `eventsource` watches without any adaptation', async (t) => {
    const source = new EventSource(`${server.url}/v1/watch?key=es.1`);
    t.after(() => source.close());
    const synced = new Promise((done) => source.addEventListener('synced', done, { once: true }));
    const message = new Promise<string>((done) =>
      source.addEventListener('message', ({ data }) => done(data), { once: true }),
    );
    await synced;
    await put(server.url, 'es.1', 'hello');
    assert.equal((JSON.parse(await message) as { value: string }).value, 'hello');
  });

  test('one WebSocket carries commands and watches, and each answer names its id', async (t) => {
    const socket = await WebSocketClient.open(server.url);
    t.after(() => socket.close());
    socket.send({ op: 'watch', id: 1, filter: { prefixes: ['ws.'] }, from: 'start' });
    const watching = await socket.until('watching', ({ op }) => op === 'watching');
    assert.equal(watching.id, 1);
    await socket.until('synced', ({ op }) => op === 'synced');
    const outcome = await socket.ask({ op: 'put', id: 2, key: 'ws.1', value: { a: 1 } });
    assert.equal(outcome.outcome, 'applied');
    const [change] = await socket.changeCount(1, 1);
    assert.deepEqual(change?.value, { a: 1 });
    const refused = await socket.ask({ op: 'fly', id: 3 });
    assert.equal(refused.code, 'unknown-op');
  });

  test('a value that a Latchkey user wrote by one route is the same by every other', async (t) => {
    const socket = await WebSocketClient.open(server.url);
    t.after(() => socket.close());
    const text = '{"big":12345678901234567890,"one":1.0,"umlaut":"ü"}';
    await ask(`${server.url}/v1/keys/same.1`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: text,
    });
    socket.send({ op: 'watch', id: 1, filter: { keys: ['same.1'] } });
    await socket.changeCount(1, 1);
    const watch = await SseClient.open(`${server.url}/v1/watch?key=same.1`);
    t.after(() => watch.close());
    const event = await watch.named('message');
    assert.ok(event.data.includes(text), event.data);
    assert.ok(
      socket.texts.some((frame) => frame.includes(text)),
      socket.texts.join('\n'),
    );
    assert.equal((await get(server.url, 'same.1')).text, text);
  });

  test('a filter too long for a URL goes as JSON in a POST', async (t) => {
    const keys = Array.from({ length: 500 }, (_, index) => `posted.${index}`);
    const watch = await SseClient.open(`${server.url}/v1/watch`, { method: 'POST', body: JSON.stringify({ keys }) });
    t.after(() => watch.close());
    await watch.named('synced');
    await put(server.url, 'posted.499', 1);
    const [change] = await watch.changeCount(1);
    assert.equal(change?.key, 'posted.499');
  });
});
