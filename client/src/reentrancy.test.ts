// What handlers may do while they are called, and what other clients' users lost by it: the cases of centrifuge-js #402 to #434
// and centrifuge-dart #128 and #142, each with what this client promises instead.
import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import {
  changed,
  FakeServer,
  frame,
  HASH,
  opened,
  type Sent,
  settle,
  synced,
  until,
} from '../../test/support/fake-websocket.ts';
import { type Connection, connect } from './connection.ts';
import { LatchkeyError } from './error.ts';
import { mirror } from './mirror.ts';
import { type Watch, watch } from './watch.ts';
import { isChange, type WatchEvent } from './watch-event.ts';

function setUp(scope: TestContext): { connection: Connection; server: FakeServer; thrown: unknown[] } {
  const server = new FakeServer();
  const thrown: unknown[] = [];
  const connection = connect({
    server: 'http://127.0.0.1:1',
    transport: 'websocket',
    openWebSocket: server.open,
    random: () => 0,
    onHandlerError: (error) => thrown.push(error),
  });
  scope.after(() => connection.close());
  return { connection, server, thrown };
}

const show = (event: WatchEvent) => (isChange(event) ? event.value : event.op);

describe('inside a handler', () => {
  test('the position moves with each change, never to the end of a frame: who leaves in its middle goes on in its middle', async (scope) => {
    const { connection, server } = setUp(scope);
    const seen: unknown[] = [];
    const watching: Watch = watch(connection, {}, (event) => {
      seen.push([show(event), watching.position]);
      if (isChange(event) && event.value === 2) watching.close();
    });
    await settle();
    server.socket.give(opened(1, 0), frame(1, 1, 2, 3));
    await settle();
    assert.deepEqual(seen, [
      ['opened', `aaaa.0;${HASH}`],
      [1, `aaaa.1;${HASH}`],
      [2, `aaaa.2;${HASH}`],
    ]);
    assert.equal(watching.position, `aaaa.2;${HASH}`);
  });

  test('watching again from a change repeats it not, and loses nothing behind it', async (scope) => {
    const { connection, server } = setUp(scope);
    const seen: unknown[] = [];
    let watching: Watch;
    const again = (event: WatchEvent) => {
      if (!isChange(event)) return;
      seen.push(event.value);
      if (event.value !== 2) return;
      watching.close();
      watching = watch(connection, {}, again, { from: watching.position as string });
    };
    watching = watch(connection, {}, again);
    await settle();
    server.socket.give(opened(1, 0), synced(1, 0), frame('g1', 1, 2, 3), frame('g1', 4));
    await settle();
    assert.deepEqual(server.sockets.length, 1, 'the connection is kept');
    assert.deepEqual(
      server.socket.sent.map(({ op, id, from }) => [op, id, from]),
      [
        ['watch', 1, 'start'],
        ['unwatch', 1, undefined],
        ['watch', 2, `aaaa.2;${HASH}`],
      ],
    );
    server.socket.give(opened(2, 2), frame(2, 3, 4), synced(2, 4));
    await settle();
    assert.deepEqual(seen, [1, 2, 3, 4]);
  });

  test('frames that were on their way to a watch which was left are not taken for the one that follows it', async (scope) => {
    const { connection, server } = setUp(scope);
    const first: unknown[] = [];
    const second: unknown[] = [];
    const watching = watch(connection, {}, (event) => first.push(show(event)));
    await settle();
    server.socket.give(opened(1, 0), synced(1, 0));
    await settle();
    watching.close();
    const next = watch(connection, {}, (event) => second.push(show(event)), { from: watching.position as string });
    await settle();
    server.socket.give(frame('g1', 1), frame(1, 2), synced(1, 2), { op: 'unwatched', id: 1 });
    await settle();
    assert.deepEqual(first, ['opened', 'synced']);
    assert.deepEqual(second, []);
    assert.equal(next.status.kind, 'connecting');
    server.socket.give(opened(2, 0), frame(2, 1), synced(2, 1), frame('g1', 2));
    await settle();
    assert.deepEqual(second, ['opened', 1, 'synced', 2]);
  });

  const every: readonly (readonly [string, Sent])[] = [
    ['opened', opened(1, 0)],
    ['put', frame(1, 1)],
    ['remove', { id: 1, changes: [changed(1, { op: 'remove', reason: 'deleted' })], position: `aaaa.1;${HASH}` }],
    ['stale', { id: 1, changes: [changed(1, { op: 'stale' })], position: `aaaa.1;${HASH}` }],
    ['synced', synced(1, 1)],
    ['progress', { op: 'progress', id: 1, position: `aaaa.9;${HASH}` }],
    ['conflated', { op: 'conflated', id: 1, from: `aaaa.0;${HASH}`, to: `aaaa.9;${HASH}` }],
    ['reset', { op: 'reset', id: 1, reason: 'epoch', position: `aaaa.0;${HASH}` }],
    ['bye', { op: 'bye', id: 1, afterMs: 60_000 }],
  ];
  for (const [op, given] of every) {
    test(`closing at ${op} hands out nothing more, and watching again there begins one watch`, async (scope) => {
      const { connection, server, thrown } = setUp(scope);
      const seen: string[] = [];
      const watching: Watch = watch(connection, {}, (event) => {
        seen.push(event.op);
        if (event.op !== op) return;
        watching.close();
        watch(connection, { keys: ['other'] }, () => {});
      });
      await settle();
      if (op !== 'opened') server.socket.give(opened(1, 0));
      server.socket.give(given, frame(1, 5, 6), synced(1, 6));
      await settle();
      assert.deepEqual(seen, op === 'opened' ? [op] : ['opened', op]);
      assert.equal(watching.status.kind, 'closed');
      assert.equal(await watching.closed, undefined);
      assert.deepEqual(
        server.socket.watches.map(({ id }) => id),
        [1, 2],
      );
      assert.deepEqual(thrown, []);
    });

    test(`throwing at ${op} is told, and everything behind it comes once`, async (scope) => {
      const { connection, server, thrown } = setUp(scope);
      const seen: string[] = [];
      watch(connection, {}, (event) => {
        seen.push(event.op);
        if (event.op === op && thrown.length === 0) throw new Error(`at ${op}`);
      });
      await settle();
      if (op !== 'opened') server.socket.give(opened(1, 0));
      server.socket.give(given);
      // After `bye` the server sends nothing more.
      if (op !== 'bye') server.socket.give(frame(1, 15, 16));
      await settle();
      const behind = op === 'bye' ? [] : ['put', 'put'];
      assert.deepEqual(seen, op === 'opened' ? [op, ...behind] : ['opened', op, ...behind]);
      assert.deepEqual(thrown.map(String), [`Error: at ${op}`]);
    });
  }

  test('the next event waits for a promise that a handler gave, and a rejection is told', async (scope) => {
    const { connection, server, thrown } = setUp(scope);
    const seen: unknown[] = [];
    const first = Promise.withResolvers<void>();
    watch(connection, {}, async (event) => {
      seen.push(show(event));
      if (isChange(event) && event.value === 1) await first.promise;
    });
    await settle();
    server.socket.give(opened(1, 0), frame(1, 1, 2));
    await settle();
    assert.deepEqual(seen, ['opened', 1]);
    first.reject(new Error('late'));
    await settle();
    assert.deepEqual(seen, ['opened', 1, 2]);
    assert.deepEqual(thrown.map(String), ['Error: late']);
  });

  test('a watch that is closed while a handler’s promise is under way hands out nothing when it settles', async (scope) => {
    const { connection, server } = setUp(scope);
    const seen: unknown[] = [];
    const first = Promise.withResolvers<void>();
    const watching = watch(connection, {}, (event) => {
      seen.push(show(event));
      return event.op === 'put' ? first.promise : undefined;
    });
    await settle();
    server.socket.give(opened(1, 0), frame(1, 1, 2));
    await settle();
    watching.close();
    first.resolve();
    await settle();
    assert.deepEqual(seen, ['opened', 1]);
  });

  test('closing in onStatus and in onRetry ends the watch, and throwing there does not', async (scope) => {
    for (const kind of ['connecting', 'catching-up', 'live', 'waiting', 'closed'] as const) {
      for (const does of ['close', 'throw'] as const) {
        const { connection, server, thrown } = setUp(scope);
        const kinds: string[] = [];
        const watching: Watch = watch(connection, {}, () => {}, {
          onStatus: (status) => {
            kinds.push(status.kind);
            if (status.kind !== kind) return;
            if (does === 'close') watching.close();
            else throw new Error(kind);
          },
        });
        await settle();
        server.sockets[0]?.give(opened(1, 0), synced(1, 0));
        await settle();
        server.sockets[0]?.cut();
        await settle();
        if (does === 'throw' || kind === 'closed') watching.close();
        await settle();
        assert.equal(watching.status.kind, 'closed');
        assert.equal(kinds.filter((each) => each === 'closed').length, 1);
        assert.equal(thrown.length > 0, does === 'throw');
        connection.close();
      }
    }
    const { connection, server } = setUp(scope);
    const watching: Watch = watch(connection, {}, () => {}, { onRetry: () => watching.close() });
    server.isUp = false;
    await settle();
    assert.equal(watching.status.kind, 'closed');
    assert.equal(server.sockets.length, 1);
  });

  test('closing the whole client ends every watch, each once', async (scope) => {
    const { connection, server } = setUp(scope);
    const seen: string[] = [];
    const one: Watch = watch(connection, { keys: ['a'] }, (event) => {
      seen.push(`one ${event.op}`);
      if (event.op === 'opened') connection.close();
    });
    const two = watch(connection, { keys: ['b'] }, (event) => seen.push(`two ${event.op}`));
    await settle();
    server.socket.give(opened(1, 0), opened(2, 0), frame(1, 1), frame(2, 2));
    await settle();
    assert.deepEqual(
      seen.filter((each) => each !== 'two opened'),
      ['one opened'],
    );
    assert.deepEqual(await Promise.all([one.closed, two.closed]), [undefined, undefined]);
    await until('end of the socket', () => server.socket.isClosed);
    assert.equal(watch(connection).status.kind, 'closed');
  });
});

describe('what is known of the server', () => {
  test('a watch cut before it had a position asks for its own beginning; one that has a position never leaves it out', async (scope) => {
    const { connection, server } = setUp(scope);
    watch(connection, {}, () => {}, { from: 'now' });
    await settle();
    server.socket.cut();
    await server.next();
    server.socket.give({ ...opened(1, 7), epoch: 'aaaa' });
    await settle();
    server.socket.cut();
    await server.next();
    assert.deepEqual(
      server.sockets.map(({ watches }) => watches.map(({ from }) => from)),
      [['now'], ['now'], [`aaaa.7;${HASH}`]],
    );
  });

  test('what a frame brought before the cut is handed out before the next connection is asked for', async (scope) => {
    const { connection, server } = setUp(scope);
    const seen: unknown[] = [];
    watch(connection, {}, (event) => seen.push(show(event)));
    await settle();
    server.socket.give(opened(1, 0), frame(1, 1, 2), frame(1, 3));
    server.socket.cut();
    await server.next();
    assert.deepEqual(seen, ['opened', 1, 2, 3]);
    assert.deepEqual(
      server.socket.watches.map(({ from }) => from),
      [`aaaa.3;${HASH}`],
    );
  });

  test('a conflated range that was cut is asked for again from in front of it', async (scope) => {
    const { connection, server } = setUp(scope);
    watch(connection, {}, () => {});
    await settle();
    const conflated = { op: 'conflated', id: 1, from: `aaaa.2;${HASH}`, to: `aaaa.9;${HASH}` };
    server.socket.give(opened(1, 0), frame(1, 1, 2), conflated);
    await settle();
    server.socket.cut();
    await server.next();
    assert.equal(server.socket.watches[0]?.from, `aaaa.2;${HASH}`);
  });
});

describe('a mirror', () => {
  test('is ready only when the last entry of the snapshot is shown, also across a cut in its middle', async (scope) => {
    const { connection, server } = setUp(scope);
    const board = mirror(connection);
    let isReady = false;
    void board.ready.then(() => {
      isReady = true;
      assert.equal(board.entries().length, 3);
    });
    await settle();
    server.socket.give({ ...opened(1, 0), position: `aaaa.0~3;${HASH}` });
    server.socket.give({ ...frame(1, 1), position: `aaaa.1~3;${HASH}` });
    await settle();
    server.socket.cut();
    await server.next();
    assert.equal(server.socket.watches[0]?.from, `aaaa.1~3;${HASH}`);
    server.socket.give({ ...opened(1, 0), position: `aaaa.1~3;${HASH}` });
    server.socket.give({ ...frame(1, 2, 3), position: `aaaa.3~3;${HASH}` });
    await settle();
    assert.equal(isReady, false);
    server.socket.give(synced(1, 3));
    await settle();
    assert.equal(isReady, true);
  });

  test('its listeners may unsubscribe each other, subscribe, close and throw', async (scope) => {
    const { connection, server, thrown } = setUp(scope);
    const board = mirror(connection);
    const calls: string[] = [];
    const stops: (() => void)[] = [];
    stops.push(
      board.subscribe(() => {
        calls.push('first');
        stops[1]?.();
        board.subscribe(() => calls.push('later'));
        throw new Error('a listener');
      }, 'k1'),
      board.subscribe(() => calls.push('second'), 'k1'),
    );
    board.subscribe(() => {
      calls.push('closer');
      board.close();
      board.subscribe(() => calls.push('after the end'));
    }, 'k2');
    board.subscribe(() => calls.push('never'), 'k2');
    await settle();
    server.socket.give(opened(1, 0), frame(1, 1));
    await settle();
    assert.deepEqual(calls, ['first']);
    assert.deepEqual(thrown.map(String), ['Error: a listener']);
    server.socket.give(frame(1, 2), frame(1, 3));
    await settle();
    assert.deepEqual(calls, ['first', 'later', 'closer']);
    assert.equal(board.status.kind, 'closed');
    for (const stop of stops) stop();
    await assert.rejects(board.ready, (error) => error instanceof LatchkeyError && error.code === 'closing');
  });

  test('calls that gave up waiting leave nothing behind', async (scope) => {
    const { connection, server } = setUp(scope);
    const board = mirror(connection);
    await settle();
    server.socket.give(opened(1, 0), synced(1, 0));
    await settle();
    for (let round = 0; round < 3; round += 1) {
      const abort = new AbortController();
      const waits = Array.from({ length: 1000 }, () => board.waitFor('aaaa.5', { signal: abort.signal }));
      await assert.rejects(
        board.waitFor('aaaa.5'),
        (error) => error instanceof LatchkeyError && error.code === 'overloaded',
      );
      abort.abort(new Error('enough'));
      assert.ok((await Promise.allSettled(waits)).every(({ status }) => status === 'rejected'));
    }
    const wait = board.waitFor('aaaa.5');
    server.socket.give(frame('g1', 5));
    await wait;
  });
});
