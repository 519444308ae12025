import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { get, put } from '../support/http-client.ts';
import { RawSocket } from '../support/raw-socket.ts';
import { ServerProcess } from '../support/server-process.ts';
import { SseClient } from '../support/sse-client.ts';

interface Written {
  readonly key: string;
  readonly status: number;
  readonly isWhole: boolean;
}

/** Writes key after key until the connection is refused; the raw bytes of each answer are judged, as no library hides them. */
async function writeUntilGone(server: ServerProcess, name: string): Promise<readonly Written[]> {
  const results: Written[] = [];
  for (let number = 0; ; number += 1) {
    const key = `${name}.${number}`;
    const socket = await RawSocket.open(server.port).catch(() => undefined);
    if (socket === undefined) return results;
    const body = JSON.stringify(key);
    socket.write(
      `PUT /v1/keys/${key} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
    const heard = await socket.end();
    const length = Number(/\r\ncontent-length: (\d+)\r\n/i.exec(heard)?.[1]);
    const isWhole = heard.slice(heard.indexOf('\r\n\r\n') + 4).length === length;
    results.push({ key, status: socket.status, isWhole });
    if (heard === '') return results;
  }
}

describe('signals', () => {
  test('SIGTERM under load: every acknowledged write is there afterwards, every answer was whole, exit 0', async (t) => {
    const server = await ServerProcess.start({}, t);
    const watch = await SseClient.open(`${server.url}/v1/watch`);
    await watch.named('synced');
    const writers = Array.from({ length: 20 }, (_, index) => writeUntilGone(server, `w${index}`));
    await watch.changeCount(200);
    assert.deepEqual(await server.stop(), { code: 0, signal: null }, server.output);
    const results = (await Promise.all(writers)).flat();
    await watch.named('bye');

    await server.restart();
    const acknowledged = results.filter(({ status }) => status === 200);
    assert.ok(acknowledged.length >= 200);
    for (const { isWhole, key, status } of results) {
      assert.ok(Number.isNaN(status) || isWhole, `the answer to ${key}, ${status}, was cut`);
      if (status === 200) assert.equal((await get(server.url, key)).text, JSON.stringify(key));
      else assert.ok(Number.isNaN(status) || status === 503, `${key} was answered ${status}`);
    }
    const resumed = await SseClient.open(`${server.url}/v1/watch`, { lastEventId: watch.lastEventId as string });
    await resumed.named('synced');
    const seen = [...watch.changes, ...resumed.changes].map(({ key }) => key);
    assert.equal(new Set(seen).size, seen.length, 'nothing twice');
    for (const { key } of acknowledged) assert.ok(seen.includes(key), `${key} never came`);
    resumed.close();
  });

  test('SIGSTOP and SIGCONT: who waited is answered, watchers go on, nothing is lost or repeated', async (t) => {
    const server = await ServerProcess.start({ env: { LATCHKEY_FEED_PROGRESS_INTERVAL: '100ms' } }, t);
    const watch = await SseClient.open(`${server.url}/v1/watch`);
    t.after(() => watch.close());
    await watch.named('synced');
    for (let round = 0; round < 3; round += 1) {
      server.signal('SIGSTOP');
      const writes = Array.from({ length: 100 }, (_, index) => put(server.url, `stopped.${index}`, round));
      // Long enough for several heartbeats and ticks to be overdue.
      await new Promise((resolve) => setTimeout(resolve, 500));
      server.signal('SIGCONT');
      for (const { status } of await Promise.all(writes)) assert.equal(status, 200);
    }
    const changes = await watch.changeCount(300);
    const versions = changes.map(({ version }) => Number(String(version).split('.')[1]));
    assert.deepEqual(
      versions,
      Array.from({ length: 300 }, (_, index) => index + 1),
    );
    assert.equal(watch.isEnded, false);
  });

  test('500 watchers that come back at once after kill -9 each go on where they were', async (t) => {
    const server = await ServerProcess.start({}, t);
    const url = `${server.url}/v1/watch?prefix=storm.`;
    for (let index = 0; index < 50; index += 1) await put(server.url, `storm.${index}`, 'before');
    const first = await Promise.all(Array.from({ length: 500 }, () => SseClient.open(url)));
    await Promise.all(first.map((watch) => watch.named('synced')));
    await Promise.all(first.map((watch) => watch.changeCount(50)));
    // Some have seen this one, some not: each resumes from what it has.
    const last = put(server.url, 'storm.last', 'before').catch(() => undefined);
    await (first[0] as SseClient).changeCount(51);
    await server.kill();
    await last;
    await Promise.all(first.map((watch) => watch.ended()));
    await server.restart();
    const again = await Promise.all(
      first.map((watch) => SseClient.open(url, { lastEventId: watch.lastEventId as string })),
    );
    await put(server.url, 'storm.after', 'after');
    await Promise.all(again.map((watch) => watch.until('the put after', ({ data }) => data.includes('storm.after'))));
    for (const [index, watch] of again.entries()) {
      const changes = [...(first[index] as SseClient).changes, ...watch.changes];
      const versions = changes.map(({ version }) => Number(String(version).split('.')[1]));
      assert.deepEqual(
        versions,
        Array.from({ length: 52 }, (_, place) => place + 1),
      );
      assert.ok(!watch.events.some(({ event }) => event === 'reset'));
      watch.close();
    }
  });
});
