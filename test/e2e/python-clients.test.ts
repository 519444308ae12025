// The programs of the systems that Latchkey takes the place of, in Python, as their users have them.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { startPython } from '../support/python.ts';
import { startRedis } from '../support/redis.ts';
import { ServerProcess } from '../support/server-process.ts';

test('a service downstream of RedisBackendMS hears of each battery, and finds it in the set', {
  timeout: 60_000,
}, async (t) => {
  const redis = await startRedis(t);
  const downstream = startPython(t, 'redis', 'downstream.py', [redis.url]);
  if (downstream === undefined) return;
  await downstream.until('the subscription', (lines) => lines.includes('listening'));
  const args = ['--preset', 'redis-backend-ms', '--log', 'local'];
  const env = { REDIS_HOST: '127.0.0.1', REDIS_PORT: String(redis.port) };
  const server = await ServerProcess.start({ args, env }, t);
  for (const id of ['7', '12']) {
    const heard = downstream.lines.length;
    await fetch(`${server.url}/v1/keys/battery:${id}:data`, { method: 'PUT', body: '{"voltage":48}' });
    await downstream.until(`battery ${id}`, (lines) => lines.length > heard);
  }
  assert.deepEqual(downstream.lines.slice(1), ['battery:7:data updates ids=7', 'battery:12:data updates ids=12,7']);
});

const OBSERVERS = [
  {
    client: 'redis',
    program: 'python02.py',
    lines: [
      /^Python02 read shared_key: Python01 timestamp \d{10}, Time difference: [01] seconds$/,
      /^Set handshake_key: Handshake triggered by key event$/,
    ],
  },
  {
    client: 'aioredis',
    program: 'python03.py',
    lines: [
      /^Python03 read shared_key: Python01 timestamp \d{10}, Time difference: [01] seconds$/,
      /^Python03 set handshake_key: Handshake from Python03$/,
    ],
  },
] as const;

/** Where the programs look for their KeyDB: a port of 127.0.0.1. */
const PLACES: Readonly<Record<string, (t: TestContext) => Promise<string>>> = {
  'a real Redis': async (t) => String((await startRedis(t, { notifications: 'KEA' })).port),
  'the preset keydb-poc, with no Redis': async (t) => {
    const args = ['--preset', 'keydb-poc', '--resp', '127.0.0.1:0'];
    const server = await ServerProcess.start({ args }, t);
    return respPort(server);
  },
  'the preset keydb-poc, with its log in a Redis': async (t) => {
    const redis = await startRedis(t);
    const args = ['--preset', 'keydb-poc', '--log', redis.url, '--resp', '127.0.0.1:0'];
    return respPort(await ServerProcess.start({ args }, t));
  },
};

function respPort(server: ServerProcess): string {
  return String(server.records.find(({ message }) => String(message).startsWith('resp: listening'))?.port);
}

for (const [where, startPlace] of Object.entries(PLACES))
  for (const { client, lines, program } of OBSERVERS)
    test(`keyDB-POC’s ${program} observes what python01 writes on ${where}`, { timeout: 60_000 }, async (t) => {
      const place = ['127.0.0.1', await startPlace(t)];
      const observer = startPython(t, client, program, place);
      if (observer === undefined) return;
      await observer.until('the subscription', (printed) => printed.includes('Listening for key events...'));
      const writer = startPython(t, 'redis', 'python01.py', [...place, '0.2']);
      await observer.until('two handshakes', (printed) => printed.length >= 5);
      for (const [index, line] of lines.entries()) assert.match(observer.lines[index + 1] as string, line);
      assert.equal(writer?.lines[0], 'Starting Python01');
      assert.match(writer?.lines[1] as string, /^Python01 set shared_key: Python01 timestamp \d{10}$/);
    });
