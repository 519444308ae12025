import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ask, get, put, remove } from '../support/http-client.ts';
import { ServerProcess } from '../support/server-process.ts';
import { SseClient } from '../support/sse-client.ts';
import { WebSocketClient } from '../support/websocket-client.ts';

const MALFORMED = [
  'x',
  'null',
  '0',
  'k3x9',
  'k3x9.',
  'k3x9.-1',
  'k3x9.1~',
  'k3x9.99999999999999999',
  'k3x9.64-1',
  'k3x9.1;zz',
  'K3X9.1',
  '../../etc/passwd',
  '[object Object]',
  `k3x9.${'1,'.repeat(1000)}1`,
  '9'.repeat(5000),
  '%00',
];

describe('a position that this server cannot honour', () => {
  let server: ServerProcess;
  let epoch = '';
  /** Of a watch of `a.`, at the log's head. */
  let position = '';
  before(async () => {
    server = await ServerProcess.start();
    for (const key of ['a.1', 'a.2', 'b.1']) await put(server.url, key, key);
    const watch = await SseClient.open(`${server.url}/v1/watch?prefix=a.`);
    position = (await watch.named('synced')).id as string;
    epoch = position.split('.')[0] as string;
    watch.close();
  });
  after(() => server.dispose());

  /** Told in-band what to forget, and given everything again, on the same connection. */
  async function assertReset(from: string, reason: string, query = 'prefix=a.'): Promise<void> {
    for (const where of ['from', 'last-event-id']) {
      const url = `${server.url}/v1/watch?${query}${where === 'from' ? `&from=${encodeURIComponent(from)}` : ''}`;
      const watch = await SseClient.open(url, where === 'from' ? {} : { lastEventId: from });
      await watch.named('synced');
      const reset = await watch.named('reset');
      assert.equal(JSON.parse(reset.data).reason, reason, `${where} ${from}`);
      const order = watch.events.map(({ event }) => event);
      assert.deepEqual(order.slice(0, 2), ['opened', 'reset'], 'nothing comes before it is said');
      const { changes } = watch;
      const expected = query === 'prefix=a.' ? ['a.1', 'a.2'] : ['b.1'];
      assert.deepEqual(
        changes.map(({ key }) => key),
        expected,
      );
      watch.close();
    }
    const socket = await WebSocketClient.open(server.url);
    const filter = { prefixes: [query.slice('prefix='.length)] };
    socket.send({ op: 'watch', id: 1, filter, from });
    await socket.until('synced', ({ op }) => op === 'synced');
    assert.equal((await socket.until('reset', ({ op }) => op === 'reset')).reason, reason);
    socket.close();
  }

  test('malformed, as a parameter, a header, in a body or a frame: 400 position-invalid', async () => {
    const socket = await WebSocketClient.open(server.url);
    for (const [index, from] of MALFORMED.entries()) {
      const answers = await Promise.all([
        ask(`${server.url}/v1/watch?from=${encodeURIComponent(from)}`),
        ask(`${server.url}/v1/watch`, { headers: { 'last-event-id': from } }),
        ask(`${server.url}/v1/watch`, { method: 'POST', body: JSON.stringify({ from }) }),
        ask(`${server.url}/v1/keys/a.1?minPosition=${encodeURIComponent(from)}`),
      ]);
      for (const { json, status, text } of answers) {
        const { code } = (json as { error: { code: string } }).error;
        assert.deepEqual([status, code], [400, 'position-invalid'], `${from.slice(0, 40)}: ${text.slice(0, 300)}`);
      }
      const refused = await socket.ask({ op: 'watch', id: index, from });
      assert.equal(refused.code, 'position-invalid', from);
    }
    socket.close();
  });

  test('in a snapshot that would have gone past its own end: 400 position-invalid', async () => {
    const answer = await ask(`${server.url}/v1/watch?from=${epoch}.5~1`);
    assert.deepEqual(
      [answer.status, (answer.json as { error: { code: string } }).error.code],
      [400, 'position-invalid'],
    );
  });

  test('malformed as a bound of a read or a condition: 400 position-invalid', async () => {
    for (const version of ['x', '"', 'k3x9.', 'k3x9.1~2']) {
      const answer = await get(server.url, 'a.1', `?after=${encodeURIComponent(version)}`);
      assert.deepEqual(
        [answer.status, (answer.json as { error: { code: string } }).error.code],
        [400, 'position-invalid'],
      );
    }
  });

  test('of another store: reset', () => assertReset('zzzz9.2', 'epoch'));

  test('from the future: reset', () => assertReset(`${epoch}.4000`, 'ahead'));

  test('with the hash of another filter: reset', () => assertReset(position, 'filter', 'prefix=b.'));

  test('with a hash that somebody made up: reset', () => assertReset(`${epoch}.3;abcdef`, 'filter'));

  test('empty or blank, as an EventSource that has seen nothing sends it: everything from the start', async () => {
    for (const lastEventId of ['', ' ']) {
      const watch = await SseClient.open(`${server.url}/v1/watch?prefix=a.`, { lastEventId });
      await watch.named('synced');
      assert.deepEqual(
        watch.events.map(({ event }) => event),
        ['opened', 'message', 'message', 'synced'],
      );
      watch.close();
    }
  });

  test('ahead of this node, for a read that waits: 503 position-ahead with Retry-After', async () => {
    const answer = await get(server.url, 'a.1', `?minPosition=${epoch}.4000&wait=0.05`);
    assert.deepEqual([answer.status, (answer.json as { error: { code: string } }).error.code], [503, 'position-ahead']);
    assert.ok(answer.headers.has('retry-after'));
  });
});

test('a position below the tombstone floor: reset, so that what was removed meanwhile does not stay for ever', async (t) => {
  const server = await ServerProcess.start({ env: { LATCHKEY_TOMBSTONES_AGE_MAX: '1s' } }, t);
  await put(server.url, 'a.1', 1);
  const before = await SseClient.open(`${server.url}/v1/watch?prefix=a.`);
  const { id } = await before.named('synced');
  before.close();
  await remove(server.url, 'a.1');
  // Collecting is announced by nothing; a watch of the old position is told once it happened.
  const deadline = AbortSignal.timeout(20_000);
  for (let pings = 0; ; pings += 1) {
    deadline.throwIfAborted();
    await put(server.url, 'other', pings);
    const watch = await SseClient.open(`${server.url}/v1/watch?prefix=a.`, { lastEventId: id as string });
    await watch.named('synced');
    const reset = watch.events.find(({ event }) => event === 'reset');
    const removed = watch.changes.map(({ op }) => op);
    watch.close();
    if (reset === undefined) {
      assert.deepEqual(removed, ['remove'], 'as long as the tombstone is there it is delivered');
      continue;
    }
    assert.equal(JSON.parse(reset.data).reason, 'collected');
    assert.deepEqual(removed, []);
    break;
  }
});
