// How the dashboard looks and is reached: axe, both themes, the width of a phone, the keyboard alone. `LATCHKEY_SHOTS=DIR` keeps pictures.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { launchBrowser } from '../support/chromium.ts';
import { fillDemo, startWorld } from '../support/dashboard-world.ts';
import { axeViolations, live, openPage, overflow } from './dashboard-page.ts';

const VIEWS: readonly {
  readonly name: string;
  readonly hash: string;
  readonly ready: (page: Page) => Promise<unknown>;
}[] = [
  { name: 'keys', hash: 'keys', ready: (page) => page.locator('table.keys tr[data-key]').first().waitFor() },
  { name: 'key', hash: 'key?k=battery.08.state', ready: (page) => page.locator('.differences li').first().waitFor() },
  { name: 'stream', hash: 'stream', ready: (page) => page.locator('table.stream tr[data-key]').first().waitFor() },
  {
    name: 'dead-letters',
    hash: 'dead-letters',
    ready: async (page) => {
      await page.locator('.letters summary').first().click();
      await page.locator('.letter-body').first().waitFor();
    },
  },
  { name: 'status', hash: 'status', ready: (page) => page.locator('figure canvas').last().waitFor() },
];
const SHOTS = process.env.LATCHKEY_SHOTS;

let browser: Browser;
before(async () => {
  browser = await launchBrowser();
});
after(() => browser.close());

describe('the dashboard', () => {
  for (const theme of ['light', 'dark'] as const) {
    for (const width of [1280, 360]) {
      test(`is clean by axe and fits, ${theme}, ${width} pixels wide`, async (scope) => {
        const world = await startWorld(scope);
        await fillDemo(world);
        let writes = 0;
        // Something to see in the stream and the plots.
        const writer = setInterval(() => world.log.view.put(`meter.0${1 + (writes++ % 9)}.power`, writes % 100), 40);
        scope.after(() => clearInterval(writer));
        const { page, problems } = await openPage(browser, scope, world.url, {
          theme,
          width,
          height: width < 500 ? 780 : 860,
        });
        for (const { hash, name, ready } of VIEWS) {
          await page.goto(`${world.url}/#/${hash}`);
          await ready(page);
          assert.deepEqual(await axeViolations(page), [], `${name}, ${theme}, ${width}`);
          assert.equal(await overflow(page), 0, `${name} is wider than ${width} pixels`);
          if (SHOTS !== undefined) await page.screenshot({ path: join(SHOTS, `${name}-${theme}-${width}.png`) });
        }
        await page.keyboard.press('?');
        await page.locator('dialog[open]').waitFor();
        assert.deepEqual(await axeViolations(page), [], `the list of keys, ${theme}, ${width}`);
        assert.deepEqual(problems, []);
      });
    }
  }

  test('is walked through by keyboard alone', async (scope) => {
    const world = await startWorld(scope);
    await fillDemo(world);
    const { page, problems } = await openPage(browser, scope, world.url);
    await live(page);
    await page.keyboard.press('Tab');
    assert.equal(await page.evaluate(() => document.activeElement?.id), 'skip');
    await page.keyboard.press('Enter');
    assert.equal(await page.evaluate(() => document.activeElement?.id), 'main');
    await page.keyboard.press('/');
    await page.keyboard.type('battery.');
    await page.locator('tr[data-key^="meter."]').first().waitFor({ state: 'detached' });
    await page.keyboard.press('Tab');
    const focused = () => page.evaluate(() => document.activeElement?.textContent);
    assert.equal(await focused(), 'battery.01.state');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowDown');
    assert.equal(await focused(), 'battery.03.state');
    await page.keyboard.press('Enter');
    await page.locator('h1', { hasText: 'battery.03.state' }).waitFor();
    for (const [keys, title] of [
      ['gs', 'Stream'],
      ['gd', 'Dead letters'],
      ['gt', 'Status'],
      ['gk', 'Keys'],
    ] as const) {
      for (const key of keys) await page.keyboard.press(key);
      await page.locator('h1', { hasText: title }).waitFor();
      assert.match(await page.title(), new RegExp(title));
    }
    await page.keyboard.press('?');
    await page.getByRole('heading', { name: 'Keys of the keyboard' }).waitFor();
    await page.keyboard.press('Escape');
    await page.locator('dialog[open]').waitFor({ state: 'detached' });
    assert.deepEqual(problems, []);
  });

  test('remembers the theme that was chosen, and follows the system until then', async (scope) => {
    const world = await startWorld(scope);
    const { page } = await openPage(browser, scope, world.url, { theme: 'dark' });
    const paper = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const dark = await paper();
    await page.getByRole('button', { name: 'Theme: as the system' }).click();
    const light = await paper();
    assert.notEqual(light, dark);
    await page.reload();
    assert.equal(await paper(), light);
    await page.getByRole('button', { name: 'Theme: light' }).click();
    await page.emulateMedia({ colorScheme: 'light' });
    assert.equal(await paper(), dark);
    await page.getByRole('button', { name: 'Theme: dark' }).click();
    assert.equal(await paper(), light);
  });

  test('does not move for who asked for less motion', async (scope) => {
    const world = await startWorld(scope);
    const { page } = await openPage(browser, scope, world.url);
    await page.emulateMedia({ reducedMotion: 'reduce' });
    await live(page);
    world.log.view.put('a', 1);
    await page.locator('tr[data-key="a"]').waitFor();
    world.log.view.put('a', 2);
    const row = page.locator('tr[data-key="a"][class*="flash"]');
    await row.waitFor();
    assert.equal(await row.evaluate((line) => getComputedStyle(line).animationName), 'none');
  });
});
