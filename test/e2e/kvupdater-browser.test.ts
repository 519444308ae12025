// KVUpdater's chain as its users see it: `redis-cli PUBLISH update …` is a plain key for every Redis client and an event in a browser.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { openBrowser } from '../support/chromium.ts';
import { freePort } from '../support/free-port.ts';
import { startRedis } from '../support/redis.ts';
import { runToEnd, type Scope, ServerProcess, temporaryFolder } from '../support/server-process.ts';
import { eventually } from '../support/waiting.ts';

declare global {
  // What the test keeps in the page.
  var latchkeyWeather: string[] | undefined;
}

const message = (temp: string) =>
  `{"type":"weather","updated":"2023-10-01T12:00:0${temp[0]}Z","valid":"2023-10-01T12:05:32Z","values":{"temp":${temp}}}`;
const stored = (temp: string) => message(temp).replace('"type":"weather",', '');

async function redisCli(port: number, ...args: string[]): Promise<string> {
  const { code, stderr, stdout } = await runToEnd(['redis-cli', '-p', String(port), ...args]);
  assert.equal(code, 0, stderr);
  return stdout.trim();
}

interface Place {
  readonly port: number;
  readonly server: ServerProcess;
}

const PLACES: Readonly<Record<string, (scope: Scope) => Promise<Place>>> = {
  async 'a Redis'(scope) {
    const redis = await startRedis(scope, { appendonly: true });
    // As KVUpdater itself left it.
    await redis.command(
      'SET',
      'weather',
      '{"updated": "2023-10-01T11:00:00Z", "valid": null, "values": {"temp": 1.5}}',
    );
    const data = temporaryFolder(scope);
    const config = `# ours\nconfig = {\n  "redis_url": "${redis.url}/0",\n  "channel": "update",\n  "validate": True,\n}\n`;
    writeFileSync(join(data, 'config.py'), config);
    const server = await ServerProcess.start({ data, args: ['--preset', 'kvupdater', '--config', 'config.py'] }, scope);
    return { port: redis.port, server };
  },
  async 'the Redis port of a server with no Redis'(scope) {
    const port = await freePort();
    const args = ['--preset', 'kvupdater', '--log', 'local', '--resp', `127.0.0.1:${port}`];
    return { port, server: await ServerProcess.start({ args }, scope) };
  },
};

for (const [where, start] of Object.entries(PLACES))
  test(`redis-cli PUBLISH on ${where} ends as a plain key, and as an event in a browser`, {
    timeout: 90_000,
  }, async (t) => {
    const { port, server } = await start(t);
    await eventually('the subscription', async () =>
      (await redisCli(port, 'PUBSUB', 'NUMSUB', 'update')).endsWith('1'),
    );
    const browser = await openBrowser(t);
    const page = await browser.newPage();
    await page.goto(`${server.url}/live`);
    await page.evaluate(
      () =>
        new Promise((done) => {
          globalThis.latchkeyWeather = [];
          const source = new EventSource('/v1/watch?key=weather');
          source.onmessage = ({ data }) => {
            // What is past its `valid`, as this is, is told to be stale besides.
            if (JSON.parse(data).op === 'put') globalThis.latchkeyWeather?.push(data);
          };
          source.addEventListener('synced', done, { once: true });
        }),
    );
    for (const temp of ['2.50', '3.0']) {
      assert.equal(await redisCli(port, 'PUBLISH', 'update', message(temp)), '1');
      await page.waitForFunction(
        (text) => globalThis.latchkeyWeather?.at(-1)?.includes(text),
        `"key":"weather","value":${stored(temp)}`,
      );
      assert.equal(await redisCli(port, 'GET', 'weather'), stored(temp));
    }
    await eventually('the log line', async () => server.output.includes('Data validation successful.'));
    assert.match(server.output, /Listening for messages on 'update'\.\.\./);
    // What is older, no message or not JSON changes nothing.
    for (const wrong of [message('1.0'), '{"type":"weather","values":{}}', 'no JSON'])
      await redisCli(port, 'PUBLISH', 'update', wrong);
    await eventually('both letters', async () => {
      const answer = await fetch(`${server.url}/v1/dead-letters`);
      return ((await answer.json()) as { deadLetters: unknown[] }).deadLetters.length === 2;
    });
    assert.equal(await redisCli(port, 'GET', 'weather'), stored('3.0'));
    assert.match(server.output, /Failed to decode JSON message\./);
    assert.match(server.output, /Invalid message format\./);
  });
