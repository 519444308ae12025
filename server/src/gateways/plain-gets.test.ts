import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { memoryCore } from '../../../test/support/memory-core.ts';
import { RawSocket } from '../../../test/support/raw-socket.ts';
import type { Gateway } from './gateway.ts';
import { makeHttp } from './http.ts';
import { statusGateway } from './status.ts';

/** Says who answered; the plain one leaves `/plain/route` to the route, and fails at `/plain/fault`. */
const telling: Gateway = {
  name: 'telling',
  register(http) {
    http.onPlainGet('/plain/', '/plain/*', (path, ifNoneMatch, response) => {
      if (path === 'route') return undefined;
      if (path === 'fault') throw new Error('a page of the store cannot be read');
      response.writeHead(200, ['content-length', '5']).end(ifNoneMatch === undefined ? 'plain' : 'match');
      return 200;
    });
    http.get('/plain/*', (_request, reply) => reply.send('route'));
  },
};

async function listening(scope: TestContext) {
  const core = memoryCore({ http: { trustedHosts: ['*'], corsOrigins: ['http://page.example'] } });
  const http = await makeHttp(core, [telling, statusGateway]);
  const { port } = await http.listen();
  scope.after(() => http.close(0));
  /** The whole answer to one request on a connection of its own. */
  const ask = async (head: string, path = '/plain/a', method = 'GET') => {
    const socket = await RawSocket.open(port, scope);
    socket.write(`${method} ${path} HTTP/1.1\r\n${head}Connection: close\r\n\r\n`);
    return socket.end();
  };
  await ask('Host: known\r\n');
  return { ask, http, port };
}

describe('plain GETs', () => {
  test('are answered before the routes once their host was allowed', async (scope) => {
    const { ask } = await listening(scope);
    assert.match(await ask('Host: other\r\n'), /\r\n\r\nroute$/);
    assert.match(await ask('Host: other\r\n'), /\r\n\r\nplain$/);
    assert.match(await ask('Host: known\r\n'), /\r\n\r\nplain$/);
    assert.match(await ask('hOST: known\r\nAccept: */*\r\nUser-Agent: x\r\n'), /\r\n\r\nplain$/);
    assert.match(await ask('Host: known\r\nIf-None-Match: "x"\r\n'), /\r\n\r\nmatch$/);
  });

  test('are the route’s again where anything about the request is unusual', async (scope) => {
    const { ask } = await listening(scope);
    const known = 'Host: known\r\n';
    const unusual: Record<string, () => Promise<string>> = {
      'two hosts': () => ask(`${known}${known}`),
      'an origin': () => ask(`${known}Origin: http://page.example\r\n`),
      credentials: () => ask(`${known}Authorization: Bearer x\r\n`),
      'a body': () => ask(`${known}Content-Length: 0\r\n`),
      'a chunked body': () => ask(`${known}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`),
      'an encoding': () => ask(`${known}Content-Encoding: identity\r\n`),
      'two tags': () => ask(`${known}If-None-Match: "a"\r\nIf-None-Match: "b"\r\n`),
      'many headers': () => ask(`${known}${'X-Much: 1\r\n'.repeat(32)}`),
      'a query': () => ask(known, '/plain/a?b=1'),
      'an empty query': () => ask(known, '/plain/a?'),
      'an escape': () => ask(known, '/plain/%61'),
      'no key': () => ask(known, '/plain/'),
      'a long path': () => ask(known, `/plain/${'a'.repeat(600)}`),
      'a fault of its handler': () => ask(known, '/plain/fault'),
      'what its handler leaves': () => ask(known, '/plain/route'),
    };
    for (const [name, request] of Object.entries(unusual)) assert.match(await request(), /\r\n\r\nroute$/, name);
    assert.match(await ask(known, '/plain/a', 'HEAD'), /content-length: 5\r\n[\s\S]*\r\n\r\n$/i);
    assert.match(await ask('Host: known\r\nOrigin: http://evil.example\r\n'), /^HTTP\/1\.1 403 /);
    assert.match(await ask('Host: known\r\nContent-Encoding: gzip\r\n'), /^HTTP\/1\.1 415 /);
    assert.match(await ask(''), /^HTTP\/1\.1 400 /);
  });

  test('keep their connection and their order, several in one packet too', async (scope) => {
    const { port } = await listening(scope);
    const socket = await RawSocket.open(port, scope);
    const get = (path: string) => `GET /plain/${path} HTTP/1.1\r\nHost: known\r\n\r\n`;
    socket.write(get('a') + get('route') + get('b') + get('route'));
    await socket.until('route');
    socket.write(`GET /plain/c HTTP/1.1\r\nHost: known\r\nConnection: close\r\n\r\n`);
    const bodies = (await socket.end()).match(/\r\n\r\n(plain|route)/g);
    assert.deepEqual(
      bodies?.map((body) => body.trim()),
      ['plain', 'route', 'plain', 'route', 'plain'],
    );
  });

  test('end their connection when the server stops', async (scope) => {
    const { http, port } = await listening(scope);
    const socket = await RawSocket.open(port, scope);
    // Its head is on its way, so the connection is not idle when the server stops.
    socket.write('GET /plain/a HTTP/1.1\r\nHost: known\r\n\r\nGET /plain/b HTTP/1.1\r\nHost: ');
    await socket.until('plain');
    await http.stopAccepting();
    socket.write('known\r\n\r\n');
    assert.match(await socket.end(), /connection: close[\s\S]*route$/i);
  });

  test('count as their route does', async (scope) => {
    const { ask, http } = await listening(scope);
    await ask('Host: known\r\n');
    await ask('Host: known\r\n', '/plain/route');
    const { body } = await http.app.inject({ url: '/metrics', headers: { host: 'known' } });
    assert.match(
      body,
      /latchkey_http_request_duration_seconds_count\{method="GET",route="\/plain\/\*",status="200"\} 3\n/,
    );
  });

  test('have one handler', async () => {
    await assert.rejects(makeHttp(memoryCore(), [telling, { ...telling, name: 'again' }]), /two gateways/);
  });
});
