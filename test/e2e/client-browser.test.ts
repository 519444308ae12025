// The client as a bundled script in a real Chromium, against a real server that is killed, and a network that goes.
import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import type * as Client from '@latchkey/client';
import type { BrowserContext, Page } from 'playwright-core';
import { openBrowser } from '../support/chromium.ts';
import { bundleClient } from '../support/client-bundle.ts';
import { put } from '../support/http-client.ts';
import { ServerProcess } from '../support/server-process.ts';

declare global {
  var latchkey: typeof Client;
  // What the test keeps in the page.
  var seen: unknown[];
  var kinds: string[];
  var board: Client.Mirror<number>;
  var identities: boolean[];
}

const WAIT = { timeout: 30_000 };

async function openPage(
  scope: TestContext,
  server: ServerProcess,
): Promise<{ page: Page; browser: BrowserContext; problems: string[] }> {
  const browser = await openBrowser(scope);
  const page = await browser.newPage();
  const problems: string[] = [];
  page.on('pageerror', (error) => problems.push(String(error)));
  // A page of the server's own origin, without scripts of its own.
  await page.goto(`${server.url}/live`);
  const bundle = await bundleClient("export * from '@latchkey/client';", 'latchkey');
  await page.addScriptTag({ content: Buffer.from(bundle).toString() });
  return { page, browser, problems };
}

async function watchIn(page: Page, transport: 'auto' | 'websocket' | 'sse'): Promise<void> {
  await page.evaluate(async (wanted) => {
    globalThis.seen = [];
    globalThis.kinds = [];
    const client = new latchkey.LatchkeyClient({ server: location.origin, transport: wanted });
    client.watch(
      { prefixes: ['k.'] },
      (event) => {
        if (latchkey.isChange(event)) seen.push(event.value);
      },
      { onStatus: ({ kind }) => kinds.push(kind) },
    );
    globalThis.board = client.mirror<number>({ prefixes: ['k.'] });
    await board.ready;
  }, transport);
}

const untilSeen = (page: Page, count: number) => page.waitForFunction((wanted) => seen.length >= wanted, count, WAIT);
const untilKind = (page: Page, kind: string) =>
  page.waitForFunction((wanted) => board.status.kind === wanted, kind, WAIT);
const numbers = (count: number) => Array.from({ length: count }, (_, index) => index + 1);

async function putAll(server: ServerProcess, from: number, to: number): Promise<void> {
  for (let value = from; value <= to; value += 1) await put(server.url, `k.${value % 5}`, value);
}

describe('the client in a browser', () => {
  for (const transport of ['websocket', 'sse'] as const) {
    test(`over ${transport}: every change once and a mirror without a stale entry, across kill -9 and a network that goes`, async (scope) => {
      const server = await ServerProcess.start({}, scope);
      const { browser, page, problems } = await openPage(scope, server);
      await watchIn(page, transport);
      await putAll(server, 1, 20);
      await untilSeen(page, 20);

      await server.kill();
      await untilKind(page, 'waiting');
      await server.restart();
      await putAll(server, 21, 40);
      await untilSeen(page, 40);
      await untilKind(page, 'live');

      await browser.setOffline(true);
      await putAll(server, 41, 60);
      await browser.setOffline(false);
      await untilSeen(page, 60);
      await putAll(server, 61, 65);
      await untilSeen(page, 65);
      await page.waitForFunction(() => board.get('k.0')?.value === 65, undefined, WAIT);

      assert.deepEqual(await page.evaluate(() => seen), numbers(65));
      assert.deepEqual(await page.evaluate(() => board.entries().map(({ key, value }) => [key, value])), [
        ['k.0', 65],
        ['k.1', 61],
        ['k.2', 62],
        ['k.3', 63],
        ['k.4', 64],
      ]);
      assert.deepEqual(problems, []);
    });
  }

  test('a server that was away for long is back at once when the network comes back, without waiting for the next try', async (scope) => {
    const server = await ServerProcess.start({}, scope);
    const { page, problems } = await openPage(scope, server);
    await page.evaluate(async () => {
      // The longest wait there is: without `online` nothing would come within this test.
      const connection = latchkey.connect({ server: location.origin, random: () => 0.999 });
      globalThis.board = latchkey.mirror(connection, { prefixes: ['k.'] });
      await board.ready;
      connection.backoff.baseMs = 30_000;
    });
    await server.kill();
    await untilKind(page, 'waiting');
    await server.restart();
    await page.evaluate(() => dispatchEvent(new Event('online')));
    await page.waitForFunction(() => board.status.kind === 'live', undefined, { timeout: 10_000 });
    assert.deepEqual(problems, []);
  });

  test('the snapshots of a mirror are the same object until what they show changes, as useSyncExternalStore asks', async (scope) => {
    const server = await ServerProcess.start({}, scope);
    const { page, problems } = await openPage(scope, server);
    await putAll(server, 1, 5);
    await watchIn(page, 'auto');
    await page.evaluate(() => {
      const { entries, get, subscribe } = board;
      const [all, one, other] = [entries(), get('k.1'), get('k.2')];
      globalThis.identities = [entries() === all, get('k.1') === one, Object.isFrozen(all), Object.isFrozen(one)];
      subscribe(() => {
        globalThis.identities.push(entries() !== all, get('k.1') !== one, get('k.2') === other, one?.value === 1);
      }, 'k.1');
    });
    await put(server.url, 'k.1', 6);
    await page.waitForFunction(() => identities.length > 4, undefined, WAIT);
    assert.deepEqual(
      await page.evaluate(() => identities),
      Array.from({ length: 8 }, () => true),
    );
    assert.deepEqual(problems, []);
  });

  test('runs in a worker', async (scope) => {
    const server = await ServerProcess.start({}, scope);
    const { page } = await openPage(scope, server);
    await put(server.url, 'k.1', 7);
    const bundle = Buffer.from(await bundleClient("export * from '@latchkey/client';", 'latchkey')).toString();
    const shown = await page.evaluate(
      ([script, origin]) =>
        new Promise((resolve) => {
          const main = `const board = latchkey.mirror(latchkey.connect({ server: '${origin}' }));
            board.ready.then(() => postMessage([board.status, board.entries().map(({ value }) => value)]));`;
          const worker = new Worker(URL.createObjectURL(new Blob([`${script}\n${main}`])));
          worker.onmessage = ({ data }) => resolve(data);
        }),
      [bundle, server.url],
    );
    assert.deepEqual(shown, [{ kind: 'live', transport: 'websocket' }, [7]]);
  });
});
