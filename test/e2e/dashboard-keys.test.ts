import assert from 'node:assert/strict';
import { after, before, describe, type TestContext, test } from 'node:test';
import type { Browser } from 'playwright-core';
import type { Change } from '../../server/src/shared/change.ts';
import { launchBrowser } from '../support/chromium.ts';
import { HOSTILE, put, send, type World } from '../support/dashboard-world.ts';
import { put as putOver } from '../support/http-client.ts';
import { ServerProcess } from '../support/server-process.ts';
import { at, keysShown, live, openPage, openWorld, part, row } from './dashboard-page.ts';

let browser: Browser;
before(async () => {
  browser = await launchBrowser();
});
after(() => browser.close());

const world = (scope: TestContext, view: string, params: Record<string, string> = {}, fill?: (w: World) => unknown) =>
  openWorld(browser, scope, view, params, fill);

describe('keys', () => {
  test('are listed and kept up: new ones in their place, changed ones flash, removed ones go, stale ones say so', async (scope) => {
    const { page, problems, view } = await world(scope, 'keys');
    await live(page);
    await page.getByText('Nothing here yet').waitFor();
    view.put('b', HOSTILE);
    view.put('a', 1);
    view.write({ key: 'c', valid: { micros: 1 }, updated: { micros: 0 } });
    await row(page, 'c').locator('.badge').waitFor();
    assert.deepEqual(await keysShown(page), ['a', 'b', 'c']);
    assert.equal(await row(page, 'b').locator('td.value').textContent(), JSON.stringify(HOSTILE));
    assert.equal(await page.locator('img').count(), 0);
    view.put('a', 2);
    await row(page, 'a').locator('td.value', { hasText: '2' }).waitFor();
    await page.locator('tr[data-key="a"][class*="flash"]').waitFor();
    view.remove('b');
    await row(page, 'b').waitFor({ state: 'detached' });
    assert.deepEqual(problems, []);
  });

  test('are found by prefix, glob and exact key; the filter is in the address, and a refusal says why', async (scope) => {
    const { page } = await world(scope, 'keys', {}, ({ log }) => {
      for (const key of ['sensor.1', 'sensor.2', 'other']) log.view.put(key, 1);
    });
    await live(page);
    await page.keyboard.press('/');
    await page.keyboard.type('sensor.');
    await row(page, 'other').waitFor({ state: 'detached' });
    assert.deepEqual(await keysShown(page), ['sensor.1', 'sensor.2']);
    await page.getByLabel('Glob', { exact: true }).check();
    await page.fill('#term', '*[1r]');
    await row(page, 'other').waitFor();
    await page.reload();
    await live(page);
    assert.deepEqual(await keysShown(page), ['other', 'sensor.1']);
    await page.fill('#term', 'x'.repeat(2000));
    await page.locator('#state[data-state="refused"]').waitFor();
    assert.match((await page.locator('.notice').first().textContent()) as string, /pattern/i);
    await page.getByLabel('Key', { exact: true }).check();
    await page.fill('#term', 'sensor.2');
    await row(page, 'sensor.2').waitFor();
    assert.deepEqual(await keysShown(page), ['sensor.2']);
    await page.press('#term', 'Enter');
    await page.locator('h1', { hasText: 'sensor.2' }).waitFor();
  });

  test('a hundred thousand are paged, live on every page, and never loaded together', async (scope) => {
    const server = await ServerProcess.start({}, scope);
    const line = (index: number) => `{"op":"put","key":"k.${String(index).padStart(6, '0')}","value":${index}}\n`;
    for (let from = 0; from < 100_000; from += 25_000) {
      const body = Array.from({ length: 25_000 }, (_, index) => line(from + index)).join('');
      const headers = { 'content-type': 'application/x-ndjson' };
      const answer = await fetch(`${server.url}/v1/commands`, { method: 'POST', headers, body });
      assert.equal(answer.status, 200);
      await answer.arrayBuffer();
    }
    const { page } = await openPage(browser, scope, server.url);
    let lists = 0;
    page.on('request', (request) => {
      if (request.url().includes('/v1/keys?')) lists += 1;
    });
    await live(page);
    await page.getByText('1–100 of 100,000').waitFor();
    await page.keyboard.press(']');
    await page.getByText('101–200 of 100,000').waitFor();
    await putOver(server.url, 'k.000150', 'changed');
    await row(page, 'k.000150').locator('td.value', { hasText: 'changed' }).waitFor();
    await putOver(server.url, 'k.000150a', 'new');
    await row(page, 'k.000150a').waitFor();
    await row(page, 'k.000160').locator('a').click();
    await page.locator('h1', { hasText: 'k.000160' }).waitFor();
    await putOver(server.url, 'k.000170', 'meanwhile');
    await page.goBack();
    assert.equal(await page.evaluate(() => document.activeElement?.textContent), 'k.000160');
    await row(page, 'k.000170').locator('td.value', { hasText: 'meanwhile' }).waitFor();
    await live(page);
    // Of another page: nothing to see here.
    await putOver(server.url, 'k.000000', 'elsewhere');
    await page.keyboard.press('[');
    await row(page, 'k.000000').locator('td.value', { hasText: 'elsewhere' }).waitFor();
    assert.equal((await keysShown(page)).length, 100);
    // A rare glob goes through the whole store, on the server.
    await page.getByLabel('Glob', { exact: true }).check();
    await page.fill('#term', '*99999');
    await row(page, 'k.099999').waitFor();
    assert.deepEqual(await keysShown(page), ['k.099999']);
    assert.ok(lists < 40, `${lists} lists were asked for`);
  });
});

describe('a key', () => {
  test('has its value as a tree, what changed, its history, age and freshness, all live', async (scope) => {
    const valid = new Date(Date.now() + 100_000).toISOString();
    const {
      page,
      problems,
      world: made,
    } = await world(scope, 'key', { k: 'a/b c' }, async (w) => {
      await put(w, 'a/b c', { temp: 1, list: [1, 2], gone: true }, { secondsAgo: 5, valid });
      await put(w, 'a/b c', { temp: 2, list: [1, 3] }, { secondsAgo: 4, valid });
    });
    await live(page);
    assert.equal(await page.locator('h1').textContent(), 'a/b c');
    assert.deepEqual(
      await page
        .locator('.differences li')
        .allInnerTexts()
        .then((all) => all.map(oneLine)),
      ['temp before: 1 after: 2', 'list[1] before: 2 after: 3', 'gone before: true'],
    );
    await page.getByText(/^fresh for 1 min/).waitFor();
    await page.locator('.facts', { hasText: 'kafka:ems/3@991' }).waitFor();
    assert.equal(await part(page, '/list/1').innerText().then(oneLine), '1 3');
    await put(made, 'a/b c', { temp: 3, list: [1, 3] }, { secondsAgo: 3 });
    await part(page, '/temp').filter({ hasText: '3' }).waitFor();
    await page.locator('.differences li', { hasText: 'after: 3' }).waitFor();
    await page.getByText('live, no limit').waitFor();
    // Against any version of the window.
    const versions = await page
      .locator('#compare-from option')
      .evaluateAll((all) => all.map((each) => (each as HTMLOptionElement).value));
    await page.selectOption('#compare-from', versions.at(-1) as string);
    assert.deepEqual(await page.locator('.differences .path').allTextContents(), ['temp', 'list[1]', 'gone']);
    await page.locator('.history button').last().click();
    await page.getByText('nothing to compare it with').waitFor();
    await page.selectOption('#compare-from', 'before');
    await page.selectOption('#compare-to', 'newest');
    made.log.view.write({ ...(made.log.view.get('a/b c') as Change), op: 'stale' });
    await page.getByText('its time was up, and it became stale').waitFor();
    await send(made, { op: 'remove', key: 'a/b c' });
    await page.getByText('The entry was removed. Below is what it was.').waitFor();
    await page.locator('.history .badge', { hasText: 'deleted' }).waitFor();
    assert.deepEqual(problems, []);
  });

  test('its tree is worked by keyboard', async (scope) => {
    const { page } = await world(scope, 'key', { k: 'a' }, (w) => put(w, 'a', { one: { deep: [1, 2] }, two: 2 }));
    await live(page);
    await part(page, '').focus();
    for (const key of ['ArrowDown', 'ArrowRight', 'ArrowLeft', 'ArrowLeft']) await page.keyboard.press(key);
    const focused = () => page.evaluate(() => (document.activeElement as HTMLElement).dataset.path);
    assert.equal(await focused(), '/one');
    await page.keyboard.press('ArrowLeft');
    await part(page, '/one/deep').waitFor({ state: 'detached' });
    assert.equal(await part(page, '/one').getAttribute('aria-expanded'), 'false');
    await page.keyboard.press('Enter');
    await part(page, '/one/deep').waitFor();
    await page.keyboard.press('End');
    assert.equal(await focused(), '/two');
  });

  test('text and bytes are shown as such, a key without an entry waits for one', async (scope) => {
    const {
      page,
      world: made,
      problems,
    } = await world(scope, 'key', { k: 'text' }, async (w) => {
      await put(w, 'text', 'line one\nline two', { contentType: 'text/plain' });
      await put(w, 'bytes', 'AP8Q', { encoding: 'base64', contentType: 'application/octet-stream' });
    });
    await page.locator('pre.text', { hasText: 'line one\nline two' }).waitFor();
    await page.goto(at(made, 'key', { k: 'bytes' }));
    await page.locator('pre.text', { hasText: '00 ff 10' }).waitFor();
    await page.goto(at(made, 'key', { k: '..' }));
    await page.getByText('There is no entry under this key').waitFor();
    await live(page);
    await put(made, '..', 'here');
    await part(page, '').filter({ hasText: '"here"' }).waitFor();
    assert.deepEqual(problems, []);
  });

  test('hostile, huge and deep values stay text, and stay small', async (scope) => {
    const deep = `${'['.repeat(500)}${']'.repeat(500)}`;
    const {
      page,
      problems,
      world: made,
    } = await world(scope, 'key', { k: HOSTILE }, async (w) => {
      await put(w, HOSTILE, { [HOSTILE]: HOSTILE }, { secondsAgo: 9 });
      await put(w, HOSTILE, { [HOSTILE]: `${HOSTILE}!` });
      await put(w, 'huge', 'x'.repeat(1_000_000));
      await put(
        w,
        'wide',
        Array.from({ length: 50_000 }, (_, index) => index),
      );
      w.log.view.write({ key: 'deep', value: { kind: 'json', data: deep } });
    });
    await live(page);
    await page
      .locator('.differences li', { hasText: JSON.stringify(`${HOSTILE}!`) })
      .first()
      .waitFor();
    assert.equal(await page.locator('img, main script').count(), 0);
    assert.doesNotMatch(await page.title(), /^owned/);
    const small = async () =>
      assert.ok((await page.locator('main').evaluate((main) => (main.textContent ?? '').length)) < 150_000);
    for (const key of ['huge', 'wide', 'deep']) {
      await page.goto(at(made, 'key', { k: key }));
      await page.locator('h1', { hasText: key }).waitFor();
      await live(page);
      await small();
    }
    await page.goto(at(made, 'key', { k: 'wide' }));
    await part(page, '').click();
    await page.locator('.more', { hasText: '49,900 more' }).click();
    await part(page, '/199').waitFor();
    await page.getByLabel('Text', { exact: true }).check();
    await page.getByText(/^The first 100,000 of /).waitFor();
    await page.goto(at(made, 'keys'));
    await row(page, 'huge').waitFor();
    await page.goto(at(made, 'stream'));
    await live(page);
    await put(made, HOSTILE, HOSTILE);
    await put(made, 'huge', 'y'.repeat(1_000_000));
    await row(page, 'huge').waitFor();
    await small();
    assert.deepEqual(problems, []);
  });
});

function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').trim();
}
