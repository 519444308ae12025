// KVUpdater's preset on three nodes around one Redis: whichever node ends, each message is taken once, and is a plain key for everybody.
import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { type RedisProcess, startRedis } from '../support/redis.ts';
import { ServerProcess } from '../support/server-process.ts';
import { SseClient } from '../support/sse-client.ts';
import { eventually } from '../support/waiting.ts';

interface SourceReport {
  readonly ready: boolean;
  readonly holder: boolean;
  readonly applied: number;
  readonly gaps: number;
  readonly differences: number;
}

const WAIT_MS = 60_000;

async function sourceOf(server: ServerProcess): Promise<SourceReport | undefined> {
  const answer = await fetch(`${server.url}/v1/sources`).catch(() => undefined);
  const body = (await answer?.json()) as { readonly sources?: readonly SourceReport[] } | undefined;
  return body?.sources?.[0];
}

function startNodes(redis: RedisProcess, t: TestContext): Promise<ServerProcess[]> {
  const env = { REDIS_HOST: '127.0.0.1', REDIS_PORT: String(redis.port) };
  return Promise.all([1, 2, 3].map(() => ServerProcess.start({ args: ['--preset', 'kvupdater'], env }, t)));
}

const message = (value: number) => `{"type":"counter","values":{"n":${value}}}`;
const stored = (value: number) => `{"updated":null,"valid":null,"values":{"n":${value}}}`;

describe('the preset kvupdater on three nodes', { timeout: 240_000 }, () => {
  test('takes each message once over a kill and a stop of the node that takes them', async (t) => {
    const redis = await startRedis(t);
    const servers = await startNodes(redis, t);
    const watches = new Map<ServerProcess, SseClient>();
    for (const server of servers) {
      const watch = await SseClient.open(`${server.url}/v1/watch?key=counter`);
      t.after(() => watch.close());
      watches.set(server, watch);
    }
    let sent = 0;
    const publish = async (count: number) => {
      for (let index = 0; index < count; index += 1) await redis.command('PUBLISH', 'update', message(++sent));
    };
    const taken = () =>
      eventually(`message ${sent}`, async () => (await redis.command('GET', 'counter')) === stored(sent), WAIT_MS);
    const holder = async () => {
      for (const server of servers) if ((await sourceOf(server))?.holder === true) return server;
      return undefined;
    };
    const endHolder = async (how: 'kill' | 'stop') => {
      await eventually('a holder', async () => (await holder()) !== undefined, WAIT_MS);
      const server = (await holder()) as ServerProcess;
      servers.splice(servers.indexOf(server), 1);
      const ended = server[how]();
      await publish(20);
      await ended;
      await publish(20);
      await taken();
    };
    await eventually('all are ready', async () =>
      (await Promise.all(servers.map(sourceOf))).every((source) => source?.ready === true),
    );
    await publish(20);
    await taken();
    await endHolder('kill');
    await endHolder('stop');
    const [last] = servers as [ServerProcess];
    const watch = watches.get(last) as SseClient;
    await watch.until('the last value', ({ data }) => data.includes(`"n":${sent}}`));
    const { differences, gaps } = (await sourceOf(last)) as SourceReport;
    assert.deepEqual([differences, gaps], [0, 0]);
    assert.deepEqual(
      watch.changes.map(({ value }) => (value as { readonly values: { readonly n: number } }).values.n),
      Array.from({ length: sent }, (_, index) => index + 1),
    );
  });
});
