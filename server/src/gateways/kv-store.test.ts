import assert from 'node:assert/strict';
import { request } from 'node:http';
import { after, beforeEach, describe, test } from 'node:test';
import { LatchkeyError } from '@latchkey/client';
import { type MemoryCore, memoryCore } from '../../../test/support/memory-core.ts';
import { type HttpListener, makeHttp } from './http.ts';
import { kvStoreGateway } from './kv-store.ts';

describe('the kv-store dialect', () => {
  let core: MemoryCore;
  let http: HttpListener;

  beforeEach(async () => {
    await http?.close();
    core = memoryCore();
    http = await makeHttp(core, [kvStoreGateway]);
  });
  after(() => http.close());

  const FORM = { 'content-type': 'application/x-www-form-urlencoded' };
  const ask = (
    url: string,
    payload?: string,
    headers: Record<string, string> = FORM,
    method: 'POST' | 'GET' | 'PUT' = 'POST',
  ) =>
    http.app.inject({
      method,
      url,
      headers: { host: 'localhost', ...headers },
      ...(payload === undefined ? {} : { payload }),
    });

  test('set, get and getall answer byte for byte as the original, each JSON body ending in a newline', async () => {
    const set = await ask('/set', '{"Key":"City","Value":"Ahmedabad"}');
    assert.deepEqual([set.statusCode, set.body], [200, '"SUCCESS"\n']);
    const get = await ask('/get', '{"Key":"City"}');
    assert.deepEqual([get.statusCode, get.body], [200, '{"Key":"City","Value":"Ahmedabad"}\n']);
    assert.match(get.headers['content-type'] as string, /^application\/json/);
    await ask('/set', '{"Key":"Area","Value":"<b> & \u2028"}');
    const all = '{"Area":"\\u003cb\\u003e \\u0026 \\u2028","City":"Ahmedabad"}\n';
    assert.equal((await ask('/getall', undefined, {}, 'GET')).body, all);
    assert.equal((await ask('/getall', '')).body, all);
  });

  test('an empty store is an empty object', async () => {
    assert.equal((await ask('/getall', undefined, {}, 'GET')).body, '{}\n');
  });

  test('a key that is not there is 500 with the text of the original', async () => {
    const answer = await ask('/get', '{"Key":"Nobody"}');
    assert.deepEqual([answer.statusCode, answer.body], [500, 'The given key is not present in the data store.']);
    assert.equal(answer.headers['content-type'], 'text/plain; charset=utf-8');
  });

  test('bodies are JSON whatever the Content-Type says, and field names are matched in any case', async () => {
    for (const type of ['text/plain', 'json', 'x', 'multipart/form-data', 'application/json']) {
      const answer = await ask('/set', `{"kEy":"k","VALUE":"${type}"}`, { 'content-type': type });
      assert.equal(answer.body, '"SUCCESS"\n', type);
      assert.equal(
        (await ask('/get', '{"KEY":"k"}', { 'content-type': type })).body,
        `{"Key":"k","Value":"${type}"}\n`,
      );
    }
  });

  test('every method is served on set and get, and only GET and POST on getall', async () => {
    const { port } = await http.listen();
    const send = (method: string, path: string, body: string) =>
      new Promise<{ readonly status: number; readonly text: string }>((resolve, reject) => {
        const headers = { ...FORM, 'content-length': Buffer.byteLength(body) };
        const outgoing = request({ port, host: '127.0.0.1', method, path, headers }, (response) => {
          let text = '';
          response.on('data', (chunk) => {
            text += chunk;
          });
          response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
        });
        outgoing.on('error', reject);
        outgoing.end(body);
      });
    for (const method of ['POST', 'GET', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND', 'QUERY', 'TRACE']) {
      assert.equal((await send(method, '/set', `{"Key":"k","Value":"${method}"}`)).text, '"SUCCESS"\n', method);
      assert.equal((await send(method, '/get', '{"Key":"k"}')).text, `{"Key":"k","Value":"${method}"}\n`, method);
    }
    assert.equal((await send('PUT', '/getall', '')).status, 405);
    const big = await send('GET', '/set', `{"Key":"k","Value":"${'x'.repeat(9 * 1024 * 1024)}"}`);
    assert.equal(big.status, 413);
  });

  test('what is not JSON, or a Value that is no string, is 400 with the reason as text', async () => {
    for (const body of [
      '',
      'hello',
      '[]',
      '{"Key":"k","Value":1}',
      '{"Key":"k"}',
      '{"Key":1,"Value":"x"}',
      '{"Key":"","Value":"x"}',
    ]) {
      const answer = await ask('/set', body);
      assert.equal(answer.statusCode, 400, body);
      assert.equal(answer.headers['content-type'], 'text/plain; charset=utf-8');
      assert.ok(answer.body.length > 10);
    }
    assert.equal((await ask('/get', '{"Key":')).statusCode, 400);
    assert.equal(core.log.view.head(0), 0);
  });

  test('values that came as JSON by another route are shown as their JSON text, and bytes as base64', async () => {
    core.log.view.put('json', { a: 1 });
    core.log.view.write({
      key: 'bytes',
      value: { kind: 'binary', data: Buffer.from([255]), contentType: 'image/png' },
    });
    assert.equal((await ask('/get', '{"Key":"json"}')).body, '{"Key":"json","Value":"{\\"a\\":1}"}\n');
    assert.equal((await ask('/get', '{"Key":"bytes"}')).body, '{"Key":"bytes","Value":"/w=="}\n');
  });

  test('a store of many pages is one object, its keys sorted', async () => {
    for (let index = 0; index < 2500; index += 1)
      core.log.view.put(`k${String(index).padStart(5, '0')}`, 'x'.repeat(300));
    const all = Object.keys((await ask('/getall', undefined, {}, 'GET')).json());
    assert.equal(all.length, 2500);
    assert.deepEqual(all, all.toSorted());
  });

  test('a log that cannot take the set is 429 or 503 with Retry-After and the reason as text', async () => {
    core.log.fault = new LatchkeyError('overloaded', 'Too much waits.');
    const answer = await ask('/set', '{"Key":"k","Value":"v"}');
    assert.deepEqual([answer.statusCode, answer.body, answer.headers['retry-after']], [429, 'Too much waits.', '1']);
  });
});
