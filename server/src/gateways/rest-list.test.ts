import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { type MemoryCore, memoryCore } from '../../../test/support/memory-core.ts';
import { type HttpListener, makeHttp } from './http.ts';
import { restGateway } from './rest.ts';

describe('GET and DELETE /v1/keys', () => {
  let core: MemoryCore;
  let http: HttpListener;

  before(async () => {
    core = memoryCore(
      {},
      { access: { allowed: (_who, action, key) => action !== 'read' || !key.startsWith('secret'), grants: () => '' } },
    );
    http = await makeHttp(core, [restGateway]);
    for (const key of ['b.2', 'a.1', 'b.1', 'c', 'secret.1']) core.log.view.put(key, { of: key });
  });
  after(() => http.close());

  const ask = (url: string, headers: Record<string, string> = {}, method: 'GET' | 'DELETE' = 'GET') =>
    http.app.inject({ method, url, headers: { host: 'localhost', ...headers } });
  const keysOf = (entries: readonly { readonly key: string }[]) => entries.map(({ key }) => key);

  test('entries come in the byte order of their keys, with the position they hold at, and only what may be read', async () => {
    const answer = await ask('/v1/keys');
    assert.deepEqual(keysOf(answer.json().entries), ['a.1', 'b.1', 'b.2', 'c']);
    assert.deepEqual(answer.json().entries[0].value, { of: 'a.1' });
    assert.equal(answer.json().position, 'aaaa.5');
    assert.equal(answer.headers['latchkey-position'], 'aaaa.5');
    assert.equal(answer.headers['cache-control'], 'no-cache');
    assert.equal(answer.json().cursor, undefined);
  });

  test('prefix and pattern narrow the list, and values=false leaves values out', async () => {
    assert.deepEqual(keysOf((await ask('/v1/keys?prefix=b.')).json().entries), ['b.1', 'b.2']);
    assert.deepEqual(keysOf((await ask('/v1/keys?pattern=*.1')).json().entries), ['a.1', 'b.1']);
    assert.deepEqual(keysOf((await ask('/v1/keys?prefix=b.&pattern=*.1')).json().entries), ['b.1']);
    assert.equal('value' in (await ask('/v1/keys?values=false')).json().entries[0], false);
  });

  test('pages go on by their cursor and all carry the position of the first', async () => {
    const first = (await ask('/v1/keys?limit=2')).json();
    assert.deepEqual(keysOf(first.entries), ['a.1', 'b.1']);
    core.log.view.put('a.0', 1);
    const second = (await ask(`/v1/keys?limit=2&cursor=${first.cursor}`)).json();
    assert.deepEqual(keysOf(second.entries), ['b.2', 'c']);
    assert.equal(second.position, first.position);
    core.log.view.remove('a.0');
  });

  test('a cursor that is none is refused', async () => {
    for (const cursor of [
      'x',
      'bnVsbA',
      Buffer.from('["no position","a"]').toString('base64url'),
      Buffer.from('["aaaa.1",""]').toString('base64url'),
    ]) {
      const answer = await ask(`/v1/keys?cursor=${cursor}`);
      assert.deepEqual([answer.statusCode, answer.json().error.field], [400, 'cursor']);
    }
  });

  test('limits and names of parameters are checked', async () => {
    for (const limit of ['0', '1001', 'x', '-1', '1.5'])
      assert.equal((await ask(`/v1/keys?limit=${limit}`)).json().error.field, 'limit');
    assert.match((await ask('/v1/keys?perfix=a')).json().error.message, /prefix, pattern, limit, cursor, values/);
    assert.equal((await ask('/v1/keys?pattern=')).json().error.code, 'pattern-invalid');
  });

  test('Accept: application/x-ndjson streams every entry, one a line', async () => {
    const answer = await ask('/v1/keys', { accept: 'application/x-ndjson' });
    assert.match(answer.headers['content-type'] as string, /^application\/x-ndjson/);
    assert.ok(answer.body.endsWith('\n'));
    assert.deepEqual(
      keysOf(
        answer.body
          .trimEnd()
          .split('\n')
          .map((line) => JSON.parse(line)),
      ),
      ['a.1', 'b.1', 'b.2', 'c'],
    );
    assert.equal(
      (await ask('/v1/keys?limit=3', { accept: 'application/x-ndjson' })).body.trimEnd().split('\n').length,
      3,
    );
    assert.equal((await ask('/v1/keys?prefix=nobody', { accept: 'application/x-ndjson' })).body, '');
  });

  test('a reader that takes nothing is not read ahead for', async () => {
    const big = memoryCore();
    const listener = await makeHttp(big, [restGateway]);
    const value = 'x'.repeat(60_000);
    for (let index = 0; index < 1000; index += 1) big.log.view.put(`big.${index}`, value);
    let pages = 0;
    const list = big.log.view.list.bind(big.log.view);
    const paged = Promise.withResolvers<void>();
    big.log.view.list = (options) => {
      pages += 1;
      paged.resolve();
      // The view in memory knows no limit in bytes: one entry fills a chunk.
      return list({ ...options, limit: 1 });
    };
    const { port } = await listener.listen();
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    socket.write('GET /v1/keys HTTP/1.1\r\nHost: localhost\r\nAccept: application/x-ndjson\r\n\r\n');
    await paged.promise;
    // Nothing is read from the socket; what the kernel takes is far less than the 60 MB there are.
    let before = -1;
    while (before !== pages) {
      before = pages;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    assert.ok(pages < 500, `${pages} of 1000 pages were read for nobody`);
    socket.destroy();
    await listener.close();
    assert.equal(listener.connections(), 0);
  });

  test('a reader that takes nothing for stalledTimeout is cut off', async () => {
    const big = memoryCore({ feed: { stalledTimeoutMs: 100 } });
    const listener = await makeHttp(big, [restGateway]);
    for (let index = 0; index < 200; index += 1) big.log.view.put(`big.${index}`, 'x'.repeat(100_000));
    const { port } = await listener.listen();
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => {});
    await once(socket, 'connect');
    socket.write('GET /v1/keys HTTP/1.1\r\nHost: localhost\r\nAccept: application/x-ndjson\r\n\r\n');
    while (listener.connections() === 0) await new Promise((resolve) => setImmediate(resolve));
    while (listener.connections() > 0) await new Promise((resolve) => setImmediate(resolve));
    socket.destroy();
    await listener.close();
  });

  test('DELETE needs a pattern, tells what went, and dryRun only what would', async () => {
    assert.equal((await ask('/v1/keys', {}, 'DELETE')).json().error.code, 'pattern-required');
    const dry = (await ask('/v1/keys?pattern=b.*&dryRun=true', {}, 'DELETE')).json();
    assert.deepEqual(dry, { outcome: 'value', keys: ['b.1', 'b.2'], truncated: false });
    const done = (await ask('/v1/keys?pattern=b.*', {}, 'DELETE')).json();
    assert.deepEqual([done.outcome, done.removed, done.keys, done.truncated], ['applied', 2, ['b.1', 'b.2'], false]);
    assert.match(done.version, /^aaaa\.\d+$/);
    const none = (await ask('/v1/keys?pattern=b.*', {}, 'DELETE')).json();
    assert.deepEqual(none, { outcome: 'applied', removed: 0, keys: [], truncated: false });
  });
});
