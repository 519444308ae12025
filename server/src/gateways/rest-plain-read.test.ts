import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { memoryCore } from '../../../test/support/memory-core.ts';
import { RawSocket } from '../../../test/support/raw-socket.ts';
import { makeLocalProbe } from '../log/local-probe.fixture.ts';
import { ANONYMOUS } from '../shared/access.ts';
import type { Core, Gateway, PlainGet } from './gateway.ts';
import { makeHttp } from './http.ts';
import { restGateway } from './rest.ts';

/** The REST gateway with another way of registering for plain GETs. */
function withPlainGet(wrap: (handler: PlainGet) => PlainGet): Gateway {
  return {
    name: 'rest',
    register(http, core) {
      const value = (prefix: string, route: string, handler: PlainGet) => http.onPlainGet(prefix, route, wrap(handler));
      return restGateway.register(Object.create(http, { onPlainGet: { value } }), core);
    },
  };
}

/** The same store behind two listeners: one answers plain GETs before the routes, the other leaves all to the routes. */
async function bothWays(scope: TestContext) {
  const probe = await makeLocalProbe();
  scope.after(() => probe.close());
  const log = await probe.open();
  const core = (): Core => ({ ...memoryCore(), log });
  let plainAnswers = 0;
  const counting = withPlainGet((handler) => (...request) => {
    const status = handler(...request);
    if (status !== undefined) plainAnswers += 1;
    return status;
  });
  const plain = await makeHttp(core(), [counting]);
  const routed = await makeHttp(core(), [withPlainGet(() => () => undefined)]);
  const ports = { plain: (await plain.listen()).port, routed: (await routed.listen()).port };
  scope.after(() => Promise.all([plain.close(0), routed.close(0)]));

  const ask = async (port: number, key: string, headers: string, method = 'GET') => {
    const socket = await RawSocket.open(port, scope);
    const request = `${method} /v1/keys/${key} HTTP/1.1\r\nHost: localhost\r\n${headers}`;
    socket.write(`${request}\r\n${request}Connection: close\r\n\r\n`);
    const heard = await socket.end();
    return heard.replace(/\r\nDate: [^\r]+/g, '\r\nDate: now').replace(/"requestId":"[^"]+"/g, '"requestId":"r"');
  };
  await ask(ports.plain, 'allows.the.host', '');

  return {
    log,
    probe,
    ask: (key: string, headers = '') => ask(ports.plain, key, headers),
    /** Asks both ways, twice on one connection; what they say, and whether it was answered before the routes. */
    async same(key: string, headers = '', method = 'GET') {
      const before = plainAnswers;
      const answer = await ask(ports.plain, key, headers, method);
      const isPlain = plainAnswers - before === 2;
      assert.equal(answer, await ask(ports.routed, key, headers, method), `${method} ${key} ${headers}`);
      return { answer, isPlain };
    },
    async put(path: string, payload: string | Buffer, contentType = 'application/json') {
      const headers = { host: 'localhost', 'content-type': contentType };
      const answer = await plain.app.inject({ method: 'PUT', url: `/v1/keys/${path}`, headers, payload });
      assert.equal(answer.statusCode, 200, answer.body);
      return answer.headers['latchkey-version'] as string;
    },
  };
}

const SECOND = 1000;

describe('a plain GET of a key', () => {
  test('is the route’s answer byte for byte, headers included, for every kind of value', async (scope) => {
    const { put, same } = await bothWays(scope);
    const values: readonly (readonly [path: string, body: string | Buffer, contentType?: string])[] = [
      ['json', '{"big": 12345678901234567890.10, "one":1.0}\n'],
      ['unicode', '{"é":"日本🎉"}'],
      ['json.typed', '{"a":1}', 'application/json; charset=utf-8'],
      ['json.vendor', '{"a":1}', 'application/vnd.x+json'],
      ['text', 'hello é', 'text/plain'],
      ['text.empty', '', 'text/plain'],
      ['page', '<script>1</script>', 'text/html'],
      ['binary', Buffer.from([0, 1, 2, 127, 128, 255]), 'image/png'],
      ['one.write', JSON.stringify('x'.repeat(4094))],
      ['two.writes', JSON.stringify('é'.repeat(2048))],
      ['big', JSON.stringify('é'.repeat(100_000))],
      ['biggest', Buffer.alloc(1024 * 1024, 200), 'application/octet-stream'],
      ['a/b;c,d:e@f!g$h&i(j)*k+l=m~n', '1'],
      ['dated?updated=2001-09-09T01:46:39.5%2B02:00', '1'],
      ['future?valid=2026-11-20T12:00:30Z', '1'],
      ['past?valid=2001-09-09T01:46:39Z', '1'],
      ['expiring?ttl=60', '1'],
      ['all?ttl=60&valid=2026-11-20T12:00:30Z&updated=2026-11-20T11:00:00Z', 'x', 'text/css'],
    ];
    for (const [path, body, contentType] of values) await put(path, body, contentType);
    for (const [path] of values) {
      const key = path.split('?')[0] as string;
      const { answer, isPlain } = await same(key);
      assert.ok(isPlain && answer.startsWith('HTTP/1.1 200 '), key);
      assert.ok(!(await same(key, '', 'HEAD')).isPlain);
      assert.ok(!(await same(`${key}?meta=true`)).isPlain);
    }
  });

  test('gives its own answer again after a write elsewhere, at the new position, and after one of its own', async (scope) => {
    const { put, same } = await bothWays(scope);
    await put('a', '1');
    const first = await same('a');
    await put('b', '1');
    const second = await same('a');
    assert.ok(second.isPlain && second.answer !== first.answer);
    await put('a', '22');
    assert.match((await same('a')).answer, /content-length: 2\r\n[\s\S]*\r\n\r\n22/);
  });

  test('knows one ETag by itself: 304 where it is the entry’s, the value where it is not', async (scope) => {
    const { put, same } = await bothWays(scope);
    for (const query of ['', '?ttl=60']) {
      const old = await put(`tagged${query}`, '1');
      const version = await put(`tagged${query}`, '2');
      const answers: Record<string, { status: number; isPlain: boolean }> = {
        [`"${version}"`]: { status: 304, isPlain: true },
        [`"${old}"`]: { status: 200, isPlain: true },
        '"a,b"': { status: 200, isPlain: true },
        '""': { status: 200, isPlain: true },
        [`W/"${version}"`]: { status: 304, isPlain: false },
        [`"${old}", "${version}"`]: { status: 304, isPlain: false },
        '*': { status: 304, isPlain: false },
        'no tag': { status: 400, isPlain: false },
      };
      for (const [tag, { status, isPlain }] of Object.entries(answers)) {
        const got = await same('tagged', `If-None-Match: ${tag}\r\n`);
        assert.equal(got.answer.slice(9, 12), String(status), tag);
        assert.equal(got.isPlain, isPlain, tag);
      }
    }
  });

  test('leaves to the route what is not there, not any more, or no key', async (scope) => {
    const { log, probe, put, same } = await bothWays(scope);
    await put('removed', '1');
    await log.submit({ commands: [{ op: 'remove', key: 'removed' }], principal: ANONYMOUS });
    await put('expired?ttl=1', '1');
    (probe.clock as { advance(ms: number): void }).advance(2 * SECOND);
    for (const key of ['never', 'removed', 'expired', 'k'.repeat(500), '%ff', '']) {
      assert.ok(!(await same(key)).isPlain, key);
    }
  });

  test('of an entry whose time passes says so as soon as the route does', async (scope) => {
    const { probe, put, same } = await bothWays(scope);
    await put('fades?ttl=60&valid=2026-11-20T12:00:30Z', '1');
    assert.doesNotMatch((await same('fades')).answer, /latchkey-stale/);
    (probe.clock as { advance(ms: number): void }).advance(30 * SECOND);
    assert.match((await same('fades')).answer, /latchkey-stale: true/);
    (probe.clock as { advance(ms: number): void }).advance(30 * SECOND);
    assert.match((await same('fades')).answer, /^HTTP\/1\.1 404 /);
  });

  test('shows the value before until somebody was told of the one after', async (scope) => {
    const { ask, probe, put, same } = await bothWays(scope);
    await put('read', '"before"');
    await put('unread', '"before"');
    const before = await ask('read');
    const during: string[] = [];
    probe.onFlushed = async () => {
      during.push(await ask('read'), await ask('unread'));
    };
    await put('read', '"after"');
    assert.equal(during[0], before);
    await put('unread', '"after"');
    assert.match(during[3] as string, /"before"[\s\S]*"before"/);
    for (const key of ['read', 'unread']) assert.match((await same(key)).answer, /"after"/);
  });
});
