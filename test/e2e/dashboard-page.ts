/** Pages of the dashboard in a real browser: one browser for a test file, a context of its own for every page. */

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Browser, Page } from 'playwright-core';
import { startWorld, type World } from '../support/dashboard-world.ts';
import type { Scope } from '../support/server-process.ts';

export interface Shown {
  readonly page: Page;
  /** What the page wrote to the console or threw, and what its policy stopped. */
  readonly problems: readonly string[];
}

export interface Look {
  readonly theme?: 'light' | 'dark';
  readonly width?: number;
  readonly height?: number;
}

export async function openPage(browser: Browser, scope: Scope, url: string, look: Look = {}): Promise<Shown> {
  const { height = 860, theme = 'light', width = 1280 } = look;
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: theme });
  scope.after(() => context.close());
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  const problems: string[] = [];
  page.on('console', (message) => problems.push(message.text()));
  page.on('pageerror', (error) => problems.push(String(error)));
  await page.goto(url);
  return { page, problems };
}

/** The address of a view. */
export const at = (server: { readonly url: string }, view: string, params: Record<string, string> = {}) =>
  `${server.url}/#/${view}?${new URLSearchParams(params)}`;

/** A server in this process with what `fill` puts into it, and a view of it. */
export async function openWorld(
  browser: Browser,
  scope: Scope,
  view: string,
  params: Record<string, string>,
  fill?: (world: World) => unknown,
) {
  const world = await startWorld(scope);
  await fill?.(world);
  const shown = await openPage(browser, scope, at(world, view, params));
  return { world, view: world.log.view, ...shown };
}

export const row = (page: Page, key: string) => page.locator(`tr[data-key="${key}"]`);
export const part = (page: Page, path: string) => page.locator(`[role=treeitem][data-path="${path}"]`);
export const live = (page: Page) => page.locator('#state[data-state="live"]').waitFor();

export const keysShown = (page: Page) =>
  page.locator('table.keys tbody tr').evaluateAll((all) => all.map((row) => (row as HTMLElement).dataset.key));

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** What axe finds wrong in the page as it is: `rule: element`. It comes in by the debugger, since the page's policy lets nothing in. */
export async function axeViolations(page: Page): Promise<readonly string[]> {
  const session = await page.context().newCDPSession(page);
  const run = async (expression: string) => {
    const { exceptionDetails, result } = await session.send('Runtime.evaluate', {
      expression,
      awaitPromise: true,
      returnByValue: true,
    });
    if (exceptionDetails !== undefined)
      throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value as unknown;
  };
  await run(`${AXE};undefined`);
  const told = await run(
    "axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => violations.flatMap(({ id, nodes }) => " +
      "nodes.map(({ target, failureSummary }) => [id, target.join(' '), failureSummary].join(': '))))",
  );
  await session.detach();
  return told as readonly string[];
}

/** How much the page is wider than its window. */
export const overflow = (page: Page) =>
  page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
