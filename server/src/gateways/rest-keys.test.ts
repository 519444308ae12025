import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type MemoryCore, memoryCore } from '../../../test/support/memory-core.ts';
import { type HttpListener, makeHttp } from './http.ts';
import { restGateway } from './rest.ts';

describe('keys over HTTP', () => {
  let core: MemoryCore;
  let http: HttpListener;

  before(async () => {
    core = memoryCore();
    http = await makeHttp(core, [restGateway]);
  });
  after(() => http.close());

  type Method = 'GET' | 'HEAD' | 'PUT' | 'PATCH' | 'DELETE' | 'POST';
  const ask = (method: Method, url: string, headers: Record<string, string> = {}, payload?: string | Buffer) =>
    http.app.inject({
      method,
      url,
      headers: { host: 'localhost', ...headers },
      ...(payload === undefined ? {} : { payload }),
    });
  const put = (key: string, body: string | Buffer, headers: Record<string, string> = {}) =>
    ask('PUT', `/v1/keys/${key}`, { 'content-type': 'application/json', ...headers }, body);

  test('a put value is answered byte for byte in its content type', async () => {
    const text = '{"big": 12345678901234567890.10, "one":1.0}\n';
    assert.equal((await put('bytes', text)).statusCode, 200);
    const json = await ask('GET', '/v1/keys/bytes');
    assert.equal(json.body, text);
    assert.equal(json.headers['content-type'], 'application/json; charset=utf-8');
    const bytes = Buffer.from([0, 1, 2, 255]);
    await put('bytes', bytes, { 'content-type': 'image/png' });
    const binary = await ask('GET', '/v1/keys/bytes');
    assert.deepEqual(binary.rawPayload, bytes);
    assert.equal(binary.headers['content-type'], 'image/png');
  });

  test('what curl -d sends, or a body without a type, is JSON if it parses and else text', async () => {
    await put('guess', '{"a":1}', { 'content-type': 'application/x-www-form-urlencoded' });
    assert.match((await ask('GET', '/v1/keys/guess')).headers['content-type'] as string, /json/);
    await put('guess', 'hello', { 'content-type': 'application/x-www-form-urlencoded' });
    assert.match((await ask('GET', '/v1/keys/guess')).headers['content-type'] as string, /^text\/plain/);
  });

  test('a value never runs as a page of this origin', async () => {
    await put('page', '<script>1</script>', { 'content-type': 'text/html' });
    const answer = await ask('GET', '/v1/keys/page');
    assert.equal(answer.headers['x-content-type-options'], 'nosniff');
    assert.match(answer.headers['content-security-policy'] as string, /sandbox/);
  });

  test('an entry comes with ETag and the Latchkey headers, and Cache-Control: no-cache', async () => {
    const written = await ask(
      'PUT',
      '/v1/keys/headers?ttl=60&updated=2001-09-09T01:46:39Z&valid=2001-09-09T01:46:41Z',
      { 'content-type': 'application/json' },
      '1',
    );
    const outcome = written.json();
    assert.deepEqual(Object.keys(outcome), ['outcome', 'version']);
    assert.equal(written.headers['latchkey-version'], outcome.version);
    assert.equal(written.headers.etag, `"${outcome.version}"`);
    const { headers } = await ask('GET', '/v1/keys/headers');
    assert.equal(headers.etag, `"${outcome.version}"`);
    assert.equal(headers['latchkey-version'], outcome.version);
    assert.equal(headers['latchkey-position'], written.headers['latchkey-position']);
    assert.equal(headers['latchkey-updated'], '2001-09-09T01:46:39Z');
    assert.equal(headers['latchkey-valid-until'], '2001-09-09T01:46:41Z');
    assert.equal(headers['latchkey-expires'], '2001-09-09T01:47:40Z');
    assert.equal(headers['latchkey-stale'], undefined);
    assert.equal(headers['cache-control'], 'no-cache');
    core.log.view.now += 2_000_000;
    assert.equal((await ask('GET', '/v1/keys/headers')).headers['latchkey-stale'], 'true');
    core.log.view.now += 60_000_000;
    assert.equal((await ask('GET', '/v1/keys/headers')).statusCode, 404);
  });

  test('a + of a zone that was not encoded in the query is still a zone', async () => {
    const answer = await ask('PUT', '/v1/keys/zone?updated=2001-09-09T03:46:39+02:00', {}, '1');
    assert.equal(answer.statusCode, 200);
    assert.equal((await ask('GET', '/v1/keys/zone')).headers['latchkey-updated'], '2001-09-09T03:46:39+02:00');
  });

  test('a key that is not there is 404 with the position it was not there at', async () => {
    const answer = await ask('GET', '/v1/keys/nobody');
    assert.equal(answer.statusCode, 404);
    assert.equal(answer.json().error.code, 'not-found');
    assert.equal(answer.json().error.message, 'There is no entry under the key "nobody" at this position.');
    assert.match(answer.json().error.requestId, /^memory-/);
    assert.match(answer.headers['latchkey-position'] as string, /^aaaa\.\d+$/);
  });

  test('HEAD answers as GET without the body', async () => {
    await put('head', '123');
    const answer = await ask('HEAD', '/v1/keys/head');
    assert.equal(answer.statusCode, 200);
    assert.equal(answer.body, '');
    assert.equal(answer.headers['content-length'], '3');
    assert.ok(answer.headers.etag);
  });

  test('If-None-Match is answered 304: one tag, a list, weak tags, and *', async () => {
    const { etag } = (await put('cond', '1')).headers;
    for (const value of [etag as string, `W/${etag}`, `"x", "a,b" , ${etag}`, '*', ` ${etag} `]) {
      const answer = await ask('GET', '/v1/keys/cond', { 'if-none-match': value });
      assert.equal(answer.statusCode, 304, value);
      assert.equal(answer.body, '');
      assert.equal(answer.headers.etag, etag);
    }
    assert.equal((await ask('GET', '/v1/keys/cond', { 'if-none-match': '"other"' })).statusCode, 200);
    const bad = await ask('GET', '/v1/keys/cond', { 'if-none-match': 'unquoted' });
    assert.equal(bad.statusCode, 400);
    assert.equal(bad.json().error.field, 'if-none-match');
  });

  test('If-Modified-Since is ignored', async () => {
    await put('since', '1');
    const answer = await ask('GET', '/v1/keys/since', { 'if-modified-since': 'Sat, 01 Jan 2050 00:00:00 GMT' });
    assert.equal(answer.statusCode, 200);
  });

  test('?meta=true is the entry, with an ETag of its own that still works in If-Match', async () => {
    const { etag } = (await put('meta', '{"x":1}')).headers;
    const answer = await ask('GET', '/v1/keys/meta?meta=true');
    const entry = answer.json();
    assert.deepEqual(entry.value, { x: 1 });
    assert.equal(entry.key, 'meta');
    assert.match(entry.origin, /^http:127\.0\.0\.1:\d+$/);
    assert.notEqual(answer.headers.etag, etag);
    assert.equal((await ask('GET', '/v1/keys/meta?meta=true', { 'if-none-match': etag as string })).statusCode, 200);
    assert.equal((await put('meta', '2', { 'if-match': answer.headers.etag as string })).statusCode, 200);
  });

  test('If-Match lets a write through while the version holds, else 412 with the entry', async () => {
    const first = (await put('match', '1')).headers.etag as string;
    const second = (await put('match', '2', { 'if-match': `"zzzz.1", W/${first}` })).headers.etag as string;
    const refused = await put('match', '3', { 'if-match': first });
    assert.equal(refused.statusCode, 412);
    assert.equal(refused.json().error.code, 'conflict');
    assert.equal(refused.json().outcome, 'conflict');
    assert.equal(refused.json().entry.value, 2);
    assert.equal((await ask('PATCH', '/v1/keys/match', { 'if-match': first }, '{"a":1}')).statusCode, 412);
    assert.equal((await ask('DELETE', '/v1/keys/match', { 'if-match': first })).statusCode, 412);
    assert.equal((await put('match', '3', { 'if-match': '"of-another-server"' })).statusCode, 412);
    assert.equal((await ask('DELETE', '/v1/keys/match', { 'if-match': second })).json().outcome, 'applied');
  });

  test('If-Match: * asks for an entry and If-None-Match: * for none', async () => {
    assert.equal((await put('star', '1', { 'if-match': '*' })).statusCode, 412);
    assert.equal((await ask('DELETE', '/v1/keys/star', { 'if-match': '*' })).statusCode, 412);
    assert.equal((await put('star', '1', { 'if-none-match': '*' })).statusCode, 200);
    const taken = await put('star', '2', { 'if-none-match': '*' });
    assert.equal(taken.statusCode, 412);
    assert.equal(taken.json().entry.value, 1);
    assert.equal((await put('star', '2', { 'if-match': '*' })).statusCode, 200);
    assert.equal((await ask('DELETE', '/v1/keys/star', { 'if-match': '*' })).statusCode, 200);
    assert.equal((await put('star', '1', { 'if-none-match': '"a.1"' })).statusCode, 400);
    assert.equal((await put('star', '1', { 'if-none-match': '*', 'if-match': '*' })).statusCode, 400);
  });

  test('PATCH merges by RFC 7386 and refuses what is no object', async () => {
    await put('patch', '{"a":1,"b":2}');
    const answer = await ask(
      'PATCH',
      '/v1/keys/patch',
      { 'content-type': 'application/merge-patch+json' },
      '{"b":null,"c":3}',
    );
    assert.equal(answer.json().outcome, 'applied');
    assert.deepEqual((await ask('GET', '/v1/keys/patch')).json(), { a: 1, c: 3 });
    assert.equal((await ask('PATCH', '/v1/keys/patch', {}, '[1]')).json().error.code, 'not-an-object');
    assert.equal((await ask('PATCH', '/v1/keys/patch', {}, '{')).json().error.code, 'invalid-json');
  });

  test('DELETE removes, and an absent key is a duplicate', async () => {
    await put('gone', '1');
    assert.equal((await ask('DELETE', '/v1/keys/gone')).json().outcome, 'applied');
    assert.equal((await ask('DELETE', '/v1/keys/gone')).json().outcome, 'duplicate');
    assert.equal((await ask('GET', '/v1/keys/gone')).statusCode, 404);
  });

  test('an older updated is told late, with 200 and nothing changed', async () => {
    await ask('PUT', '/v1/keys/late?updated=2001-09-09T01:00:00Z', {}, '"new"');
    const late = await ask('PUT', '/v1/keys/late?updated=2001-09-08T01:00:00Z', {}, '"old"');
    assert.equal(late.statusCode, 200);
    assert.equal(late.json().outcome, 'late');
    assert.equal((await ask('GET', '/v1/keys/late')).json(), 'new');
  });

  test('an Idempotency-Key gets a repeat the first outcome, and another body 422', async () => {
    const key = { 'idempotency-key': 'k-1' };
    const first = await put('idem', '1', key);
    await put('idem', '2');
    assert.equal((await put('idem', '1', key)).body, first.body);
    assert.equal((await ask('GET', '/v1/keys/idem')).body, '2');
    assert.equal((await put('idem', '3', key)).statusCode, 422);
    assert.equal((await put('idem', '3', { 'idempotency-key': 'x'.repeat(201) })).statusCode, 400);
  });

  test('refusals carry their code, field, limit and status', async () => {
    const notJson = await put('bad', '{"a":');
    assert.equal(notJson.statusCode, 400);
    assert.equal(notJson.json().error.code, 'invalid-json');
    const big = await put('bad', `"${'x'.repeat(1024 * 1024)}"`);
    assert.equal(big.statusCode, 413);
    assert.deepEqual([big.json().error.code, big.json().error.limit], ['value-too-big', 1024 * 1024]);
    assert.equal((await ask('PUT', '/v1/keys/bad?ttl=-1', {}, '1')).json().error.code, 'ttl-invalid');
    assert.equal((await ask('PUT', '/v1/keys/bad?updated=yesterday', {}, '1')).json().error.code, 'updated-invalid');
    assert.equal(
      (await ask('PUT', '/v1/keys/bad?updated=2099-01-01T00:00:00Z', {}, '1')).json().error.code,
      'updated-in-future',
    );
  });

  test('an unknown query parameter is refused and the known ones are named', async () => {
    const answer = await ask('PUT', '/v1/keys/q?tll=1', {}, '1');
    assert.equal(answer.statusCode, 400);
    assert.deepEqual([answer.json().error.code, answer.json().error.field], ['unknown-field', 'tll']);
    assert.match(answer.json().error.message, /ttl, updated, valid/);
    assert.equal((await ask('GET', '/v1/keys/q?meta=1')).json().error.code, 'invalid-request');
    assert.equal((await ask('GET', '/v1/keys/q?meta=true&meta=true')).json().error.code, 'invalid-request');
  });

  test('a full or stopping log is 503 and an overloaded one 429, each with Retry-After', async () => {
    const { LatchkeyError } = await import('@latchkey/client');
    core.log.fault = new LatchkeyError('storage-full', 'The disk is full.');
    const full = await put('fault', '1');
    assert.deepEqual([full.statusCode, full.headers['retry-after']], [503, '1']);
    core.log.fault = new LatchkeyError('overloaded', 'Too much waits.', { retryAfter: 7 });
    const overloaded = await put('fault', '1');
    assert.deepEqual([overloaded.statusCode, overloaded.headers['retry-after']], [429, '7']);
    core.log.fault = undefined;
  });

  test('?history=true shows the changes still in the window, oldest first, also of a removed key', async () => {
    for (const value of ['1', '2', '3']) await put('history', value);
    await ask('DELETE', '/v1/keys/history');
    const answer = (await ask('GET', '/v1/keys/history?history=true')).json();
    assert.deepEqual(
      answer.changes.map(({ op, value }: { op: string; value?: number }) => value ?? op),
      [1, 2, 3, 'remove'],
    );
    assert.equal(answer.truncated, false);
    const newest = (await ask('GET', '/v1/keys/history?history=true&limit=2')).json();
    assert.deepEqual([newest.changes.length, newest.changes[0].value, newest.truncated], [2, 3, true]);
    const after = newest.changes[0].version;
    const rest = (await ask('GET', `/v1/keys/history?history=true&after=${after}`)).json();
    assert.equal(rest.changes.length, 1);
  });
});
