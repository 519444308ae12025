// KVUpdater's chain on a running server: what a publisher sends is an entry, an event and a plain key, on a Redis and without one.
import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { createClient } from '@redis/client';
import { freePort } from '../support/free-port.ts';
import { startPython } from '../support/python.ts';
import { type RedisProcess, startRedis } from '../support/redis.ts';
import { ServerProcess } from '../support/server-process.ts';
import { SseClient } from '../support/sse-client.ts';
import { eventually } from '../support/waiting.ts';

const MESSAGE =
  '{"type":"weather","updated":"2023-10-01T12:00:00Z","valid":"2023-10-01T12:05:32Z","values":{"temp":21.50,"name":"Zürich"}}';
const STORED =
  '{"updated":"2023-10-01T12:00:00Z","valid":"2023-10-01T12:05:32Z","values":{"temp":21.50,"name":"Zürich"}}';

const sourceOn = (url: string, more: object = {}) => ({
  LATCHKEY_SOURCES: JSON.stringify([
    { name: 'kvupdater', kind: 'redis-pubsub', url, channels: ['update'], format: { kind: 'kvupdater' }, ...more },
  ]),
});

async function json(server: ServerProcess, path: string, init?: RequestInit): Promise<Record<string, unknown>> {
  const answer = await fetch(`${server.url}${path}`, init);
  return (await answer.json()) as Record<string, unknown>;
}

interface Letter {
  readonly id: string;
  readonly source: string;
  readonly coordinates: object;
  readonly reason: { readonly code: string };
  readonly message: string;
}

const lettersOf = async (server: ServerProcess) =>
  (await json(server, '/v1/dead-letters')).deadLetters as readonly Letter[];

/** Publishes as a service of the seed does, and sees the event arrive; false where there is no Python for it. */
async function followChain(t: TestContext, server: ServerProcess, port: number): Promise<boolean> {
  const watch = await SseClient.open(`${server.url}/v1/watch?key=weather`);
  t.after(() => watch.close());
  const publisher = startPython(t, 'redis', 'publisher.py', ['127.0.0.1', String(port), 'update', MESSAGE]);
  if (publisher === undefined) return false;
  await publisher.until('the publishing', (lines) => lines.length > 0);
  assert.deepEqual(publisher.lines, ['published to 1']);
  const { data: event } = await watch.until('the event', ({ data }) => data.includes('"op":"put"'));
  assert.ok(event.includes(`"key":"weather","value":${STORED}`), event);
  // Another worker than the one that showed the event may take the question, and be a moment behind.
  let entry = '';
  await eventually('the entry', async () => {
    entry = await (await fetch(`${server.url}/v1/keys/weather`)).text();
    return !entry.includes('not-found');
  });
  assert.equal(entry, STORED);
  return true;
}

describe('a source redis-pubsub on a running server', { timeout: 120_000 }, () => {
  for (const workers of ['0', '2'])
    test(`takes what a Python publisher sends on a Redis, with ${workers} workers`, async (t) => {
      const redis = await startRedis(t);
      const env = { ...sourceOn(redis.url), LATCHKEY_WORKERS: workers };
      const server = await ServerProcess.start({ env }, t);
      if (!(await followChain(t, server, redis.port))) return;
      const source = async () => ((await json(server, '/v1/sources')).sources as Record<string, unknown>[])[0];
      // The event may be shown before whoever took the message is told of it.
      await eventually('the count', async () => (await source())?.applied === 1);
      const { applied, holder, ready, received } = (await source()) ?? {};
      assert.deepEqual([ready, holder, received, applied], [true, true, 1, 1]);
      assert.match(
        await (await fetch(`${server.url}/metrics`)).text(),
        /latchkey_source_messages_total\{source="kvupdater"\} 1/,
      );
    });

  test('takes what is published at the server’s own Redis port, where its values are plain keys', async (t) => {
    const port = await freePort();
    const args = ['--preset', 'kvupdater', '--log', 'local', '--resp', `127.0.0.1:${port}`];
    const server = await ServerProcess.start({ args }, t);
    if (!(await followChain(t, server, port))) return;
    const reader = createClient({ url: `redis://127.0.0.1:${port}` });
    await reader.connect();
    assert.equal(await reader.get('weather'), STORED);
    reader.destroy();
    assert.match(server.output, /Listening for messages on 'update'\.\.\./);
    assert.match(server.output, /Data validation successful\./);
  });

  for (const workers of ['0', '2'])
    test(`a message that can't be read is a dead letter, which is mended and replayed, with ${workers} workers`, async (t) => {
      const redis = await startRedis(t);
      const server = await ServerProcess.start({ env: { ...sourceOn(redis.url), LATCHKEY_WORKERS: workers } }, t);
      const publish = (text: string) => redis.command('PUBLISH', 'update', text);
      await publish('{"type":"weather","values":');
      await publish('{"type":"late","updated":"2999-01-01T00:00:00Z","values":{"a":1}}');
      await publish('{"type":"good","values":{"a":1}}');
      await eventually('the good one', async () => (await fetch(`${server.url}/v1/keys/good`)).status === 200);
      const letters = await lettersOf(server);
      assert.deepEqual(
        letters.map(({ coordinates, reason, source }) => [source, coordinates, reason.code]),
        [
          ['kvupdater', { channel: 'update' }, 'invalid-json'],
          ['kvupdater', { channel: 'update' }, 'updated-in-future'],
        ],
      );
      const [unread, ahead] = letters as [Letter, Letter];
      const replay = (id: string, body?: string) =>
        json(server, `/v1/dead-letters/${id}/replay`, { method: 'POST', ...(body === undefined ? {} : { body }) });
      await replay(ahead.id);
      assert.equal((await lettersOf(server)).length, 2, 'it is still ahead');
      await replay(unread.id, `${unread.message}{"temp":1}}`);
      await eventually('the mended one', async () => (await fetch(`${server.url}/v1/keys/weather`)).status === 200);
      assert.equal((await lettersOf(server)).length, 1);
    });

  test('a Redis that is killed is a reason not to be ready, and afterwards a gap with its times', async (t) => {
    const redis = await startRedis(t);
    const server = await ServerProcess.start({ env: sourceOn(redis.url) }, t);
    const ready = () => fetch(`${server.url}/ready`);
    await redis.kill9();
    await eventually('a server that is not ready', async () => (await ready()).status === 503);
    const { error } = (await (await ready()).json()) as { error: { message: string } };
    assert.match(error.message, /^Not ready: source kvupdater: redis:\/\/127\.0\.0\.1:\d+ can't be reached/);
    await redis.restart({ withData: true });
    await eventually('a server that is ready', async () => (await ready()).status === 200);
    await eventually('a notice', async () =>
      (await ready()).json().then((body) => JSON.stringify(body).includes('notices')),
    );
    const { notices } = (await (await ready()).json()) as { notices: readonly string[] };
    const times = 'from 20\\d\\d-\\S+Z to 20\\d\\d-\\S+Z';
    assert.match(
      notices[0] as string,
      new RegExp(`^source kvupdater: may have missed messages ${times}: the subscription`),
    );
    assert.ok(server.records.some(({ level, message }) => level === 'warn' && /may have missed/.test(String(message))));
    const metrics = await (await fetch(`${server.url}/metrics`)).text();
    assert.match(metrics, /^latchkey_source_gaps_total\{source="kvupdater"\} 1$/m);
    assert.match(metrics, /^latchkey_source_last_gap_seconds\{source="kvupdater"\} [0-9.]+$/m);
    await publishAfterwards(redis, server);
  });

  test('is stopped and started again without taking anything twice', async (t) => {
    const redis = await startRedis(t);
    const server = await ServerProcess.start({ env: sourceOn(redis.url, { recordEqual: true }) }, t);
    await publishAfterwards(redis, server);
    await server.stop();
    await server.restart();
    await eventually('a holder', async () => {
      const { sources } = await json(server, '/v1/sources');
      return (sources as { holder: boolean }[])[0]?.holder === true;
    });
    const { log } = await json(server, '/v1/status');
    assert.equal((log as { head: number }).head, 1);
  });
});

async function publishAfterwards(redis: RedisProcess, server: ServerProcess): Promise<void> {
  await redis.command('PUBLISH', 'update', '{"type":"weather","values":{"temp":1}}');
  await eventually('the entry', async () => (await fetch(`${server.url}/v1/keys/weather`)).status === 200);
}
