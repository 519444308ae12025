import assert from 'node:assert/strict';
import { after, beforeEach, describe, test } from 'node:test';
import { LatchkeyError } from '@latchkey/client';
import { type MemoryCore, memoryCore } from '../../../test/support/memory-core.ts';
import { type HttpListener, makeHttp } from './http.ts';
import { restGateway } from './rest.ts';

describe('POST /v1/commands', () => {
  let core: MemoryCore;
  let http: HttpListener;

  beforeEach(async () => {
    await http?.close();
    core = memoryCore();
    http = await makeHttp(core, [restGateway]);
  });
  after(() => http.close());

  const send = (body: unknown, headers: Record<string, string> = {}, query = '') =>
    http.app.inject({
      method: 'POST',
      url: `/v1/commands${query}`,
      headers: { host: 'localhost', 'content-type': 'application/json', ...headers },
      payload: typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body),
    });

  test('a JSON array is answered with one outcome for each command, in order, and a position', async () => {
    const answer = await send([
      { op: 'put', key: 'a', value: 1 },
      { op: 'put', key: '', value: 1 },
      { op: 'read', key: 'a' },
      { op: 'fly' },
    ]);
    assert.equal(answer.statusCode, 200);
    const outcomes = answer.json();
    assert.deepEqual(
      outcomes.map(({ outcome }: { outcome: string }) => outcome),
      ['applied', 'refused', 'value', 'refused'],
    );
    assert.equal(outcomes[1].code, 'key-invalid');
    assert.equal(outcomes[2].entry.value, 1);
    assert.equal(outcomes[3].code, 'unknown-op');
    assert.equal(answer.headers['latchkey-position'], 'aaaa.1');
  });

  test('NDJSON is answered as NDJSON, and one broken line spoils no other', async () => {
    const body = '{"op":"put","key":"a","value":1}\n{broken\n\n{"op":"remove","key":"a"}\n';
    const answer = await send(body, { 'content-type': 'application/x-ndjson' });
    assert.match(answer.headers['content-type'] as string, /^application\/x-ndjson/);
    const lines = answer.body.split('\n');
    assert.equal(lines.pop(), '');
    assert.deepEqual(
      lines.map((line) => JSON.parse(line).outcome),
      ['applied', 'refused', 'applied'],
    );
  });

  test('one object is answered with one object', async () => {
    assert.equal((await send({ op: 'put', key: 'a', value: 1 })).json().outcome, 'applied');
  });

  test('a body of which nothing can be read is 400 in the form of an error', async () => {
    for (const body of ['', '[{"op":"put"', Buffer.from([0x5b, 0xff])]) {
      const answer = await send(body);
      assert.equal(answer.statusCode, 400);
      assert.match(answer.json().error.code, /^invalid-(json|utf8)$/);
    }
  });

  test('conditions that do not hold are outcomes with the entry, not errors', async () => {
    const answer = await send([
      { op: 'put', key: 'a', value: 1 },
      { op: 'put', key: 'a', value: 2, ifAbsent: true },
    ]);
    assert.equal(answer.statusCode, 200);
    assert.equal(answer.json()[1].outcome, 'conflict');
    assert.equal(answer.json()[1].entry.value, 1);
  });

  test('?atomic=true is all or nothing', async () => {
    const answer = await send(
      [
        { op: 'put', key: 'a', value: 1 },
        { op: 'expire', key: 'nobody', ttl: 1 },
      ],
      {},
      '?atomic=true',
    );
    assert.deepEqual(
      answer.json().map(({ code, outcome }: { code?: string; outcome: string }) => code ?? outcome),
      ['atomic-aborted', 'conflict'],
    );
    assert.equal(core.log.view.head(0), 0);
    assert.equal((await send([], {}, '?atomic=maybe')).json().error.field, 'atomic');
  });

  test('an Idempotency-Key stands for one key per command', async () => {
    const body = [
      { op: 'put', key: 'a', value: 1 },
      { op: 'read', key: 'a' },
      { op: 'put', key: 'b', value: 1, idempotencyKey: 'own' },
    ];
    const first = await send(body, { 'idempotency-key': 'batch' });
    assert.deepEqual(
      core.log.batches[0]?.commands.map((command) =>
        'idempotencyKey' in command ? command.idempotencyKey : undefined,
      ),
      ['batch#0', undefined, 'own'],
    );
    assert.equal((await send(body, { 'idempotency-key': 'batch' })).body, first.body);
    assert.equal(core.log.view.head(0), 2);
  });

  test('source progress moves with the batch, and a mismatch is 409 with where the source is', async () => {
    const headers = { 'latchkey-source': 'orders/eu/3', 'latchkey-next-offset': '10' };
    assert.equal((await send([{ op: 'put', key: 'a', value: 1 }], headers)).statusCode, 200);
    assert.deepEqual(core.log.batches[0]?.progress, {
      source: 'orders/eu',
      sourcePartition: '3',
      expected: null,
      next: '10',
    });
    const mismatch = await send([{ op: 'put', key: 'a', value: 2 }], headers);
    assert.equal(mismatch.statusCode, 409);
    assert.equal(mismatch.json().error.code, 'progress-mismatch');
    assert.deepEqual(mismatch.json().error.progress, { 3: '10' });
    const next = { ...headers, 'latchkey-expected-offset': '10', 'latchkey-next-offset': '11' };
    assert.equal((await send([], next)).statusCode, 200);
    const progress = await http.app.inject({ url: '/v1/sources/orders%2Feu', headers: { host: 'localhost' } });
    assert.deepEqual(progress.json(), { name: 'orders/eu', progress: { 3: '11' } });
    const unknown = await http.app.inject({ url: '/v1/sources/nobody', headers: { host: 'localhost' } });
    assert.deepEqual(unknown.json(), { name: 'nobody', progress: {} });
  });

  test('headers of source progress that do not fit together are refused by name', async () => {
    const fields: [Record<string, string>, string][] = [
      [{ 'latchkey-next-offset': '1' }, 'latchkey-source'],
      [{ 'latchkey-source': 'a/0' }, 'latchkey-next-offset'],
      [{ 'latchkey-source': 'a', 'latchkey-next-offset': '1' }, 'latchkey-source'],
      [{ 'latchkey-source': '/0', 'latchkey-next-offset': '1' }, 'latchkey-source'],
      [
        { 'latchkey-source': 'a/0', 'latchkey-next-offset': '1', 'latchkey-expected-offset': '' },
        'latchkey-expected-offset',
      ],
    ];
    for (const [headers, field] of fields) {
      const answer = await send([], headers);
      assert.deepEqual([answer.statusCode, answer.json().error.field], [400, field]);
    }
  });

  test('changes carry where they came from', async () => {
    await send({ op: 'put', key: 'a', value: 1 });
    assert.match(core.log.view.get('a')?.origin ?? '', /^http:127\.0\.0\.1:\d+$/);
  });

  test('an overloaded log is 429 and a closing one 503, and nothing was kept', async () => {
    core.log.fault = new LatchkeyError('overloaded', 'Too much waits.');
    assert.equal((await send([{ op: 'put', key: 'a', value: 1 }])).statusCode, 429);
    core.log.fault = new LatchkeyError('closing', 'Stopping.');
    assert.equal((await send([{ op: 'put', key: 'a', value: 1 }])).statusCode, 503);
    assert.equal(core.log.view.head(0), 0);
  });
});
