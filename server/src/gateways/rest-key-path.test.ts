import assert from 'node:assert/strict';
import { request } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { memoryCore } from '../../../test/support/memory-core.ts';
import { type HttpListener, makeHttp } from './http.ts';
import { restGateway } from './rest.ts';

// Over a real socket: test clients of a higher level tidy paths before they send them.
describe('the key in a path', () => {
  let http: HttpListener;
  let port = 0;

  before(async () => {
    http = await makeHttp(memoryCore(), [restGateway]);
    ({ port } = await http.listen());
  });
  after(() => http.close());

  function ask(
    method: string,
    path: string,
    body?: string,
  ): Promise<{
    readonly status: number;
    readonly json: {
      readonly key?: string;
      readonly error: { readonly code: string; readonly field?: string; readonly limit?: number };
    };
  }> {
    return new Promise((resolve, reject) => {
      const outgoing = request({ port, host: '127.0.0.1', method, path }, (response) => {
        let text = '';
        response.on('data', (chunk) => {
          text += chunk;
        });
        response.on('end', () => resolve({ status: response.statusCode ?? 0, json: JSON.parse(text) }));
      });
      outgoing.on('error', reject);
      outgoing.end(body);
    });
  }

  test('is decoded once, from the raw path', async () => {
    const keys: Record<string, string> = {
      '%2E%2E': '..',
      '%2e': '.',
      '../up': '../up',
      'a%2Fb/c': 'a/b/c',
      'a//b': 'a//b',
      'a+b': 'a+b',
      'a%252Fb': 'a%2Fb',
      '100%25': '100%',
      '%C3%A9': 'é',
      'a;b': 'a;b',
      'a%3Fb%23c': 'a?b#c',
      replay: 'replay',
    };
    for (const [path, key] of Object.entries(keys)) {
      assert.equal((await ask('PUT', `/v1/keys/${path}`, '1')).status, 200, path);
      assert.equal((await ask('GET', `/v1/keys/${path}?meta=true`)).json.key, key);
    }
  });

  test('is 400 key-invalid where it is empty, no UTF-8, or has control characters', async () => {
    for (const path of ['', '%', '%zz', '%ED%A0%80', '%C3', '%FF', 'a%00b', '%0A', '%7F', '%2']) {
      const { json, status } = await ask('PUT', `/v1/keys/${path}`, '1');
      assert.equal(status, 400, path);
      assert.equal(json.error.code, 'key-invalid', path);
      assert.equal(json.error.field, 'key', path);
    }
  });

  test('is 400 key-too-long past the limit in bytes, which is told', async () => {
    const { json, status } = await ask('PUT', `/v1/keys/${encodeURIComponent('é'.repeat(513))}`, '1');
    assert.deepEqual([status, json.error.code, json.error.limit], [400, 'key-too-long', 1024]);
    assert.equal((await ask('PUT', `/v1/keys/${encodeURIComponent('é'.repeat(512))}`, '1')).status, 200);
  });
});
