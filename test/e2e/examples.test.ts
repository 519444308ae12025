// The examples as their README says to start them, in a real browser.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, type TestContext, test } from 'node:test';
import type { Page } from 'playwright-core';
import { openBrowser } from '../support/chromium.ts';
import { put } from '../support/http-client.ts';
import { cleanEnvironment, ROOT, ServerProcess } from '../support/server-process.ts';

const WAIT = { timeout: 30_000 };

interface Example {
  readonly child: ChildProcess;
  readonly url: string;
  readonly lines: readonly string[];
}

/** As `npm run example` starts it; it ends with the test. */
async function startExample(scope: TestContext, args: readonly string[]): Promise<Example> {
  const command = ['--conditions=source', join(ROOT, 'examples/run.ts'), ...args];
  const child = spawn(process.execPath, command, { env: cleanEnvironment(), stdio: ['ignore', 'pipe', 'pipe'] });
  scope.after(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGINT');
    await once(child, 'exit');
  });
  const lines: string[] = [];
  const url = await new Promise<string>((done, fail) => {
    child.once('exit', () => fail(new Error(`The example ended. It printed:\n${lines.join('\n')}`)));
    for (const input of [child.stdout, child.stderr]) {
      createInterface({ input }).on('line', (line) => {
        lines.push(line);
        const found = /^Open (\S+)/.exec(line)?.[1];
        if (found !== undefined) done(found);
      });
    }
  });
  return { child, url, lines };
}

/** With everything that its console is told: errors of scripts, rejections nobody handles, and what the browser itself prints. */
async function openPage(scope: TestContext, url: string): Promise<{ page: Page; printed: string[] }> {
  const browser = await openBrowser(scope);
  const page = await browser.newPage();
  const printed: string[] = [];
  page.on('console', (message) => printed.push(`${message.type()}: ${message.text()}`));
  page.on('pageerror', (error) => printed.push(String(error)));
  await page.goto(url);
  return { page, printed };
}

interface Cell {
  readonly key: string | undefined;
  readonly version: string | undefined;
  readonly old: string | undefined;
  readonly shown: string | undefined;
}

const cells = (page: Page): Promise<Cell[]> =>
  page.locator('[data-key]').evaluateAll((all) =>
    all.map((each) => {
      const { key, version, old } = (each as HTMLElement).dataset;
      const shown = each.querySelector('.temp')?.textContent ?? each.querySelector('input')?.value;
      return { key, version, old, shown };
    }),
  );

/** What the board has to show of the server's entries. */
async function expectedCells(server: ServerProcess): Promise<Cell[]> {
  const response = await fetch(`${server.url}/v1/keys?prefix=room.&limit=1000`);
  const { entries } = (await response.json()) as { entries: { key: string; value: number; version: string }[] };
  return entries
    .map(({ key, value, version }) => {
      const shown = key.endsWith('.temp') ? `${value.toFixed(1)} °C` : String(value);
      return { key, version, old: 'false', shown };
    })
    .sort((a, b) => ((a.key as string) < (b.key as string) ? -1 : 1));
}

const status = (page: Page, kind: string) => page.locator(`[data-status="${kind}"]`).waitFor(WAIT);

describe('the React board', () => {
  test('survives kill -9 of the server with no stale cell and no line in the console', async (t) => {
    const server = await ServerProcess.start({}, t);
    const rooms = Array.from({ length: 12 }, (_, at) => `r${at}`);
    for (const [at, room] of rooms.entries()) {
      await put(server.url, `room.${room}.temp`, at);
      await put(server.url, `room.${room}.target`, at);
    }
    const example = await startExample(t, ['react-board', '--server', server.url, '--no-writer']);
    const { page, printed } = await openPage(t, example.url);
    await status(page, 'live');

    for (const round of [1, 2]) {
      await server.kill();
      await status(page, 'waiting');
      await page
        .locator('[data-key][data-old="false"]')
        .first()
        .waitFor({ state: 'detached', ...WAIT });
      assert.equal((await cells(page)).length, 24, 'what was known is still shown');
      // On another port, where the page can't see it: when it is back, everything has changed already.
      const elsewhere = await ServerProcess.start({ data: server.data }, t);
      for (const [at, room] of rooms.entries()) {
        if (at % 3 === 0) await put(elsewhere.url, `room.${room}.temp`, at + round * 100);
        if (at % 4 === 0) await put(elsewhere.url, `room.${room}.target`, at + round * 100);
      }
      await elsewhere.kill();
      await server.restart();
      await status(page, 'live');
      const expected = await expectedCells(server);
      const shown = (await cells(page)).sort((a, b) => ((a.key as string) < (b.key as string) ? -1 : 1));
      assert.deepEqual(shown, expected);
    }
    assert.deepEqual(printed, []);
  });
});
