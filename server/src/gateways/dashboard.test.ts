import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { memoryCore } from '../../../test/support/memory-core.ts';
import { dashboardGateway } from './dashboard.ts';
import { type HttpListener, makeHttp } from './http.ts';

describe('the page over HTTP', () => {
  let http: HttpListener;
  before(async () => {
    http = await makeHttp(memoryCore(), [dashboardGateway]);
  });
  after(() => http.close());

  const ask = (url: string, headers: Record<string, string> = {}) =>
    http.app.inject({ method: 'GET', url, headers: { host: 'localhost', ...headers } });

  test('comes with a policy under which nothing but its own files can run or be loaded', async () => {
    const page = await ask('/');
    assert.equal(page.statusCode, 200);
    assert.equal(page.headers['content-type'], 'text/html; charset=utf-8');
    const policy = page.headers['content-security-policy'] as string;
    assert.match(policy, /default-src 'none'; script-src 'self'; style-src 'self'/);
    assert.doesNotMatch(policy, /unsafe/);
    assert.equal(page.headers['x-content-type-options'], 'nosniff');
    assert.doesNotMatch(page.body, /<script>|<style>|style=|\son[a-z]+=|https?:\/\//);
  });

  test('everything it names is served, with its own type', async () => {
    const page = await ask('/');
    const paths = [...page.body.matchAll(/(?:href|src)="([^"#]+)"/g)].map(([, path]) => path as string);
    assert.ok(paths.length >= 4);
    for (const path of paths) {
      const asset = await ask(`/${path}`);
      assert.equal(asset.statusCode, 200, path);
      assert.match(asset.headers['content-type'] as string, /^(text\/css|text\/javascript|image\/svg\+xml)/, path);
    }
  });

  test('every module that a script imports is served, uPlot from its own package', async () => {
    const seen = new Set(['/dashboard/page.js']);
    for (const path of seen) {
      const script = await ask(path);
      assert.equal(script.statusCode, 200, path);
      for (const [, specifier] of script.body.matchAll(/(?:from |import\()'(\.[^']+)'/g))
        seen.add(new URL(specifier as string, `http://localhost${path}`).pathname);
    }
    assert.ok(seen.has('/dashboard/uplot/uPlot.esm.js') && seen.has('/dashboard/views/keys.js'), [...seen].join());
  });

  test('what is known already is not sent again', async () => {
    const { etag } = (await ask('/')).headers as { etag: string };
    const again = await ask('/', { 'if-none-match': `"other", W/${etag}` });
    assert.equal(again.statusCode, 304);
    assert.equal(again.body, '');
    assert.equal((await ask('/', { 'if-none-match': '"other"' })).statusCode, 200);
  });

  test('nothing else of the disk is served', async () => {
    for (const path of [
      '/dashboard/',
      '/dashboard/../package.json',
      '/dashboard/%2e%2e/package.json',
      '/dashboard/package.json',
      '/dashboard/views/',
      '/dashboard/uplot/../uPlot.d.ts',
    ]) {
      assert.equal((await ask(path)).statusCode, 404, path);
    }
  });
});
