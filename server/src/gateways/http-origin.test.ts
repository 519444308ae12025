import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { memoryCore, type SettingsPart } from '../../../test/support/memory-core.ts';
import { makeHttp } from './http.ts';
import { isHostAllowed, isOriginAllowed } from './http-origin.ts';
import { kvStoreGateway } from './kv-store.ts';
import { restGateway } from './rest.ts';

const rules = (http: SettingsPart['http'] = {}, presets: SettingsPart['presets'] = []) =>
  memoryCore({ http, presets }).settings;

describe('the Host header', () => {
  test('names loopback, the host listened on, or a trusted host; a rebound name is refused', () => {
    const local = rules({ trustedHosts: ['cache.example', 'with-port.example:8080'] });
    for (const host of [
      'localhost',
      'localhost:23333',
      '127.0.0.1:1',
      '[::1]:23333',
      '0.0.0.0:23333',
      'Cache.Example:99',
      'with-port.example',
    ]) {
      assert.ok(isHostAllowed(host, local), host);
    }
    for (const host of [
      'evil.example',
      '127.0.0.1.evil.example',
      'localhost.evil.example',
      '10.0.0.1',
      '',
      ':23333',
      'x.cache.example',
    ]) {
      assert.ok(!isHostAllowed(host, local), host);
    }
  });

  test('may be any address where the server listens beyond loopback: only names can be rebound', () => {
    const open = rules({ host: '0.0.0.0' });
    assert.ok(isHostAllowed('192.168.1.5:23333', open));
    assert.ok(isHostAllowed('[fe80::1]:23333', open));
    assert.ok(!isHostAllowed('evil.example', open));
    assert.ok(isHostAllowed('node-1:23333', rules({ host: 'node-1' })));
    assert.ok(isHostAllowed('evil.example', rules({ trustedHosts: ['*'] })));
  });
});

describe('the Origin header', () => {
  test('may be absent, the server’s own, or listed; anything else, null included, is refused', () => {
    const some = rules({ corsOrigins: ['https://app.example'] });
    const allowed = (origin: string | undefined, host: string) => isOriginAllowed(origin, host, '/v1/keys', some);
    assert.ok(allowed(undefined, 'localhost:23333'));
    assert.ok(allowed('http://localhost:23333', 'localhost:23333'));
    assert.ok(allowed('http://localhost', 'localhost:80'));
    assert.ok(allowed('https://app.example', 'localhost:23333'));
    for (const origin of [
      'https://evil.example',
      'http://localhost:1',
      'null',
      'file://',
      'https://app.example.evil',
      '',
      'app.example',
    ]) {
      assert.ok(!allowed(origin, 'localhost:23333'), origin);
    }
    assert.ok(isOriginAllowed('null', 'localhost', '/', rules({ corsOrigins: ['null'] })));
    assert.ok(isOriginAllowed('null', 'localhost', '/', rules({ corsOrigins: ['*'] })));
  });

  test('is open to all on the four routes of the kv-store preset, and on no other', () => {
    const preset = rules({}, ['kv-store']);
    for (const path of ['/set', '/get', '/getall', '/subscribe']) {
      assert.ok(isOriginAllowed('https://evil.example', 'localhost', path, preset));
      assert.ok(!isOriginAllowed('https://evil.example', 'localhost', path, rules()));
    }
    assert.ok(!isOriginAllowed('https://evil.example', 'localhost', '/v1/keys', preset));
  });
});

describe('a request', () => {
  const listener = async (part: SettingsPart = {}) =>
    (await makeHttp(memoryCore(part), [restGateway, kvStoreGateway])).app;

  test('with a foreign Host is 421, without one 400, and HTTP/1.0 needs none', async () => {
    const app = await listener();
    const refused = await app.inject({ url: '/v1/keys', headers: { host: 'evil.example' } });
    assert.deepEqual(
      [refused.statusCode, refused.json().error.code, refused.json().error.field],
      [421, 'host-refused', 'host'],
    );
    assert.equal((await app.inject({ url: '/nowhere', headers: { host: 'evil.example' } })).statusCode, 421);
    await app.close();
  });

  test('from a foreign origin is 403 and changes nothing', async () => {
    const core = memoryCore();
    const { app } = await makeHttp(core, [restGateway]);
    const headers = { host: 'localhost', origin: 'https://evil.example' };
    const refused = await app.inject({ method: 'PUT', url: '/v1/keys/a', headers, payload: '1' });
    assert.deepEqual([refused.statusCode, refused.json().error.code], [403, 'origin-refused']);
    assert.equal(refused.headers['access-control-allow-origin'], undefined);
    assert.equal(core.log.batches.length, 0);
    const own = await app.inject({ url: '/v1/keys', headers: { host: 'localhost:1', origin: 'http://localhost:1' } });
    assert.equal(own.statusCode, 200);
    await app.close();
  });

  test('a request of an allowed host is checked for its origin also after one without', async () => {
    const app = await listener();
    assert.equal((await app.inject({ url: '/v1/keys', headers: { host: 'localhost' } })).statusCode, 200);
    const origin = 'https://evil.example';
    assert.equal((await app.inject({ url: '/v1/keys', headers: { host: 'localhost', origin } })).statusCode, 403);
    await app.close();
  });

  test('from a listed origin gets CORS headers, and its preflight is answered', async () => {
    const app = await listener({ http: { corsOrigins: ['https://app.example'] } });
    const headers = { host: 'localhost', origin: 'https://app.example' };
    const answer = await app.inject({ url: '/v1/keys/a', headers });
    assert.equal(answer.statusCode, 404);
    assert.equal(answer.headers['access-control-allow-origin'], 'https://app.example');
    assert.equal(answer.headers.vary, 'Origin');
    assert.match(answer.headers['access-control-expose-headers'] as string, /ETag.*Latchkey-Position/);
    const preflight = await app.inject({
      method: 'OPTIONS',
      url: '/v1/keys/a',
      headers: { ...headers, 'access-control-request-method': 'PUT', 'access-control-request-private-network': 'true' },
    });
    assert.equal(preflight.statusCode, 204);
    assert.match(preflight.headers['access-control-allow-methods'] as string, /PUT/);
    assert.match(preflight.headers['access-control-allow-headers'] as string, /Idempotency-Key/);
    assert.equal(preflight.headers['access-control-allow-private-network'], 'true');
    await app.close();
  });

  test('with the kv-store preset any page may use the dialect', async () => {
    const app = await listener({ presets: ['kv-store'] });
    const headers = { host: 'localhost', origin: 'https://any.example' };
    const answer = await app.inject({ method: 'POST', url: '/getall', headers });
    assert.deepEqual([answer.statusCode, answer.headers['access-control-allow-origin']], [200, '*']);
    assert.equal((await app.inject({ url: '/v1/keys', headers })).statusCode, 403);
    await app.close();
  });
});
