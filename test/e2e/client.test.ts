// The client against a real server: whatever is killed or cut between them, every change comes once, in order.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect as connectTcp, createServer, type Socket } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { type ClientOptions, isChange, LatchkeyClient, type TransportName, type WatchChange } from '@latchkey/client';
import { Random, seedFrom } from '../guarantees/random.ts';
import { FaultProxy } from '../support/fault-proxy.ts';
import { ServerProcess } from '../support/server-process.ts';

const numbers = (count: number) => Array.from({ length: count }, (_, index) => index + 1);
const TRANSPORTS: readonly TransportName[] = ['websocket', 'sse'];

function clientOf(scope: TestContext, server: string, more: Partial<ClientOptions> = {}): LatchkeyClient {
  const client = new LatchkeyClient({ server, ...more });
  scope.after(() => client.close());
  return client;
}

/** Writes `k.N` in turn, each value once however often the server goes; gives the version of the last. */
async function writeAll(client: LatchkeyClient, name: string, values: readonly number[]): Promise<string> {
  let version = '';
  for (const value of values) {
    const outcome = await client.put(`k.${value % 7}`, value, { idempotencyKey: `${name}-${value}` });
    assert.equal(outcome.outcome, 'applied');
    if (outcome.outcome === 'applied') version = outcome.version;
  }
  return version;
}

/** A TCP front that lets requests through, but no upgrade to WebSocket. */
async function frontWithoutUpgrades(scope: TestContext, port: number): Promise<{ url: string; refused: () => number }> {
  let refused = 0;
  const sockets = new Set<Socket>();
  const front = createServer((client) => {
    sockets.add(client);
    client.on('error', () => {});
    client.once('data', (head) => {
      if (/^upgrade: websocket/im.test(head.toString('latin1'))) {
        refused += 1;
        client.end('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
        return;
      }
      const server = connectTcp(port, '127.0.0.1');
      sockets.add(server);
      server.on('error', () => client.destroy());
      server.on('close', () => client.destroy());
      client.on('close', () => server.destroy());
      server.write(head);
      client.pipe(server).pipe(client);
    });
  });
  front.listen(0, '127.0.0.1');
  await once(front, 'listening');
  scope.after(() => {
    front.close();
    for (const socket of sockets) socket.destroy();
  });
  return { url: `http://127.0.0.1:${(front.address() as AddressInfo).port}`, refused: () => refused };
}

for (const transport of TRANSPORTS) {
  describe(`the client over ${transport}`, () => {
    test('comes back from kill -9 of the server, again and again, with every change once and a mirror without a stale entry', async (scope) => {
      const server = await ServerProcess.start({}, scope);
      const client = clientOf(scope, server.url, { transport });
      const seen: unknown[] = [];
      const last = Promise.withResolvers<void>();
      const watching = client.watch({ prefixes: ['k.'] }, (event) => {
        if (isChange(event)) seen.push(event.value);
        if (isChange(event) && event.value === 2000) last.resolve();
      });
      const board = client.mirror<number>({ prefixes: ['k.'] });
      await board.ready;
      const written = writeAll(client, 'kills', numbers(240));
      for (let kill = 0; kill < 3; kill += 1) {
        await board.waitFor(await writeAll(client, `kill-${kill}`, [1000 + kill]));
        await server.kill();
        await server.restart();
      }
      await board.waitFor(await written);
      await board.waitFor(await writeAll(client, 'last', [2000]));
      await last.promise;
      const own = seen.filter((value) => (value as number) <= 240);
      assert.deepEqual(own, numbers(240));
      assert.deepEqual(
        seen.filter((value) => (value as number) > 240),
        [1000, 1001, 1002, 2000],
      );
      const { entries } = await client.list({ prefix: 'k.' });
      assert.deepEqual(
        board.entries().map(({ key, value, version }) => [key, value, version]),
        entries.map(({ key, value, version }) => [key, value, version]),
      );
      assert.equal(watching.status.kind === 'closed', false);
    });

    test('cut within frames at any byte it goes on without a gap or a repeat', async (scope) => {
      const seed = seedFrom(process.env.LATCHKEY_SEED);
      scope.diagnostic(`LATCHKEY_SEED=${seed}`);
      const random = new Random(seed);
      const server = await ServerProcess.start({}, scope);
      const proxy = await FaultProxy.start(server.port);
      scope.after(() => proxy.close());
      const writer = clientOf(scope, server.url);
      const watcher = clientOf(scope, proxy.url, { transport, random: () => 0 });
      const seen: WatchChange[] = [];
      let cuts = 0;
      const reader = watcher.watch({ prefixes: ['k.'] }, { onRetry: () => (cuts += 1) });
      const reading = (async () => {
        for await (const event of reader) {
          if (!isChange(event)) continue;
          seen.push(event);
          if (event.value === 300) return;
        }
      })();
      for (const value of numbers(300)) {
        await writer.put(`k.${value % 7}`, value);
        if (value % 15 === 0) proxy.cutWithin(() => random.between(0, 400));
        if (value % 15 === 5) proxy.heal();
      }
      proxy.heal();
      await reading;
      assert.deepEqual(
        seen.map(({ value }) => value),
        numbers(300),
      );
      assert.ok(cuts > 0, 'the proxy cut nothing');
    });

    test('a reader that is slow holds up the socket, or leaves it and resumes; either way it ends with the last value of each key', async (scope) => {
      const server = await ServerProcess.start({ env: { LATCHKEY_FEED_CATCH_UP_CHANGES_MAX: '200' } }, scope);
      const client = clientOf(scope, server.url, { transport });
      const reader = client.watch<number>({ prefixes: ['k.'] });
      await reader.next();
      const padding = 'x'.repeat(2000);
      for (let batch = 0; batch < 40; batch += 1) {
        await client.commands(
          numbers(200).map((index) => ({
            op: 'put',
            key: `k.${index % 10}`,
            value: `${batch * 200 + index} ${padding}`,
          })),
        );
      }
      const last = await client.put('k.end', 'end');
      const offsets: number[] = [];
      const folded = new Map<string, unknown>();
      let turns = 0;
      for await (const event of reader) {
        if (event.op === 'conflated' || event.op === 'opened') turns += 1;
        if (!isChange(event)) continue;
        offsets.push(Number(event.version.split('.')[1]));
        folded.set(event.key, event.value);
        if (event.version === (last.outcome === 'applied' && last.version)) break;
      }
      // Told `conflated` by a server that could not send, or come back to it: else 16 MB were kept here for the reader.
      assert.ok(turns > 0, 'everything was kept for the reader');
      assert.deepEqual(
        offsets,
        [...new Set(offsets)].sort((one, other) => one - other),
      );
      const { entries } = await client.list({ prefix: 'k.' });
      assert.deepEqual(
        [...folded].sort(),
        entries.map(({ key, value }) => [key, value]),
      );
    });

    test('a server that stops says when to come back, and is come back to', async (scope) => {
      const server = await ServerProcess.start({}, scope);
      const client = clientOf(scope, server.url, { transport });
      const kinds: string[] = [];
      const board = client.mirror({});
      board.subscribe(() => kinds.push(board.status.kind));
      await board.ready;
      await server.stop();
      await server.restart();
      await board.waitFor(await writeAll(client, 'stop', [1]));
      assert.equal(board.get('k.1')?.value, 1);
      assert.ok(kinds.includes('waiting'));
    });
  });
}

describe('the client', () => {
  test('goes over SSE where no WebSocket comes through, and remembers that, also for the next page', async (scope) => {
    const server = await ServerProcess.start({}, scope);
    const front = await frontWithoutUpgrades(scope, server.port);
    const stored = new Map<string, string>();
    const storage = {
      getItem: (key: string) => stored.get(key) ?? null,
      setItem: (key: string, value: string) => void stored.set(key, value),
    };
    for (const refused of [1, 1]) {
      const client = clientOf(scope, front.url, { storage });
      for (let count = 0; count < 2; count += 1) {
        const board = client.mirror({});
        await board.ready;
        assert.deepEqual(board.status, { kind: 'live', transport: 'sse' });
      }
      assert.equal(front.refused(), refused);
    }
    assert.deepEqual([...stored.values()], ['sse']);
  });

  test('goes over SSE with a token, which no WebSocket of the platform’s can send', async (scope) => {
    const server = await ServerProcess.start({}, scope);
    const board = clientOf(scope, server.url, { token: 't0' }).mirror({});
    await board.ready;
    assert.deepEqual(board.status, { kind: 'live', transport: 'sse' });
  });

  test('a reviver keeps what JavaScript would round, in calls and over both transports', async (scope) => {
    const server = await ServerProcess.start({}, scope);
    await fetch(`${server.url}/v1/keys/big`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: '{"n":9007199254740993}',
    });
    const reviver: ClientOptions['reviver'] = (_name, value, { source }) =>
      typeof value === 'number' && !Number.isSafeInteger(value) ? BigInt(source as string) : value;
    const expected = { n: 9_007_199_254_740_993n };
    for (const transport of TRANSPORTS) {
      const client = clientOf(scope, server.url, { reviver, transport });
      assert.deepEqual((await client.get('big'))?.value, expected);
      for await (const event of client.watch({})) {
        if (!isChange(event)) continue;
        assert.deepEqual(event.op === 'put' && event.value, expected);
        break;
      }
    }
  });

  test('fifty mirrors share one connection', async (scope) => {
    const server = await ServerProcess.start({}, scope);
    const proxy = await FaultProxy.start(server.port);
    scope.after(() => proxy.close());
    const client = clientOf(scope, proxy.url);
    const boards = numbers(50).map((index) => client.mirror({ keys: [`k.${index}`] }));
    await Promise.all(boards.map(({ ready }) => ready));
    assert.equal(proxy.connections, 1);
    const outcome = await clientOf(scope, server.url).put('k.7', 7);
    await boards[6]?.waitFor(outcome.outcome === 'applied' ? outcome.version : '');
    assert.equal(boards[6]?.get('k.7')?.value, 7);
    assert.equal(boards[1]?.entries().length, 0);
  });

  test('a refusal is the server’s own, over whatever transport it was asked', async (scope) => {
    const server = await ServerProcess.start({}, scope);
    for (const transport of ['auto', ...TRANSPORTS] as const) {
      const board = clientOf(scope, server.url, { transport }).mirror({ patterns: [''] });
      await assert.rejects(board.ready, { code: 'pattern-invalid' });
      assert.equal(board.status.kind, 'closed');
    }
  });
});
