import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request } from 'node:http';
import { connect } from 'node:net';
import { describe, test } from 'node:test';
import { keepingLogger, memoryCore, type SettingsPart } from '../../../test/support/memory-core.ts';
import type { Gateway } from './gateway.ts';
import { makeHttp } from './http.ts';
import { restGateway } from './rest.ts';

const routes = (register: Gateway['register']): Gateway => ({ name: 'test', register });

/** Sends bytes and returns everything that comes back until the connection closes. */
async function exchange(port: number, bytes: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk;
  });
  socket.on('error', () => {});
  socket.write(bytes);
  await new Promise((resolve) => socket.once('close', resolve));
  return text;
}

describe('listening', () => {
  test('a port that is taken is address-in-use, naming host and port', async () => {
    const first = await makeHttp(memoryCore(), []);
    const { host, port } = await first.listen();
    assert.equal(host, '127.0.0.1');
    const second = await makeHttp(memoryCore({ http: { port } }), []);
    await assert.rejects(second.listen(), (error: { code?: string; message: string }) => {
      assert.equal(error.code, 'address-in-use');
      assert.match(error.message, new RegExp(`127\\.0\\.0\\.1:${port}`));
      return true;
    });
    await second.close();
    await first.close();
  });

  test('an address that is not this machine’s is address-refused, with the reason', async () => {
    const http = await makeHttp(memoryCore({ http: { host: '192.0.2.1' }, insecure: true }), []);
    await assert.rejects(http.listen(), { code: 'address-refused', message: /192\.0\.2\.1:0 .* no such address/ });
    await http.close();
  });

  test('beyond loopback it needs insecure, and says so before it listens', async () => {
    const http = await makeHttp(memoryCore({ http: { host: '0.0.0.0' } }), []);
    await assert.rejects(http.listen(), { code: 'insecure-listen', message: /--insecure/ });
    await http.close();
    const open = await makeHttp(memoryCore({ http: { host: '0.0.0.0' }, insecure: true }), []);
    assert.equal((await open.listen()).host, '0.0.0.0');
    await open.close();
  });
});

describe('an error nobody expected', () => {
  test('is 500 internal with a requestId, its text and stack only in the log', async () => {
    const { errors, logger } = keepingLogger();
    const http = await makeHttp(memoryCore({}, { logger }), [
      routes((app) => {
        app.get('/throws', () => {
          throw new TypeError('secret detail');
        });
        app.get('/rejects', async () => Promise.reject(new Error('secret detail')));
      }),
    ]);
    for (const url of ['/throws', '/rejects']) {
      const answer = await http.app.inject({ url, headers: { host: 'localhost' } });
      assert.equal(answer.statusCode, 500);
      const { error } = answer.json();
      assert.deepEqual(Object.keys(error), ['code', 'message', 'requestId']);
      assert.equal(error.code, 'internal');
      assert.doesNotMatch(answer.body, /secret|at .*\.ts/);
      assert.equal(errors.at(-1)?.fields.requestId, error.requestId);
      assert.match(String(errors.at(-1)?.fields.err), /secret detail/);
    }
    await http.close();
  });
});

describe('upgrades', () => {
  const HANDSHAKE = (path: string, headers = '', host = 'localhost') =>
    `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${headers}\r\n`;
  const listener = async (part: SettingsPart = {}) => {
    const http = await makeHttp(memoryCore(part), [
      restGateway,
      routes((app) => {
        app.onUpgrade('/v1/watch', (_request, socket) => socket.end('HTTP/1.1 101 Switching Protocols\r\n\r\nhello'));
      }),
    ]);
    return { http, port: (await http.listen()).port };
  };

  test('reach the gateway that registered for the path, query or not', async () => {
    const { http, port } = await listener();
    assert.match(await exchange(port, HANDSHAKE('/v1/watch?from=now')), /101 .*\r\n\r\nhello$/s);
    await http.close();
  });

  test('are refused with a clean 4xx on an unknown path, a foreign Host or origin', async () => {
    const { http, port } = await listener({ http: { corsOrigins: ['https://app.example'] } });
    const cases: [string, number, string][] = [
      [HANDSHAKE('/nowhere'), 404, 'not-found'],
      [HANDSHAKE('/v1/watch', '', 'evil.example'), 421, 'host-refused'],
      [HANDSHAKE('/v1/watch', 'Origin: https://evil.example\r\n'), 403, 'origin-refused'],
      [HANDSHAKE('/v1/watch', 'Origin: null\r\n'), 403, 'origin-refused'],
      [HANDSHAKE(`/v1/watch?${'a'.repeat(20_000)}`), 414, 'uri-too-long'],
    ];
    for (const [bytes, status, code] of cases) {
      const text = await exchange(port, bytes);
      assert.match(text, new RegExp(`^HTTP/1\\.1 ${status} `));
      assert.equal(JSON.parse(text.slice(text.indexOf('\r\n\r\n'))).error.code, code);
    }
    assert.match(await exchange(port, HANDSHAKE('/v1/watch', 'Origin: https://app.example\r\n')), / 101 /);
    assert.match(await exchange(port, HANDSHAKE('/v1/watch', 'Origin: http://localhost\r\n')), / 101 /);
    await http.close();
  });

  test('to anything but WebSocket are ignored, as curl --http2 expects', async () => {
    const { http, port } = await listener();
    const headers =
      'Host: localhost\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n';
    assert.match(await exchange(port, `GET /v1/keys HTTP/1.1\r\n${headers}\r\n`), /^HTTP\/1\.1 200 /);
    await http.close();
  });
});

describe('stopping', () => {
  test('takes no new connection, finishes what is under way, and then closes', async () => {
    const arrived = Promise.withResolvers<void>();
    const go = Promise.withResolvers<void>();
    const http = await makeHttp(memoryCore(), [
      routes((app) => {
        app.get('/slow', async () => {
          arrived.resolve();
          await go.promise;
          return 'done';
        });
      }),
    ]);
    const { port } = await http.listen();
    const idle = connect(port, '127.0.0.1');
    await once(idle, 'connect');
    const idleClosed = once(idle, 'close');
    const outgoing = request({ port, host: '127.0.0.1', path: '/slow' }).end();
    const answered = once(outgoing, 'response');
    await arrived.promise;
    await http.stopAccepting();
    await http.stopAccepting();
    await idleClosed;
    const late = connect(port, '127.0.0.1');
    const refused = await new Promise<NodeJS.ErrnoException>((resolve) => late.once('error', resolve));
    assert.equal(refused.code, 'ECONNREFUSED');
    const closed = http.close();
    go.resolve();
    assert.equal((await answered)[0].statusCode, 200);
    (await answered)[0].resume();
    await closed;
    await http.close();
    assert.equal(http.connections(), 0);
  });

  test('cuts at its deadline what does not come to an end', async () => {
    const arrived = Promise.withResolvers<void>();
    const http = await makeHttp(memoryCore(), [
      routes((app) => {
        app.get('/never', (_request, reply) => {
          reply.hijack();
          arrived.resolve();
        });
      }),
    ]);
    const { port } = await http.listen();
    const outgoing = request({ port, host: '127.0.0.1', path: '/never' }).end();
    const cut = new Promise<NodeJS.ErrnoException>((resolve) => outgoing.once('error', resolve));
    await arrived.promise;
    await http.close(50);
    assert.equal((await cut).code, 'ECONNRESET');
    assert.equal(http.connections(), 0);
  });
});
