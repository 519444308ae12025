import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import type { Page } from 'playwright-core';
import { dashboardGateway } from '../../server/src/gateways/dashboard.ts';
import { makeSseGateway } from '../../server/src/gateways/sse.ts';
import { openBrowser } from '../support/chromium.ts';
import { GatewayServer } from '../support/gateway-server.ts';
import { put } from '../support/http-client.ts';
import { ServerProcess } from '../support/server-process.ts';

interface Shown {
  readonly page: Page;
  readonly problems: string[];
}

async function open(scope: TestContext, url: string): Promise<Shown> {
  const browser = await openBrowser(scope);
  const page = await browser.newPage();
  const problems: string[] = [];
  page.on('console', (message) => problems.push(message.text()));
  page.on('pageerror', (error) => problems.push(String(error)));
  await page.goto(url);
  return { page, problems };
}

const gateways = () => [makeSseGateway(() => 0), dashboardGateway];
const live = (page: Page) => page.locator('#state[data-state="live"]').waitFor();
const rows = (page: Page) => page.locator('tbody tr[tabindex]').evaluateAll((all) => all.map((row) => row.dataset.key));

describe('the page', () => {
  test('folds the stream: new rows, changed rows, removed rows, the stale badge, text as text', async (scope) => {
    const server = await GatewayServer.start(scope, gateways());
    const { page, problems } = await open(scope, server.url);
    await live(page);
    await page.getByText('Nothing here yet').waitFor();
    const { view } = server.log;
    view.put('b', '<b id="evil">x</b>');
    view.put('a', 1);
    view.write({ key: 'c', valid: { micros: 1 }, updated: { micros: 0 } });
    await page.locator('tr[data-key="c"] .badge').waitFor();
    assert.deepEqual(await rows(page), ['a', 'b', 'c']);
    assert.equal(await page.locator('tr[data-key="b"] td.value').textContent(), '"<b id=\\"evil\\">x</b>"');
    assert.equal(await page.locator('#evil').count(), 0);
    view.put('a', 2);
    await page.locator('tr[data-key="a"] td.value', { hasText: '2' }).waitFor();
    await page.locator('tr[data-key="a"][class*="flash"]').waitFor();
    view.remove('b');
    await page.locator('tr[data-key="b"]').waitFor({ state: 'detached' });
    await page.getByLabel('Latest first').check();
    await page.locator('tbody tr:first-child[data-key="a"]').waitFor();
    assert.deepEqual(problems, []);
  });

  test('filters by prefix or glob, says why a filter is refused, and keeps it in the address', async (scope) => {
    const server = await GatewayServer.start(scope, gateways(), { limits: { keyBytesMax: 20 } });
    for (const key of ['sensor.1', 'sensor.2', 'other']) server.log.view.put(key, 1);
    const { page } = await open(scope, server.url);
    await live(page);
    await page.keyboard.press('/');
    await page.keyboard.type('sensor.');
    await page.locator('tr[data-key="other"]').waitFor({ state: 'detached' });
    await live(page);
    assert.deepEqual(await rows(page), ['sensor.1', 'sensor.2']);
    await page.getByLabel('Glob', { exact: true }).check();
    await page.fill('#term', '*[1r]');
    await page.locator('tr[data-key="other"]').waitFor();
    await page.locator('tr[data-key="sensor.2"]').waitFor({ state: 'detached' });
    await page.reload();
    await live(page);
    assert.deepEqual(await rows(page), ['other', 'sensor.1']);
    await page.fill('#term', 'x'.repeat(30));
    await page.locator('#state[data-state="refused"]').waitFor();
    assert.match((await page.locator('#notice').textContent()) as string, /pattern/i);
    await page.fill('#term', '');
    await live(page);
    assert.deepEqual(await rows(page), ['other', 'sensor.1', 'sensor.2']);
  });

  test('is worked by keyboard: rows by arrows, details by Enter', async (scope) => {
    const server = await GatewayServer.start(scope, gateways());
    for (const key of ['a', 'b', 'c']) server.log.view.put(key, { of: key });
    const { page } = await open(scope, server.url);
    await live(page);
    await page.keyboard.press('/');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    await page.locator('tr[data-key="b"][aria-expanded="true"]').waitFor();
    assert.match((await page.locator('tr.detail pre').textContent()) as string, /"of": "b"/);
    server.log.view.put('b', { of: 'later' });
    await page.locator('tr.detail pre', { hasText: 'later' }).waitFor();
    await page.keyboard.press('Escape');
    await page.locator('tr.detail').waitFor({ state: 'detached' });
  });

  test('renders a bounded number of rows, and says so', async (scope) => {
    const server = await GatewayServer.start(scope, gateways());
    for (let index = 0; index < 1500; index += 1) server.log.view.put(`k${String(index).padStart(4, '0')}`, index);
    const { page } = await open(scope, server.url);
    await live(page);
    await page.getByText('the first 1,000 of 1,500 keys are shown').waitFor();
    assert.equal((await rows(page)).length, 1000);
  });

  test('comes back by itself after kill -9, and resumes', async (scope) => {
    const server = await ServerProcess.start({}, scope);
    await put(server.url, 'a', 'before');
    const { page } = await open(scope, server.url);
    await live(page);
    await server.kill();
    await page.locator('#state[data-state="reconnecting"]').waitFor();
    await page.getByText('comes back by itself').waitFor();
    await server.restart();
    await put(server.url, 'a', 'after');
    await page.locator('tr[data-key="a"] td.value', { hasText: 'after' }).waitFor({ timeout: 60_000 });
    await live(page);
  });
});
