import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { ask, get, put } from '../support/http-client.ts';
import { ServerProcess } from '../support/server-process.ts';

const MIB = 1024 * 1024;
const DEEP = 200_000;

interface Abuse {
  readonly path: string;
  readonly init?: RequestInit;
  readonly status: number;
  /** Of the error, or of the one outcome that is refused. */
  readonly code: string;
  readonly field?: string;
}

const json = (method: string, body: RequestInit['body'], more: Readonly<Record<string, string>> = {}): RequestInit => ({
  method,
  headers: { 'content-type': 'application/json', ...more },
  ...(body === undefined ? {} : { body }),
});
const command = (body: string | Buffer, code: string, field?: string, status = 200): Abuse => ({
  path: '/v1/commands',
  init: json('POST', body),
  status,
  code,
  ...(field === undefined ? {} : { field }),
});
const putTo = (path: string, code: string, status = 400, body = '1'): Abuse => ({
  path: `/v1/keys/${path}`,
  init: json('PUT', body),
  status,
  code,
});
const filter = (body: string | Buffer, code: string, status = 400): Abuse => ({
  path: '/v1/watch',
  init: json('POST', body),
  status,
  code,
});
const compressed = (path: string, text: string): Abuse => ({
  path,
  init: json('POST', gzipSync(text), { 'content-encoding': 'gzip' }),
  status: 415,
  code: 'content-type-unsupported',
  field: 'content-encoding',
});
const terms = (count: number) => Array.from({ length: count }, (_, index) => `k${index}`);

const ABUSES: Readonly<Record<string, Abuse>> = {
  'a value that is not JSON': putTo('a', 'invalid-json', 400, '{"a":'),
  'a value that is JSON with a NUL': putTo('a', 'invalid-json', 400, '"\0"'),
  'a command that is not JSON': command('{"op":"put"', 'invalid-json'),
  'a body without anything': command('', 'invalid-json', undefined, 400),
  'a body that is not UTF-8': command(
    Buffer.from('{"op":"put","key":"\xff"}', 'latin1'),
    'invalid-utf8',
    undefined,
    400,
  ),
  'an event that is not JSON': { path: '/v1/events', init: json('POST', 'no'), status: 400, code: 'invalid-json' },
  'a filter that is not JSON': filter('{', 'invalid-json'),
  'a filter that is not UTF-8': filter(Buffer.from('{"keys":["\xff"]}', 'latin1'), 'invalid-utf8'),
  'an unknown op': command('{"op":"oops"}', 'unknown-op', 'op'),
  'an op of another type': command('{"op":7}', 'invalid-request', 'op'),
  'an op that only sources make': command('{"op":"observe","key":"a"}', 'observe-refused', 'op'),
  'a command that is an array': command('[[]]', 'invalid-request'),
  'a key of another type': command('{"op":"put","key":1,"value":1}', 'key-invalid', 'key'),
  'a put without a value': command('{"op":"put","key":"a"}', 'invalid-request', 'value'),
  'a ttl of another type': command('{"op":"put","key":"a","value":1,"ttl":{}}', 'ttl-invalid', 'ttl'),
  'a time that is a number': command('{"op":"put","key":"a","value":1,"updated":5}', 'updated-invalid', 'updated'),
  'a time far ahead': command(
    '{"op":"put","key":"a","value":1,"updated":"9999-01-01T00:00:00Z"}',
    'updated-in-future',
    'updated',
  ),
  'a condition of another type': command(
    '{"op":"put","key":"a","value":1,"ifAbsent":"yes"}',
    'invalid-request',
    'ifAbsent',
  ),
  'a version that is none': command(
    '{"op":"put","key":"a","value":1,"ifVersion":"zz"}',
    'position-invalid',
    'ifVersion',
  ),
  'a patch that is no object': command('{"op":"merge","key":"a","value":[]}', 'not-an-object', 'value'),
  'an unknown query parameter': {
    path: '/v1/keys/a?tll=1',
    init: json('PUT', '1'),
    status: 400,
    code: 'unknown-field',
  },
  'an unknown field of a filter': filter('{"key":["a"]}', 'unknown-field'),
  'a filter of another type': filter('{"keys":"a"}', 'invalid-request'),
  'a control character in a key, escaped in JSON': command(
    '{"op":"put","key":"a\\u0007","value":1}',
    'key-invalid',
    'key',
  ),
  'a control character in a key, raw in JSON': command('{"op":"put","key":"a\u0007","value":1}', 'invalid-json'),
  'a control character in a key, percent-encoded': putTo('a%0Ab', 'key-invalid'),
  'a DEL in a key': putTo('a%7F', 'key-invalid'),
  'a NUL in a key, escaped in JSON': command('{"op":"put","key":"a\\u0000","value":1}', 'key-invalid', 'key'),
  'a NUL in a key, percent-encoded': putTo('a%00b', 'key-invalid'),
  'half of a surrogate pair in a key, escaped in JSON': command(
    '{"op":"put","key":"\\ud83d","value":1}',
    'key-invalid',
    'key',
  ),
  'half of a surrogate pair in a key, percent-encoded': putTo('%ED%A0%80', 'key-invalid'),
  'an overlong NUL in a key': putTo('a%C0%80', 'key-invalid'),
  'bytes in a key that are no UTF-8': putTo('a%FF', 'key-invalid'),
  'a percent sign in a key that encodes nothing': putTo('a%zz', 'key-invalid'),
  'an empty key': putTo('', 'key-invalid'),
  'a key that is a byte too long': putTo('k'.repeat(1025), 'key-too-long'),
  'a key that is too long in bytes, not in characters': putTo(encodeURIComponent('é'.repeat(513)), 'key-too-long'),
  'a value of 2 MiB': putTo('a', 'value-too-big', 413, JSON.stringify('x'.repeat(2 * MIB))),
  'a value of 2 MiB in a command': command(
    JSON.stringify({ op: 'put', key: 'a', value: 'x'.repeat(2 * MIB) }),
    'value-too-big',
    'value',
  ),
  'a body beyond limits.bodyBytesMax': command(' '.repeat(9 * MIB), 'body-too-big', undefined, 413),
  'a value nested without end': putTo('a', 'invalid-json', 400, '['.repeat(DEEP) + ']'.repeat(DEEP)),
  'a command nested without end': command(`{"op":"put","key":"a","value":${'{"a":'.repeat(DEEP)}`, 'invalid-json'),
  'a patch nested without end': {
    path: '/v1/keys/a',
    init: json('PATCH', `${'{"a":'.repeat(DEEP)}1${'}'.repeat(DEEP)}`),
    status: 400,
    code: 'invalid-json',
  },
  'a filter nested without end': filter(`{"keys":${'['.repeat(DEEP)}${']'.repeat(DEEP)}}`, 'invalid-json'),
  'an event nested without end': {
    path: '/v1/events',
    init: json('POST', '['.repeat(DEEP)),
    status: 400,
    code: 'invalid-json',
  },
  '10,000 keys to watch in a URL': {
    path: `/v1/watch?${terms(10_000)
      .map((key) => `key=${key}`)
      .join('&')}`,
    status: 414,
    code: 'uri-too-long',
  },
  '1,500 keys to watch in a URL': {
    path: `/v1/watch?${terms(1500)
      .map((key) => `key=${key}`)
      .join('&')}`,
    status: 413,
    code: 'filter-too-big',
  },
  '10,000 keys to watch in a body': filter(JSON.stringify({ keys: terms(10_000) }), 'filter-too-big', 413),
  'a thousand globs of many stars': filter(
    JSON.stringify({ patterns: terms(1000).map((term) => 'a*'.repeat(500) + term) }),
    'filter-too-big',
    413,
  ),
  'a delete of everything by mistake': {
    path: '/v1/keys',
    init: { method: 'DELETE' },
    status: 400,
    code: 'pattern-required',
  },
  'compressed commands': compressed('/v1/commands', '{"op":"put","key":"a","value":1}'),
  'a compressed filter': compressed('/v1/watch', '{}'),
  'a compressed event': compressed('/v1/events', '{"key":"SET"}'),
  'a compressed value': {
    ...compressed('/v1/keys/a', '1'),
    init: { ...json('PUT', gzipSync('1'), { 'content-encoding': 'gzip' }) },
  },
  'a page of another origin': {
    path: '/v1/keys',
    init: { headers: { origin: 'http://evil.example' } },
    status: 403,
    code: 'origin-refused',
  },
};

describe('a bad request gets its documented error, and nothing else happens', () => {
  let server: ServerProcess;
  before(async () => {
    server = await ServerProcess.start();
    await put(server.url, 'kept', 'value');
  });
  after(() => server.dispose());

  for (const [name, { code, field, init, path, status }] of Object.entries(ABUSES)) {
    test(`${name}: ${status} ${code}`, async () => {
      const answer = await ask(server.url + path, init);
      const body = (Array.isArray(answer.json) ? answer.json[0] : answer.json) as Record<string, unknown> | undefined;
      const refusal = (body?.error ?? body) as Record<string, unknown> | undefined;
      const seen = answer.text.slice(0, 500);
      assert.deepEqual([answer.status, refusal?.code], [status, code], seen);
      if (field !== undefined) assert.equal(refusal?.field, field, seen);
      // What a message shows of a bad input must not be as long as the input, nor carry its control characters.
      assert.ok(String(refusal?.message).length < 500, seen);
      assert.ok(/^[^\p{Cc}\p{Cs}]+$/u.test(String(refusal?.message)), seen);
      const now = (await ask(`${server.url}/v1/status`)).json as { log: { head: number }; view: { keys: number } };
      assert.deepEqual([now.log.head, now.view.keys], [1, 1], 'something was written');
    });
  }

  test('after all of that the server is ready, its value is there, and its log has no fault', async () => {
    assert.equal((await ask(`${server.url}/ready`)).status, 200);
    assert.equal((await get(server.url, 'kept')).text, '"value"');
    const faults = server.records.filter(({ level }) => level === 'error' || level === 'warn');
    assert.deepEqual(faults, []);
  });

  test('names that mean something to JavaScript are keys and members like any other', async () => {
    for (const key of ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'on', '0']) {
      const text = `{"__proto__":{"polluted":1},"constructor":${JSON.stringify(key)}}`;
      assert.equal((await ask(`${server.url}/v1/keys/${key}`, json('PUT', text))).status, 200);
      assert.equal((await ask(`${server.url}/v1/keys/${key}`, json('PATCH', '{"__proto__":{"more":2}}'))).status, 200);
      const merged = `{"__proto__":{"polluted":1,"more":2},"constructor":${JSON.stringify(key)}}`;
      assert.equal((await get(server.url, key)).text, merged);
    }
    assert.equal((await get(server.url, 'valueOf')).status, 404);
  });
});
