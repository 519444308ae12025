import assert from 'node:assert/strict';
import { after, before, describe, type TestContext, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { Gauge } from 'prom-client';
import { launchBrowser } from '../support/chromium.ts';
import { FOREIGN_HOST, HOSTILE, park, put, startWorld, type World } from '../support/dashboard-world.ts';
import { put as putOver } from '../support/http-client.ts';
import { ServerProcess } from '../support/server-process.ts';
import { at, live, openPage, openWorld, part, row } from './dashboard-page.ts';

let browser: Browser;
before(async () => {
  browser = await launchBrowser();
});
after(() => browser.close());

const world = (scope: TestContext, view: string, params: Record<string, string> = {}, fill?: (w: World) => unknown) =>
  openWorld(browser, scope, view, params, fill);

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

test('status says that the log takes no writes, and why, for as long as it takes none', async (scope) => {
  const { page, problems, world: made } = await world(scope, 'status');
  const view = page.locator('.view');
  const notice = view.locator('> .notice');
  const asked = async (times: number) => {
    for (let time = 0; time < times; time += 1) await page.waitForResponse(/\/v1\/status$/);
  };
  await page.locator('.view[data-state="live"]').waitFor();
  assert.equal(await notice.isVisible(), false);

  made.log.ready = { isReady: false, reason: `redis://10.0.0.7:6379 can't be reached ${HOSTILE}` };
  await notice.getByText("It takes no writes now. redis://10.0.0.7:6379 can't be reached <img").waitFor();
  assert.equal(await view.getAttribute('data-state'), 'reconnecting');
  assert.notEqual(await page.title(), 'owned');
  // It does not flicker: what says so is looked at anew with every answer.
  await notice.evaluate((element) => {
    new MutationObserver(() => element.setAttribute('data-touched', '')).observe(element, {
      attributeFilter: ['hidden'],
      characterData: true,
      childList: true,
      subtree: true,
    });
  });
  await asked(3);
  assert.equal(await notice.getAttribute('data-touched'), null);

  made.log.ready = { isReady: false };
  await notice.getByText('It takes no writes now.', { exact: true }).waitFor();
  made.log.ready = { isReady: true };
  await page.locator('.view[data-state="live"]').waitFor();
  assert.equal(await notice.isVisible(), false);
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
