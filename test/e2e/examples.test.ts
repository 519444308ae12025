// The examples as their README says to start them, in a real browser.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, type TestContext, test } from 'node:test';
import type { Page } from 'playwright-core';
import { openBrowser } from '../support/chromium.ts';
import { put } from '../support/http-client.ts';
import { cleanEnvironment, ROOT, runToEnd, ServerProcess } from '../support/server-process.ts';

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

  test('sets a value from the page, and says so when somebody else was first', async (t) => {
    const server = await ServerProcess.start({}, t);
    await put(server.url, 'room.hall.target', 20);
    const example = await startExample(t, ['react-board', '--server', server.url, '--no-writer']);
    const { page, printed } = await openPage(t, example.url);
    await status(page, 'live');
    const input = page.locator('[data-key="room.hall.target"] input');
    await input.fill('21.5');
    await input.press('Enter');
    await page.getByText('applied').waitFor(WAIT);
    assert.equal(await (await fetch(`${server.url}/v1/keys/room.hall.target`)).text(), '21.5');
    await input.fill('23');
    await put(server.url, 'room.hall.target', 17);
    await input.press('Enter');
    await page.getByText('conflict: it is 17 by now').waitFor(WAIT);
    assert.equal(await input.inputValue(), '17');
    assert.deepEqual(printed, []);
  });
});

const isRunning = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

describe('an example with a server of its own', { concurrency: 3 }, () => {
  for (const [name, row] of [
    ['board', '[data-key^="departure."]'],
    ['telemetry', '[data-key="machine.cpu.0"][data-old="false"]'],
    ['react-board', '[data-key^="room."][data-old="false"]'],
  ] as const) {
    test(`${name} fills its page, is back after kill -9 without a line in the console, and Ctrl-C ends all of it`, async (t) => {
      const example = await startExample(t, [name]);
      const started = example.lines.join('\n');
      const pid = Number(/process (\d+), data in/.exec(started)?.[1]);
      const data = /data in (\S+)\.$/m.exec(started)?.[1] as string;
      const { page, printed } = await openPage(t, example.url);
      await status(page, 'live');
      await page.locator(row).first().waitFor(WAIT);
      process.kill(pid, 'SIGKILL');
      await status(page, 'waiting');
      await page.locator('[data-old="true"]').first().waitFor(WAIT);
      await status(page, 'live');
      await page.locator(row).first().waitFor(WAIT);
      assert.deepEqual(printed, []);

      example.child.kill('SIGINT');
      const [code] = await once(example.child, 'exit');
      assert.equal(code, 0);
      const second = Number(/as process (\d+)/.exec(example.lines.join('\n'))?.[1]);
      assert.deepEqual([isRunning(pid), isRunning(second), existsSync(data)], [false, false, false]);
    });
  }

  test('an unknown name, a bad port and a port that is taken are said in a line', async (t) => {
    const { child, url } = await startExample(t, ['board']);
    const port = new URL(url).port;
    const cases = [
      [['bord'], /no example "bord"/],
      [['board', '--port', '70000'], /--port takes a port, but got "70000"/],
      [['board', '--server', 'nowhere'], /--server takes a URL/],
      [['board', '--port', port], new RegExp(`Port ${port} of 127.0.0.1 is taken`)],
    ] as const;
    for (const [args, expected] of cases) {
      const command = [process.execPath, '--conditions=source', join(ROOT, 'examples/run.ts'), ...args];
      const { code, stderr } = await runToEnd(command);
      assert.equal(code, 2);
      assert.match(stderr, expected);
    }
    assert.equal(child.exitCode, null);
  });
});
