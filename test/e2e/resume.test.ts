import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { EventSource } from '../support/event-source.ts';
import { put } from '../support/http-client.ts';
import { ServerProcess } from '../support/server-process.ts';
import { SseClient } from '../support/sse-client.ts';
import { WebSocketClient } from '../support/websocket-client.ts';

const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index);

async function putAll(server: ServerProcess, values: readonly number[]): Promise<void> {
  for (const value of values) await put(server.url, `k.${value % 7}`, value);
}

describe('across kill -9 of the server', () => {
  test('a curl that sends the last id as Last-Event-ID goes on without a gap or a repeat', async (t) => {
    const server = await ServerProcess.start({}, t);
    await put(server.url, 'k.0', 0);
    const first = await SseClient.open(`${server.url}/v1/watch?prefix=k.`);
    await first.named('synced');
    await putAll(server, numbers(1, 50));
    await first.changeCount(51);
    await server.kill();
    await first.ended();
    await server.restart();
    await putAll(server, numbers(51, 100));

    const second = await SseClient.open(`${server.url}/v1/watch?prefix=k.`, {
      lastEventId: first.lastEventId as string,
    });
    t.after(() => second.close());
    await second.changeCount(50);
    await second.named('synced');
    await putAll(server, numbers(101, 110));
    await second.changeCount(60);
    assert.ok(!second.events.some(({ event }) => event === 'reset' || event === 'conflated'));
    assert.deepEqual(
      [...first.changes, ...second.changes].map(({ value }) => value),
      numbers(0, 110),
    );
  });

  test('a watch cut before its first change resumes from `opened`', async (t) => {
    const server = await ServerProcess.start({}, t);
    await putAll(server, numbers(1, 20));
    const first = await SseClient.open(`${server.url}/v1/watch?prefix=k.&from=now`);
    const opened = await first.named('opened');
    await server.kill();
    await server.restart();
    await putAll(server, numbers(21, 40));
    const second = await SseClient.open(`${server.url}/v1/watch?prefix=k.`, { lastEventId: opened.id as string });
    t.after(() => second.close());
    const changes = await second.changeCount(20);
    assert.deepEqual(
      changes.map(({ value }) => value),
      numbers(21, 40),
    );
  });

  test('the npm package `eventsource` reconnects by itself and misses nothing', async (t) => {
    const server = await ServerProcess.start({}, t);
    const source = new EventSource(`${server.url}/v1/watch?prefix=k.`);
    t.after(() => source.close());
    const seen: unknown[] = [];
    let arrived = () => {};
    source.addEventListener('message', ({ data }) => {
      seen.push((JSON.parse(data) as { value: unknown }).value);
      arrived();
    });
    const count = (wanted: number) =>
      new Promise<void>((done) => {
        arrived = () => {
          if (seen.length >= wanted) done();
        };
        arrived();
      });
    await new Promise((done) => source.addEventListener('synced', done, { once: true }));
    await putAll(server, numbers(1, 30));
    await count(30);
    await server.kill();
    await server.restart();
    await putAll(server, numbers(31, 60));
    await count(60);
    assert.deepEqual(seen, numbers(1, 60));
  });

  test('a WebSocket resumes from the last position of its frames', async (t) => {
    const server = await ServerProcess.start({}, t);
    const first = await WebSocketClient.open(server.url);
    first.send({ op: 'watch', id: 1, filter: { prefixes: ['k.'] } });
    await first.until('synced', ({ op }) => op === 'synced');
    await putAll(server, numbers(1, 30));
    await first.changeCount(1, 30);
    const position = first.frames.filter((frame) => typeof frame.position === 'string').at(-1)?.position as string;
    await server.kill();
    await first.untilClosed();
    await server.restart();
    await putAll(server, numbers(31, 60));
    const second = await WebSocketClient.open(server.url);
    t.after(() => second.close());
    second.send({ op: 'watch', id: 'again', filter: { prefixes: ['k.'] }, from: position });
    const changes = await second.changeCount('again', 30);
    assert.deepEqual(
      changes.map(({ value }) => value),
      numbers(31, 60),
    );
    assert.ok(!second.frames.some(({ op }) => op === 'reset'));
  });

  test('a position of another store is answered in-band with reset and a fresh snapshot', async (t) => {
    const [other, server] = [await ServerProcess.start({}, t), await ServerProcess.start({}, t)];
    await putAll(other, numbers(1, 5));
    await putAll(server, numbers(1, 3));
    const elsewhere = await SseClient.open(`${other.url}/v1/watch?prefix=k.`);
    t.after(() => elsewhere.close());
    await elsewhere.named('synced');
    const watch = await SseClient.open(`${server.url}/v1/watch?prefix=k.`, {
      lastEventId: elsewhere.lastEventId as string,
    });
    t.after(() => watch.close());
    const reset = await watch.named('reset');
    assert.equal((JSON.parse(reset.data) as { reason: string }).reason, 'epoch');
    await watch.named('synced');
    assert.deepEqual(
      watch.changes.map(({ value }) => value),
      [1, 2, 3],
    );
  });
});
