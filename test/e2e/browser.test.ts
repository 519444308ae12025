import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { openBrowser } from '../support/chromium.ts';
import { put } from '../support/http-client.ts';
import { ServerProcess, temporaryFolder } from '../support/server-process.ts';

declare global {
  // What the test keeps in the page.
  var latchkeySeen: unknown[] | undefined;
}

describe('in a browser', () => {
  test('a native EventSource goes on across kill -9 of the server without a gap or a repeat', async (t) => {
    const server = await ServerProcess.start({}, t);
    const browser = await openBrowser(t);
    const page = await browser.newPage();
    await page.goto(`${server.url}/live`);
    await page.evaluate(
      () =>
        new Promise((done) => {
          globalThis.latchkeySeen = [];
          const source = new EventSource('/v1/watch?prefix=k.');
          source.onmessage = ({ data }) => globalThis.latchkeySeen?.push(JSON.parse(data).value);
          source.addEventListener('synced', done, { once: true });
        }),
    );
    const waitFor = (count: number) =>
      page.waitForFunction((wanted) => (globalThis.latchkeySeen?.length ?? 0) >= wanted, count, { timeout: 30_000 });

    for (let value = 1; value <= 40; value += 1) await put(server.url, `k.${value % 5}`, value);
    await waitFor(40);
    await server.kill();
    await server.restart();
    for (let value = 41; value <= 80; value += 1) await put(server.url, `k.${value % 5}`, value);
    await waitFor(80);
    assert.deepEqual(
      await page.evaluate(() => globalThis.latchkeySeen),
      Array.from({ length: 80 }, (_, index) => index + 1),
    );
  });

  test('the page at / shows entries as they change, without an error in the console', async (t) => {
    const server = await ServerProcess.start({}, t);
    const browser = await openBrowser(t);
    const page = await browser.newPage();
    const problems: string[] = [];
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') problems.push(message.text());
    });
    page.on('pageerror', (error) => problems.push(String(error)));
    page.on('requestfailed', (request) => problems.push(`${request.url()} ${request.failure()?.errorText}`));

    await put(server.url, 'page.1', { temp: 21.5 });
    await page.goto(`${server.url}/`);
    await page.getByText('page.1').first().waitFor();
    await put(server.url, 'page.2', 'arrives-live');
    await page.getByText('arrives-live').first().waitFor();
    await put(server.url, 'page.1', '<img src=x onerror="document.title=1">');
    await page.getByText('onerror=').first().waitFor();
    assert.equal(await page.locator('img[onerror]').count(), 0);

    const picture = join(temporaryFolder(t), 'page.png');
    await page.screenshot({ path: picture });
    assert.ok(statSync(picture).size > 1000);
    assert.deepEqual(problems, []);
  });
});
