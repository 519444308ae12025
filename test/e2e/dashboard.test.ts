import assert from 'node:assert/strict';
import { after, before, describe, type TestContext, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { Gauge } from 'prom-client';
import { launchBrowser } from '../support/chromium.ts';
import { FOREIGN_HOST, HOSTILE, park, put, send, startWorld, type World } from '../support/dashboard-world.ts';
import { put as putOver } from '../support/http-client.ts';
import { ServerProcess } from '../support/server-process.ts';
import { keysShown, live, openPage } from './dashboard-page.ts';

let browser: Browser;
before(async () => {
  browser = await launchBrowser();
});
after(() => browser.close());

const at = (world: { readonly url: string }, view: string, params: Record<string, string> = {}) =>
  `${world.url}/#/${view}?${new URLSearchParams(params)}`;
const row = (page: Page, key: string) => page.locator(`tr[data-key="${key}"]`);
const part = (page: Page, path: string) => page.locator(`[role=treeitem][data-path="${path}"]`);

async function world(
  scope: TestContext,
  view: string,
  params: Record<string, string> = {},
  fill?: (w: World) => unknown,
) {
  const made = await startWorld(scope);
  await fill?.(made);
  const shown = await openPage(browser, scope, at(made, view, params));
  return { world: made, view: made.log.view, ...shown };
}

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

test('the stream shows changes as they come, holds still while paused, and counts what it left out', async (scope) => {
  const { page, problems, view, world: made } = await world(scope, 'stream');
  await live(page);
  view.put('a', 1);
  view.remove('a');
  await page.locator('table.stream .badge', { hasText: 'deleted' }).waitFor();
  await page.keyboard.press('p');
  await page.locator('#state[data-state="paused"]').waitFor();
  view.put('b', 1);
  view.put('c', 1);
  await page.getByText('Paused. 2 changes left out since.').waitFor();
  assert.equal(await row(page, 'b').count(), 0);
  await page.getByRole('button', { name: 'Resume' }).click();
  await page.getByText('2 changes were left out while paused.').waitFor();
  for (let index = 0; index < 700; index += 1) view.put(`many.${index}`, index);
  await row(page, 'many.699').waitFor();
  assert.equal(await page.locator('table.stream tbody tr').count(), 300);
  await page.getByText('newest 300 of 702 seen').waitFor();
  await page.fill('#term', 'only.');
  await page.waitForURL(/prefix=only/);
  await live(page);
  await put(made, 'other', 1);
  await put(made, 'only.this', 1);
  await row(page, 'only.this').waitFor();
  assert.equal(await page.locator('table.stream tbody tr').count(), 1);
  assert.deepEqual(problems, []);
});

describe('dead letters', () => {
  const fill = async (w: World) => {
    await park(w, '{"op":"put","key":"a","value":1}', 'It came too early.');
    await park(w, '{"op":"put","key":"","value":1}', HOSTILE);
    await park(w, Buffer.from([0xff, 0xfe]), 'Not UTF-8.', 'gone');
  };
  const letter = (page: Page, id: number) => page.locator(`details[data-id="0000000${id}"]`);
  const confirm = (page: Page, name: string) =>
    page.locator('dialog[open]').getByRole('button', { name, exact: true }).click();

  test('are shown with reason, place and message, tried, replayed, edited and dropped', async (scope) => {
    const { page, problems, world: made } = await world(scope, 'dead-letters', {}, fill);
    await page.locator('#letters', { hasText: '3' }).waitFor();
    await letter(page, 1).locator('summary').click();
    const first = letter(page, 1);
    assert.match(await first.innerText(), /It came too early[\s\S]*offset\s+1000[\s\S]*"key":"a"/);
    await first.getByRole('button', { name: 'Dry run' }).click();
    await first.getByText('It can be read: 1 command. Nothing was written.').waitFor();
    assert.equal(made.log.view.get('a'), undefined);
    await first.getByRole('button', { name: 'Replay' }).click();
    await confirm(page, 'Cancel');
    assert.equal(made.log.deadLetters.letters.length, 3);
    await first.getByRole('button', { name: 'Replay' }).click();
    await confirm(page, 'Replay');
    await first.getByText('Replayed: applied aaaa.1.').waitFor();
    assert.equal(made.log.view.get('a')?.value?.data, '1');

    const second = letter(page, 2);
    await second.locator('summary').click();
    await second.getByRole('button', { name: 'Edit' }).click();
    await second.locator('textarea').fill('{"op":"put","key":"b","value":2}');
    await second.getByRole('button', { name: 'Replay' }).click();
    await confirm(page, 'Replay');
    await second.getByText('Replayed: applied').waitFor();
    assert.equal(made.log.view.get('b')?.value?.data, '2');

    const third = letter(page, 3);
    await third.locator('summary').click();
    await third.locator('pre', { hasText: 'ff fe' }).waitFor();
    await third.getByRole('button', { name: 'Drop' }).click();
    await confirm(page, 'Drop');
    await third.getByText('Dropped.').waitFor();
    assert.equal(made.log.deadLetters.letters.length, 0);
    assert.deepEqual(problems, []);
  });

  test('are replayed together, and what stays says why; many are paged and narrowed by source', async (scope) => {
    const { page } = await world(scope, 'dead-letters', {}, async (w) => {
      await fill(w);
      for (let index = 0; index < 30; index += 1) await park(w, `{"op":"put","key":"k${index}","value":1}`, 'Later.');
    });
    await page.getByText('1–25 of 33').waitFor();
    await page.keyboard.press(']');
    await page.getByText('26–33 of 33').waitFor();
    await page.getByRole('button', { name: 'Dry run all' }).click();
    await page.getByText(/^31 can be read, 2 cannot\. The first that cannot: /).waitFor();
    await page.getByRole('button', { name: 'Replay all' }).click();
    await confirm(page, 'Replay all');
    await page.getByText(/^31 replayed, 2 stay\./).waitFor();
    await page.getByText('1–2 of 2').waitFor();
    await page.fill('#source', 'gone');
    await letter(page, 2).waitFor({ state: 'detached' });
    await letter(page, 3).waitFor();
  });
});

test('status tells rates, watchers, sizes and sources, with plots under the strict policy', async (scope) => {
  const { page, problems, view } = await world(scope, 'status', {}, ({ core }) => {
    const lag = new Gauge({
      name: 'latchkey_source_lag',
      help: 'For this test.',
      labelNames: ['source'],
      registers: [core.metrics],
    });
    lag.set({ source: 'ems' }, 42);
  });
  await page.locator('figure canvas').first().waitFor();
  await page.locator('figure', { hasText: 'Lag of sources and sinks' }).locator('output', { hasText: '42' }).waitFor();
  assert.equal(await page.locator('figure canvas').count(), 9);
  await page.getByText('broker kafka-2:9092 refuses connections').waitFor();
  for (let index = 0; index < 50; index += 1) view.put(`k${index}`, 1);
  await page
    .locator('figure', { hasText: 'Changes/s' })
    .locator('output', { hasText: /^[1-9]/ })
    .waitFor();
  assert.match(
    (await page.locator('[role=img]').first().getAttribute('aria-label')) as string,
    /^Changes\/s: now \d+, at most/,
  );
  assert.deepEqual(problems, []);
});

test('after kill -9 what is shown is marked, and the page resumes by itself', async (scope) => {
  const server = await ServerProcess.start({}, scope);
  await putOver(server.url, 'a', 'before');
  const keys = await openPage(browser, scope, at(server, 'keys'));
  const key = await openPage(browser, scope, at(server, 'key', { k: 'a' }));
  const status = await openPage(browser, scope, at(server, 'status'));
  const stream = await openPage(browser, scope, at(server, 'stream'));
  const letters = await openPage(browser, scope, at(server, 'dead-letters'));
  await Promise.all([live(keys.page), live(key.page), live(stream.page)]);
  await server.kill();
  for (const { page } of [keys, key, stream]) {
    await page.locator('#state[data-state="reconnecting"]').waitFor();
    await page.getByText('comes back by itself').waitFor();
    await page.locator('.view[data-state="reconnecting"]').waitFor();
  }
  await key.page.locator('.badge', { hasText: 'not known' }).waitFor();
  for (const { page } of [status, letters]) await page.locator('#state[data-state="away"]').waitFor();
  await server.restart();
  await putOver(server.url, 'a', 'after');
  await row(keys.page, 'a').locator('td.value', { hasText: 'after' }).waitFor({ timeout: 30_000 });
  await part(key.page, '').filter({ hasText: 'after' }).waitFor({ timeout: 30_000 });
  // What came while it was away is in the stream: it resumes by position.
  await row(stream.page, 'a').locator('td.value', { hasText: 'after' }).waitFor({ timeout: 30_000 });
  await Promise.all([live(keys.page), live(key.page)]);
  for (const { page } of [status, letters]) await page.locator('#state[data-state="answering"]').waitFor();
});

test('seen from elsewhere it copies without a secure origin, and a network that went is told at once', async (scope) => {
  const made = await startWorld(scope);
  await put(made, 'a', { b: 1 });
  for (const host of ['127.0.0.1', FOREIGN_HOST]) {
    const { page, problems } = await openPage(
      browser,
      scope,
      at({ url: `http://${host}:${made.port}` }, 'key', { k: 'a' }),
    );
    await live(page);
    await page.getByRole('button', { name: 'Copy value' }).click();
    await page.getByText('Copied', { exact: true }).waitFor();
    await page.context().setOffline(true);
    const offline = page.locator('html[data-offline] #state', { hasText: 'Offline' });
    if (host === FOREIGN_HOST) await offline.waitFor();
    else assert.equal(await offline.count(), 0);
    await page.context().setOffline(false);
    await live(page);
    // What the browser itself says of a lost connection, and of a header that it heeds only on secure origins, is no fault of the page.
    assert.deepEqual(
      problems.filter((problem) => !/net::ERR_|Cross-Origin-Opener-Policy/.test(problem)),
      [],
    );
  }
});

function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').trim();
}
