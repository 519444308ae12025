import assert from 'node:assert/strict';
import { after, beforeEach, describe, test } from 'node:test';
import { type MemoryCore, memoryCore } from '../../../test/support/memory-core.ts';
import { type HttpListener, makeHttp } from './http.ts';
import { restGateway } from './rest.ts';

describe('dead letters', () => {
  let core: MemoryCore;
  let http: HttpListener;

  beforeEach(async () => {
    await http?.close();
    core = memoryCore({ deadLetters: { replaysMax: 2 } });
    http = await makeHttp(core, [restGateway]);
    core.sourceFormats.set('ems', core.formats.command);
    await park('{"op":"put","key":"a","value":1}');
    await park('{"op":"put","key":"","value":1}');
    await park(Buffer.from([0xff, 0xfe]), 'gone');
  });
  after(() => http.close());

  const park = (message: string | Buffer, source = 'ems') =>
    core.log.submit({
      commands: [],
      principal: { id: 'test' },
      deadLetters: {
        add: [
          {
            source,
            coordinates: { topic: 'ems', partition: 3, offset: 991 },
            reason: { code: 'event-invalid', message: 'No.' },
            message: Buffer.from(message),
            headers: { trace: '1' },
          },
        ],
      },
    });
  const ask = (method: 'GET' | 'DELETE' | 'POST', url: string, payload?: string) =>
    http.app.inject({ method, url, headers: { host: 'localhost' }, ...(payload === undefined ? {} : { payload }) });
  const ids = () => core.log.deadLetters.letters.map(({ id }) => Number(id));

  test('are listed oldest first in the documented shape, bytes that are no text as base64', async () => {
    const { counts, deadLetters } = (await ask('GET', '/v1/dead-letters')).json();
    assert.deepEqual(deadLetters[0], {
      id: '00000001',
      source: 'ems',
      coordinates: { topic: 'ems', partition: 3, offset: 991 },
      receivedAt: '2001-09-09T01:46:40Z',
      reason: { code: 'event-invalid', message: 'No.' },
      message: '{"op":"put","key":"a","value":1}',
      headers: { trace: '1' },
      replays: 0,
    });
    assert.deepEqual([deadLetters[2].message, deadLetters[2].encoding], ['//4=', 'base64']);
    assert.equal(counts.held, 3);
  });

  test('are paged by next and after, and narrowed by source', async () => {
    const first = (await ask('GET', '/v1/dead-letters?limit=2')).json();
    assert.equal(first.deadLetters.length, 2);
    const second = (await ask('GET', `/v1/dead-letters?limit=2&after=${first.next}`)).json();
    assert.deepEqual([second.deadLetters.length, second.next], [1, undefined]);
    assert.equal((await ask('GET', '/v1/dead-letters?source=gone')).json().deadLetters.length, 1);
  });

  test('are shown and dropped one by one, and one that is not there is 404', async () => {
    assert.equal((await ask('GET', '/v1/dead-letters/00000002')).json().id, '00000002');
    assert.deepEqual((await ask('DELETE', '/v1/dead-letters/00000002')).json(), { dropped: '00000002' });
    assert.deepEqual(ids(), [1, 3]);
    assert.equal((await ask('GET', '/v1/dead-letters/00000002')).statusCode, 404);
    assert.equal((await ask('DELETE', '/v1/dead-letters/00000002')).statusCode, 404);
  });

  test('a replay submits what the format of today makes of the message, and drops the letter in the same step', async () => {
    const answer = await ask('POST', '/v1/dead-letters/00000001/replay');
    assert.equal(answer.json().outcomes[0].outcome, 'applied');
    assert.deepEqual(ids(), [2, 3]);
    const batch = core.log.batches.at(-1);
    assert.deepEqual([batch?.atomic, batch?.deadLetters?.drop], [true, ['00000001']]);
  });

  test('a replay that is refused keeps the letter and counts, until replaysMax', async () => {
    for (const replays of [1, 2]) {
      const answer = await ask('POST', '/v1/dead-letters/00000002/replay');
      assert.deepEqual([answer.statusCode, answer.json().error.code], [400, 'key-invalid']);
      assert.equal(core.log.deadLetters.get('00000002')?.replays, replays);
    }
    const over = await ask('POST', '/v1/dead-letters/00000002/replay');
    assert.deepEqual([over.json().error.field, over.json().error.limit], ['replays', 2]);
    assert.equal(core.log.deadLetters.get('00000002')?.replays, 2);
  });

  test('an edited message takes the place of the letter, also past replaysMax', async () => {
    await ask('POST', '/v1/dead-letters/00000002/replay');
    await ask('POST', '/v1/dead-letters/00000002/replay');
    const answer = await ask('POST', '/v1/dead-letters/00000002/replay', '{"op":"put","key":"b","value":2}');
    assert.equal(answer.json().outcomes[0].outcome, 'applied');
    assert.equal(core.log.view.get('b')?.value?.data, '2');
    assert.deepEqual(ids(), [1, 3]);
  });

  test('a message that has become late is done with', async () => {
    core.log.view.put('a', 9);
    await park('{"op":"put","key":"a","value":1,"updated":"2000-01-01T00:00:00Z"}');
    const answer = await ask('POST', '/v1/dead-letters/00000004/replay');
    assert.equal(answer.json().outcomes[0].outcome, 'late');
    assert.deepEqual(ids(), [1, 2, 3]);
  });

  test('what the log refuses keeps the letter whole', async () => {
    await park('[{"op":"put","key":"x","value":1},{"op":"put","key":"y","value":1,"updated":"2099-01-01T00:00:00Z"}]');
    const answer = await ask('POST', '/v1/dead-letters/00000004/replay');
    assert.equal(answer.json().error.code, 'updated-in-future');
    assert.equal(core.log.view.get('x'), undefined);
    assert.equal(core.log.deadLetters.get('00000004')?.replays, 1);
  });

  test('a letter whose source is not configured any more is refused clearly and not counted', async () => {
    const answer = await ask('POST', '/v1/dead-letters/00000003/replay');
    assert.deepEqual([answer.statusCode, answer.json().error.field], [400, 'source']);
    assert.match(answer.json().error.message, /"gone", which is not configured any more/);
    assert.equal(core.log.deadLetters.get('00000003')?.replays, 0);
  });

  test('replaying all tells each, and one that fails stops nobody', async () => {
    const dry = (await ask('POST', '/v1/dead-letters/replay?dryRun=true')).json();
    assert.deepEqual([dry.replayed, dry.kept, dry.results[0].commands], [1, 2, 1]);
    assert.deepEqual(ids(), [1, 2, 3]);
    assert.equal(core.log.deadLetters.get('00000002')?.replays, 0);
    const done = (await ask('POST', '/v1/dead-letters/replay')).json();
    assert.deepEqual([done.replayed, done.kept], [1, 2]);
    assert.equal(done.results[1].error.code, 'key-invalid');
    assert.deepEqual(ids(), [2, 3]);
    const page = (await ask('POST', '/v1/dead-letters/replay?limit=1&source=ems')).json();
    assert.equal(page.results.length, 1);
  });

  test('are the operator’s: without the right to administer they are 403', async () => {
    await http.close();
    core = memoryCore({}, { access: { allowed: (_who, action) => action !== 'admin', grants: () => '' } });
    http = await makeHttp(core, [restGateway]);
    assert.equal((await ask('GET', '/v1/dead-letters')).statusCode, 403);
    assert.equal((await ask('POST', '/v1/dead-letters/replay')).statusCode, 403);
  });
});
