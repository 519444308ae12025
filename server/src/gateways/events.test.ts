import assert from 'node:assert/strict';
import { after, beforeEach, describe, test } from 'node:test';
import { LatchkeyError } from '@latchkey/client';
import { type MemoryCore, memoryCore } from '../../../test/support/memory-core.ts';
import { eventsGateway } from './events.ts';
import { type HttpListener, makeHttp } from './http.ts';

describe('POST /v1/events', () => {
  let core: MemoryCore;
  let http: HttpListener;

  beforeEach(async () => {
    await http?.close();
    core = memoryCore();
    http = await makeHttp(core, [eventsGateway]);
  });
  after(() => http.close());

  const send = (body: unknown) =>
    http.app.inject({
      method: 'POST',
      url: '/v1/events',
      headers: { host: 'localhost', 'content-type': 'application/json' },
      payload: typeof body === 'string' ? body : JSON.stringify(body),
    });
  const set = (key: string, value: unknown, ttl?: unknown) => ({ key: 'SET', value: { data: { key, value }, ttl } });

  const refuseAll = (code: 'forbidden' | 'store-full') => {
    core.log.submit = async ({ commands }) => ({
      outcomes: commands.map(() => ({ outcome: 'refused', code, message: 'No.' })),
      position: core.log.view.position(),
    });
  };

  test('a SET is answered with the position it can be read at', async () => {
    const answer = await send(set('a', { x: 1 }, '60'));
    assert.equal(answer.statusCode, 200);
    assert.equal(answer.json().position, 'aaaa.1');
    assert.equal(answer.headers['latchkey-position'], 'aaaa.1');
    assert.equal(core.log.view.get('a')?.expires, core.log.view.now + 60_000_000);
  });

  test('a GET returns the value', async () => {
    await send(set('a', { x: 1 }));
    const answer = await send({ key: 'GET', value: { data: 'a' } });
    assert.equal(answer.statusCode, 200);
    assert.deepEqual(answer.json().value, { x: 1 });
  });

  test('DELETE and DELETE_PATTERN tell how many and which keys, and a dry run which would go', async () => {
    await send({ key: 'SET', value: { data: { 'a.1': 1, 'a.2': 2, b: 3 } } });
    const removed = (await send({ key: 'DELETE', value: { data: ['b', 'nobody'] } })).json();
    assert.deepEqual([removed.removed, removed.keys], [1, ['b']]);
    const dry = (await send({ key: 'DELETE_PATTERN', value: { data: { pattern: 'a.*', dryRun: true } } })).json();
    assert.deepEqual(dry.keys, ['a.1', 'a.2']);
    const gone = (await send({ key: 'DELETE_PATTERN', value: { data: 'a.*' } })).json();
    assert.deepEqual([gone.removed, gone.keys], [2, ['a.1', 'a.2']]);
  });

  test('an array is answered with an array, each event by itself, with 207 when one was refused', async () => {
    const answer = await send([set('a', 1), { key: 'NONSENSE', value: {} }, { key: 'GET', value: { data: 'a' } }]);
    assert.equal(answer.statusCode, 207);
    const results = answer.json();
    assert.equal(results.length, 3);
    assert.ok(results[0].position);
    assert.ok(results[1].error.code);
    assert.equal(results[2].value, 1);
    assert.equal((await send([set('a', 1)])).statusCode, 200);
    assert.deepEqual((await send([])).json(), []);
  });

  test('an event that was read but refused by the log is 207, not a reason to send it again', async () => {
    refuseAll('forbidden');
    assert.equal((await send([set('a', 1)])).statusCode, 207);
    assert.equal((await send(set('a', 1))).json().refused[0].code, 'forbidden');
  });

  test('400 only where nothing could be read', async () => {
    assert.equal((await send('{"key":')).statusCode, 400);
    assert.equal((await send('')).statusCode, 400);
    assert.equal((await send({ key: 'NONSENSE', value: {} })).statusCode, 400);
    assert.equal((await send([{ key: 'NONSENSE' }, 5])).statusCode, 400);
    assert.equal((await send(set('a', 1, -5))).statusCode, 400);
  });

  test('overload is 429 and a store that cannot keep more is 503, with Retry-After', async () => {
    core.log.fault = new LatchkeyError('overloaded', 'Too much waits.', { retryAfter: 3 });
    const overloaded = await send(set('a', 1));
    assert.deepEqual([overloaded.statusCode, overloaded.headers['retry-after']], [429, '3']);
    core.log.fault = new LatchkeyError('storage-full', 'Full.');
    assert.equal((await send(set('a', 1))).statusCode, 503);
    core.log.fault = undefined;
    refuseAll('store-full');
    const full = await send(set('a', 1));
    assert.deepEqual([full.statusCode, full.headers['retry-after']], [503, '1']);
  });
});
