import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import {
  FakeServer,
  frame,
  HASH,
  opened,
  type Sent,
  settle,
  synced,
  until,
} from '../../test/support/fake-websocket.ts';
import { type ConnectionOptions, connect } from './connection.ts';
import type { WakeReason } from './wake.ts';
import { watch } from './watch.ts';
import { isChange, type WatchEvent } from './watch-event.ts';
import { WAITING_LENGTH_MAX } from './websocket-channel.ts';

function setUp(scope: TestContext, more: Partial<ConnectionOptions> = {}) {
  const server = new FakeServer();
  const listeners = new Set<(reason: WakeReason) => void>();
  const connection = connect({
    server: 'https://host/base/',
    transport: 'websocket',
    openWebSocket: server.open,
    random: () => 0,
    wake: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    ...more,
  });
  scope.after(() => connection.close());
  return { connection, server, listeners };
}

const show = (event: WatchEvent) => (isChange(event) ? event.value : event.op);

describe('watches over one WebSocket', () => {
  test('share it, and are told apart: shared frames go to exactly those that are attached', async (scope) => {
    const { connection, server } = setUp(scope);
    const seen: unknown[][] = [[], [], []];
    for (const list of seen) watch(connection, { prefixes: ['k'] }, (event) => list.push(show(event)));
    await settle();
    const { socket } = server;
    assert.equal(server.sockets.length, 1);
    assert.equal(socket.url, 'wss://host/base/v1/watch');
    assert.deepEqual(socket.sent[0], {
      op: 'watch',
      id: 1,
      filter: { keys: [], prefixes: ['k'], patterns: [] },
      from: 'start',
      values: true,
    });
    socket.give({ op: 'watching', id: 1, ref: 'g1' }, opened(1, 0), opened(2, 0), opened(3, 0));
    socket.give(synced(1, 0), synced(2, 0, 'g2'), frame('g1', 1), frame('g2', 2), frame(3, 1));
    // Detached: what it misses from here comes in frames of its own.
    socket.give({ op: 'behind', id: 1, position: `aaaa.1;${HASH}` }, frame('g1', 3), frame(1, 3), synced(1, 3));
    socket.give(frame('g1', 4), { op: 'pong' }, { op: 'error', code: 'frame-invalid', message: 'x' });
    await settle();
    assert.deepEqual(seen, [
      ['opened', 'synced', 1, 3, 'synced', 4],
      ['opened', 'synced', 2],
      ['opened', 1],
    ]);
  });

  test('a refusal ends the one watch that it names, and no other', async (scope) => {
    const { connection, server } = setUp(scope);
    const refused = watch(connection, { patterns: [''] }, () => {});
    const other = watch(connection, {}, () => {});
    await settle();
    server.socket.give(
      { op: 'error', id: 1, code: 'pattern-invalid', message: 'Empty.', field: 'patterns' },
      opened(2, 0),
    );
    const error = await refused.closed;
    assert.deepEqual([error?.code, error?.message, error?.details.field], ['pattern-invalid', 'Empty.', 'patterns']);
    await settle();
    assert.equal(other.status.kind, 'catching-up');
  });

  test('a close code from 4500 on is thrown, any other is come back from; a frame that is no JSON once it worked, too', async (scope) => {
    const { connection, server } = setUp(scope);
    const watching = watch(connection, {}, () => {});
    const ends: (() => void)[] = [
      () => server.socket.cut(4001, 'closing'),
      () => server.socket.cut(1006),
      () => server.socket.give('<html>'),
    ];
    for (const end of ends) {
      await until('watch', () => server.socket?.watches.length === 1);
      server.socket.give(opened(1, 0), frame(1, 1));
      await settle();
      const next = server.next();
      end();
      await next;
    }
    server.socket.cut(4500, 'forbidden');
    assert.equal((await watching.closed)?.code, 'forbidden');
  });

  test('a socket that says nothing is given up', async (scope) => {
    const { connection, server } = setUp(scope, { silenceMaxMs: 20 });
    const errors: string[] = [];
    watch(connection, {}, () => {}, { onRetry: (error) => errors.push(error.message) });
    await settle();
    server.socket.give(opened(1, 0));
    await server.next();
    assert.match(errors[0] as string, /was silent for 20 ms/);
  });

  test('a socket that may have died with its network is asked, and nothing listens for networks after its end', async (scope) => {
    const { connection, server, listeners } = setUp(scope);
    watch(connection, {}, () => {});
    await settle();
    for (const listener of listeners) listener('online');
    assert.deepEqual(
      server.socket.sent.map(({ op }) => op),
      ['watch', 'ping'],
    );
    connection.close();
    await until('end of the socket', () => server.socket.isClosed);
    assert.equal(listeners.size, 0);
  });

  test('a watch that was told bye waits as long as it was told, and the others on the socket go on', async (scope) => {
    const { connection, server } = setUp(scope);
    const seen: unknown[] = [];
    const one = watch(connection, { keys: ['a'] }, () => {});
    const two = watch(connection, { keys: ['b'] }, (event) => seen.push(show(event)));
    await settle();
    server.socket.give(opened(1, 0), opened(2, 0), { op: 'bye', id: 1, afterMs: 7000 });
    await settle();
    assert.deepEqual([one.status.kind, one.status.kind === 'waiting' && one.status.afterMs], ['waiting', 7000]);
    server.socket.give(frame(2, 1));
    await settle();
    assert.deepEqual(seen, ['opened', 1]);
    assert.equal(two.status.kind, 'catching-up');
  });

  test('a server that falls over right after opened is asked less and less often', async (scope) => {
    const { connection, server } = setUp(scope, { random: () => 0.001 });
    const waits: number[] = [];
    watch(connection, {}, () => {}, { onRetry: (_error, afterMs) => waits.push(afterMs) });
    await settle();
    for (let cut = 0; cut < 4; cut += 1) {
      if (cut === 3) server.socket.give(opened(1, 0), frame(1, 1));
      else server.socket.give(opened(1, 0));
      await settle();
      const next = server.next();
      server.socket.cut();
      await next;
    }
    assert.deepEqual(waits, [1, 2, 4, 1]);
  });

  test('it closes with its last watch, but not between one watch and the next', async (scope) => {
    const { connection, server } = setUp(scope);
    const one = watch(connection, {}, () => {});
    await settle();
    one.close();
    const two = watch(connection, {}, () => {});
    await settle();
    assert.equal(server.sockets.length, 1);
    two.close();
    await until('end of the socket', () => server.socket.isClosed);
    watch(connection, {}, () => {});
    await settle();
    assert.equal(server.sockets.length, 2);
  });
});

describe('a reader that is slower than the server', () => {
  const big = (id: number, offset: number): Sent => {
    const [change] = frame(id, offset).changes as Sent[];
    const text = 'x'.repeat(WAITING_LENGTH_MAX / 4);
    return { ...frame(id, offset), changes: [{ ...change, value: text }] };
  };

  test('leaves the connection before more than 256 Ki characters wait, and goes on behind what it was handed', async (scope) => {
    const { connection, server } = setUp(scope);
    const reader = watch(connection, {});
    const first = reader.next();
    await settle();
    server.socket.give(opened(1, 0), synced(1, 0));
    await first;
    for (let offset = 1; offset <= 100; offset += 1) server.socket.give(big(1, offset));
    assert.deepEqual(
      server.socket.sent.map(({ op }) => op),
      ['watch', 'unwatch'],
    );
    const positions: (string | undefined)[] = [];
    for (let count = 0; count < 4; count += 1) positions.push((await reader.next()).value?.position);
    assert.deepEqual(
      positions,
      [0, 1, 2, 3].map((offset) => `aaaa.${offset};${HASH}`),
    );
    const fifth = reader.next();
    await settle();
    assert.deepEqual(
      server.socket.watches.map(({ id, from }) => [id, from]),
      [
        [1, 'start'],
        [2, `aaaa.3;${HASH}`],
      ],
    );
    server.socket.give(opened(2, 3), { op: 'conflated', id: 2, from: `aaaa.3;${HASH}`, to: `aaaa.100;${HASH}` });
    assert.equal((await fifth).value?.op, 'opened');
    assert.equal((await reader.next()).value?.op, 'conflated');
    await reader.return();
    assert.equal(reader.status.kind, 'closed');
  });

  test('gets past a change of any size, though each time it comes back other frames stand before it', async (scope) => {
    const { connection, server } = setUp(scope);
    const reader = watch(connection, {});
    const first = reader.next();
    await settle();
    const { socket } = server;
    const giant = { ...big(1, 3), padding: 'x'.repeat(2 * WAITING_LENGTH_MAX) };
    const conflated = { op: 'conflated', id: 1, from: `aaaa.0;${HASH}`, to: `aaaa.9;${HASH}` };
    socket.give(opened(1, 0), conflated, giant, frame(1, 4));
    const ops = [(await first).value?.op];
    for (let count = 0; count < 2; count += 1) ops.push((await reader.next()).value?.op);
    assert.deepEqual(ops, ['opened', 'conflated', 'put']);
    const next = reader.next();
    await settle();
    assert.equal(socket.watches.at(-1)?.from, `aaaa.3;${HASH}`);
    socket.give(opened(2, 3));
    assert.equal((await next).value?.op, 'opened');
  });

  test('who reads nothing of a quiet watch keeps one heartbeat, not all of them', async (scope) => {
    const { connection, server } = setUp(scope);
    const reader = watch(connection, {});
    const first = reader.next();
    await settle();
    server.socket.give(opened(1, 0));
    await first;
    const progress = (offset: number) => ({ op: 'progress', id: 1, position: `aaaa.${offset};${HASH}` });
    for (let offset = 1; offset < 10_000; offset += 1) server.socket.give(progress(offset));
    server.socket.give(frame(1, 10_000), progress(10_001));
    const positions: (string | undefined)[] = [];
    for (let count = 0; count < 3; count += 1) positions.push((await reader.next()).value?.position);
    assert.deepEqual(
      positions,
      [9999, 10_000, 10_001].map((offset) => `aaaa.${offset};${HASH}`),
    );
  });

  test('is given one change of any size, and keeps nothing of what it has read', async (scope) => {
    const { connection, server } = setUp(scope);
    const reader = watch(connection, {});
    const first = reader.next();
    await settle();
    server.socket.give(opened(1, 0));
    await first;
    server.socket.give({ ...big(1, 1), padding: 'x'.repeat(2 * WAITING_LENGTH_MAX) });
    assert.equal((await reader.next()).value?.position, `aaaa.1;${HASH}`);
    // Never quite level: one frame always waits.
    server.socket.give(frame(1, 2));
    for (let offset = 3; offset < 5000; offset += 1) {
      server.socket.give(frame(1, offset));
      assert.equal((await reader.next()).value?.position, `aaaa.${offset - 1};${HASH}`);
    }
    assert.equal(server.socket.sent.length, 1);
  });
});
