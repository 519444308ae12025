import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ask, put, sendCommands } from '../support/http-client.ts';
import { RawSocket } from '../support/raw-socket.ts';
import { type Scope, ServerProcess } from '../support/server-process.ts';
import { SseClient, SseDecoder } from '../support/sse-client.ts';

const MIB = 1024 * 1024;
const KEYS = 2000;
const VALUE_BYTES = 500;
const BIG_VALUE_BYTES = 4000;
const RATE = 5000;
const BATCH = 250;

/** Puts at a steady rate, in batches; the value of a key says which of its puts it is. */
async function write(server: ServerProcess, changes: number, valueBytes = VALUE_BYTES): Promise<void> {
  const start = performance.now();
  for (let done = 0; done < changes; done += BATCH) {
    const commands = Array.from({ length: BATCH }, (_, index) => {
      const number = done + index;
      return { op: 'put', key: `load.${number % KEYS}`, value: `${number}-`.padEnd(valueBytes, 'x') } as const;
    });
    await sendCommands(server.url, commands);
    const aheadMs = ((done + BATCH) / RATE) * 1000 - (performance.now() - start);
    if (aheadMs > 0) await new Promise((resolve) => setTimeout(resolve, aheadMs));
  }
}

async function deafWatch(server: ServerProcess, scope: Scope): Promise<RawSocket> {
  const socket = await RawSocket.open(server.port, scope);
  socket.write('GET /v1/watch?prefix=load. HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await socket.until('event: synced');
  socket.socket.pause();
  return socket;
}

describe('watchers that read nothing', () => {
  test('at 5,000 changes a second for ten seconds they cost the server next to nothing, keep nobody waiting, and converge', async (t) => {
    const server = await ServerProcess.start({}, t);
    await write(server, KEYS);
    const deaf = await Promise.all(Array.from({ length: 20 }, () => deafWatch(server, t)));
    const hearing = await SseClient.open(`${server.url}/v1/watch?prefix=load.&from=now`, {}, undefined, {
      keepsEvents: false,
    });
    t.after(() => hearing.close());
    await write(server, RATE);
    const before = server.residentBytes();
    await write(server, RATE * 10);
    const grown = server.residentBytes() - before;
    // 20 watchers × 25 MB of changes.
    assert.ok(grown < 120 * MIB, `grew by ${Math.round(grown / MIB)} MiB`);
    await put(server.url, 'load.end', 'end');

    const entries = new Map<string, string>();
    const { entries: listed } = (await ask(`${server.url}/v1/keys?prefix=load.&limit=1000&pattern=load.1*`)).json as {
      entries: { key: string; value: string }[];
    };
    for (const socket of deaf.slice(0, 3)) {
      const decoder = new SseDecoder();
      entries.clear();
      const seen: string[] = [];
      for (const event of decoder.push(socket.heard.slice(socket.heard.indexOf('\r\n\r\n') + 4))) take(event);
      const ended = new Promise<void>((resolve) => {
        socket.socket.on('data', (bytes) => {
          for (const event of decoder.push(bytes.toString('latin1'))) take(event);
          if (entries.has('load.end')) resolve();
        });
      });
      function take({ data, event }: { readonly data: string; readonly event: string }): void {
        if (event !== 'message') {
          seen.push(event);
          return;
        }
        const { key, value } = JSON.parse(data) as { key: string; value: string };
        entries.set(key, value);
      }
      socket.socket.resume();
      await ended;
      assert.ok(seen.includes('conflated'), `it was told what was left out: ${seen.join(', ')}`);
      for (const { key, value } of listed) assert.equal(entries.get(key), value, key);
      assert.equal(entries.size, KEYS + 1);
    }
    const { feed } = (await ask(`${server.url}/v1/status`)).json as { feed: { watchers: number } };
    assert.equal(feed.watchers, 21, 'nobody was thrown out for being slow');
  });

  test('that go on reading nothing are cut off after feed.stalledTimeout, and what they held is free', async (t) => {
    const env = { LATCHKEY_FEED_STALLED_TIMEOUT: '1s', LATCHKEY_FEED_PROGRESS_INTERVAL: '200ms' };
    const server = await ServerProcess.start({ env }, t);
    await write(server, KEYS);
    await Promise.all(Array.from({ length: 20 }, () => deafWatch(server, t)));
    for (let rounds = 0; ; rounds += 1) {
      // Until the buffers of the sockets are full, which hold megabytes.
      await write(server, RATE / 5, BIG_VALUE_BYTES);
      const { feed } = (await ask(`${server.url}/v1/status`)).json as { feed: { watchers: number } };
      if (feed.watchers === 0) break;
      assert.ok(rounds < 100, `${feed.watchers} watchers that read nothing are still there`);
    }
  });
});
