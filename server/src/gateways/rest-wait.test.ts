import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request } from 'node:http';
import { after, beforeEach, describe, test } from 'node:test';
import { type MemoryCore, memoryCore } from '../../../test/support/memory-core.ts';
import { type HttpListener, makeHttp } from './http.ts';
import { KeyWaiters } from './key-waiters.ts';
import { restGateway } from './rest.ts';

describe('waiting for a key', () => {
  let core: MemoryCore;
  let http: HttpListener;

  beforeEach(async () => {
    await http?.close();
    core = memoryCore();
    http = await makeHttp(core, [restGateway]);
  });
  after(() => http.close());

  const ask = (url: string) => http.app.inject({ url, headers: { host: 'localhost' } });
  const turns = async (count = 5) => {
    for (let turn = 0; turn < count; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  };

  test('?after= answers at once where the key is newer already', async () => {
    core.log.view.put('a', 1);
    core.log.view.put('a', 2);
    const answer = await ask('/v1/keys/a?after=aaaa.1&wait=30');
    assert.deepEqual([answer.statusCode, answer.body], [200, '2']);
  });

  test('?after=&wait= answers with the next change of that key and of no other', async () => {
    core.log.view.put('a', 1);
    const waiting = ask('/v1/keys/a?after=aaaa.1&wait=30');
    await turns();
    core.log.view.put('b', 1);
    await turns();
    core.log.view.put('a', 2);
    assert.equal((await waiting).body, '2');
  });

  test('a removal in the meantime is told as 404', async () => {
    core.log.view.put('a', 1);
    const waiting = ask('/v1/keys/a?after=aaaa.1&wait=30');
    await turns();
    core.log.view.remove('a');
    assert.equal((await waiting).statusCode, 404);
  });

  test('without a change it is 204 at the end of the wait, or at once without a wait', async () => {
    core.log.view.put('a', 1);
    assert.equal((await ask('/v1/keys/a?after=aaaa.1')).statusCode, 204);
    assert.equal((await ask('/v1/keys/a?after=aaaa.1&wait=0.01')).statusCode, 204);
    assert.equal((await ask('/v1/keys/nobody?after=aaaa.1&wait=0.01')).statusCode, 204);
  });

  test('a version of another store is older than everything', async () => {
    core.log.view.put('a', 1);
    assert.equal((await ask('/v1/keys/a?after=zzzz.99&wait=30')).statusCode, 200);
  });

  test('malformed waits are refused by name', async () => {
    for (const [query, field] of [
      ['after=x', 'after'],
      ['after=aaaa.1&wait=301', 'wait'],
      ['after=aaaa.1&wait=-1', 'wait'],
      ['wait=1', 'wait'],
      ['minPosition=x', 'minPosition'],
      ['limit=1', 'limit'],
    ]) {
      const answer = await ask(`/v1/keys/a?${query}`);
      assert.deepEqual([answer.statusCode, answer.json().error.field], [400, field], query);
    }
  });

  test('?minPosition= waits for this node to get there, and is 503 position-ahead if it does not', async () => {
    core.log.view.put('a', 1);
    assert.equal((await ask('/v1/keys/a?minPosition=aaaa.1')).body, '1');
    const waiting = ask('/v1/keys/a?minPosition=aaaa.2&wait=30');
    await turns();
    core.log.view.put('a', 2);
    assert.equal((await waiting).body, '2');
    const ahead = await ask('/v1/keys/a?minPosition=aaaa.9&wait=0.01');
    assert.deepEqual(
      [ahead.statusCode, ahead.json().error.code, ahead.headers['retry-after']],
      [503, 'position-ahead', '1'],
    );
  });

  test('a client that goes away is forgotten at once, and stopping releases the others with 204', async () => {
    const { port } = await http.listen();
    core.log.view.put('a', 1);
    const path = '/v1/keys/a?after=aaaa.1&wait=60';
    const gone = request({ port, host: '127.0.0.1', path });
    gone.on('error', () => {});
    gone.end();
    const stays = request({ port, host: '127.0.0.1', path });
    stays.end();
    while (http.connections() < 2) await turns(1);
    gone.destroy();
    while (http.connections() > 1) await turns(1);
    const answered = once(stays, 'response');
    await http.close();
    assert.equal((await answered)[0].statusCode, 204);
  });

  test('waiters are bounded: one too many is 429 with Retry-After, and nobody is left behind', async () => {
    const waiters = new KeyWaiters(core.log.view, 2);
    const client = { once: () => {}, removeListener: () => {} };
    const first = waiters.wait('a', 60_000, client);
    const second = waiters.wait('b', 60_000, client);
    await assert.rejects(waiters.wait('a', 60_000, client), { code: 'overloaded' });
    waiters.checkInvariants();
    core.log.view.put('a', 1);
    assert.equal(await first, 'changed');
    waiters.checkInvariants();
    assert.equal(waiters.count, 1);
    waiters.close();
    assert.equal(await second, 'closed');
    assert.equal(await waiters.wait('a', 60_000, client), 'closed');
    waiters.checkInvariants();
    assert.equal(waiters.count, 0);
  });
});
