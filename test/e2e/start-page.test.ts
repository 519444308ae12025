// The page that docs/start.md has its reader write, in a real browser, served from another origin as it says.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import { requireChromium } from '../../scripts/service/chromium.ts';
import { openBrowser } from '../support/chromium.ts';
import { put } from '../support/http-client.ts';
import { ROOT, runToEnd, ServerProcess } from '../support/server-process.ts';

const START = readFileSync(join(ROOT, 'docs/start.md'), 'utf8');
const WAIT = { timeout: 30_000 };

test('the page of docs/start.md shows values as they change, also across kill -9 of the server', async (t) => {
  const page = /^```html\n([\s\S]*?)^```$/m.exec(START)?.[1];
  assert.ok(page !== undefined);
  let html = '';
  const pages = createServer((_request, response) => {
    response.setHeader('content-type', 'text/html; charset=utf-8');
    response.end(html);
  });
  pages.listen(0, '127.0.0.1');
  await once(pages, 'listening');
  t.after(() => pages.close());
  const origin = `http://127.0.0.1:${(pages.address() as { port: number }).port}`;
  assert.match(START, /LATCHKEY_HTTP_CORS_ORIGINS='\["http:\/\/127\.0\.0\.1:8000"\]' npm start/);
  const server = await ServerProcess.start({ env: { LATCHKEY_HTTP_CORS_ORIGINS: JSON.stringify([origin]) } }, t);
  html = page.replaceAll('23333', String(server.port));
  await put(server.url, 'sensor.1', { temp: 23.5 });

  const browser = await openBrowser(t);
  const tab = await browser.newPage();
  await tab.goto(`${origin}/board.html`);
  await tab.getByText('sensor.1 {"temp":23.5}').waitFor(WAIT);
  await put(server.url, 'sensor.1', { temp: 24 });
  await tab.getByText('sensor.1 {"temp":24}').waitFor(WAIT);
  await server.kill();
  await server.restart();
  await put(server.url, 'sensor.2', 'after');
  await tab.getByText('sensor.2 "after"').waitFor(WAIT);
});

test('the five-minute start ends with a value changing in a browser page', async () => {
  const command = [process.execPath, '--conditions=source', join(ROOT, 'scripts/five-minutes.ts'), '--here'];
  const env = { LATCHKEY_CHROMIUM: requireChromium() };
  const { code, stderr, stdout } = await runToEnd(command, { env, cwd: ROOT, timeoutMs: 90_000 });
  assert.deepEqual([code, stderr], [0, '']);
  assert.match(stdout, /another one, until the page shows it +[\d.]+ s\ntogether +[\d.]+ s\n$/);
});
