// The presets as the users of those systems start them: their variables and files, a real Redis, and what its clients see.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { createClient } from '@redis/client';
import { startRedis } from '../support/redis.ts';
import { runLatchkey, ServerProcess, temporaryFolder } from '../support/server-process.ts';
import { eventually, Waiting } from '../support/waiting.ts';

test('redis-backend-ms tells downstream services with the variables and .env of its users', {
  timeout: 60_000,
}, async (t) => {
  const redis = await startRedis(t, { password: 'p@ss/word' });
  const heard: string[] = [];
  const waiting = new Waiting(
    20_000,
    () => heard.join(),
    () => undefined,
  );
  const downstream = createClient({ url: redis.url });
  downstream.on('error', () => undefined);
  t.after(() => downstream.destroy());
  await downstream.connect();
  await downstream.pSubscribe('battery:*', (message, channel) => {
    heard.push(`${channel} ${message}`);
    waiting.wake();
  });
  const data = temporaryFolder(t);
  writeFileSync(
    join(data, '.env'),
    `KAFKA_TOPIC=ems\nKAFKA_BROKER=\nKAFKA_GROUP=\nREDIS_HOST=127.0.0.1\nREDIS_PORT=1\nREDIS_DB=\nREDIS_PASS='p@ss/word'\n`,
  );
  const server = await ServerProcess.start(
    { data, args: ['--preset', 'redis-backend-ms', '--log', 'local'], env: { REDIS_PORT: String(redis.port) } },
    t,
  );
  for (const id of ['7', '12'])
    await fetch(`${server.url}/v1/keys/battery:${id}:data`, { method: 'PUT', body: '{"voltage":48}' });
  await fetch(`${server.url}/v1/keys/weather`, { method: 'PUT', body: '1' });
  await waiting.until('two messages', () => heard.length === 2);
  assert.deepEqual(heard, ['battery:7:data updates', 'battery:12:data updates']);
  assert.deepEqual(((await redis.command('SMEMBERS', 'info:batteries:ids')) as string[]).sort(), ['12', '7']);
  const warnings = server.records.filter(({ level }) => level === 'warn').map(({ message }) => String(message));
  assert.equal(warnings.length, 1);
  assert.match(warnings[0] as string, /^KAFKA_TOPIC is set, but this version has no source for Kafka/);
});

test('kvupdater takes config.py, and says with its line what is wrong there', async (t) => {
  const cwd = temporaryFolder(t);
  writeFileSync(
    join(cwd, 'config.py'),
    'config = {\n  "redis_url": "redis://cache:6379/0",\n  "channel": "update",\n}\n',
  );
  const args = ['config', 'check', '--preset', 'kvupdater', '--config', 'config.py'];
  const good = await runLatchkey(args, { cwd });
  assert.equal(good.code, 0, good.stderr);
  assert.equal(JSON.parse(good.stdout).sources[0].url, 'redis://cache:6379/0');
  writeFileSync(join(cwd, 'config.py'), 'import os\nconfig = {"redis_url": os.environ["URL"]}\n');
  const bad = await runLatchkey(args, { cwd });
  assert.equal(bad.code, 2);
  assert.match(bad.stderr, /config\.py line 1, column 1: takes config = \{…\} and nothing else/);
});

test('redis-cache-sync answers events about all that its Redis holds, and writes plain keys with their TTL', {
  timeout: 60_000,
}, async (t) => {
  const redis = await startRedis(t);
  await redis.command('SET', 'old', '{"a":1}', 'EX', '500');
  await redis.command('RPUSH', 'list', '1');
  const env = { REDIS_HOST: '127.0.0.1', REDIS_PORT: String(redis.port), CLUSTER: 'eu-1' };
  const server = await ServerProcess.start({ args: ['--preset', 'redis-cache-sync'], env }, t);
  const send = async (key: string, data: unknown, ttl?: unknown) => {
    const body = JSON.stringify({ key, value: { data, ttl } });
    const answer = await fetch(`${server.url}/v1/events`, { method: 'POST', body });
    const { position: _, ...told } = (await answer.json()) as Record<string, unknown>;
    return told;
  };
  assert.deepEqual(await send('GET', 'old'), { event: 'GET', key: 'old', found: true, value: { a: 1 } });
  assert.deepEqual(await send('SET', { key: 'user:1', value: { name: 'Ada' } }, '3600'), {
    event: 'SET',
    keys: ['user:1'],
  });
  assert.equal(await redis.command('GET', 'user:1'), '{"name":"Ada"}');
  assert.ok(Number(await redis.command('TTL', 'user:1')) > 3590);
  assert.equal((await send('SET', { a: 1 }, -5)).error instanceof Object, true);
  await redis.command('SET', 'theirs', 'text');
  await eventually('what another client wrote', async () => (await send('GET', 'theirs')).value === 'text');
  const all = ['old', 'theirs', 'user:1'];
  assert.deepEqual((await send('DELETE_PATTERN', { pattern: '*', dryRun: true })).keys, all);
  assert.equal(await redis.command('EXISTS', ...all), 3);
  assert.deepEqual((await send('DELETE', ['old'])).keys, ['old']);
  assert.deepEqual(await send('DELETE_PATTERN', '*'), {
    event: 'DELETE_PATTERN',
    removed: 2,
    keys: ['theirs', 'user:1'],
  });
  assert.equal(await redis.command('EXISTS', ...all), 0);
  assert.equal(await redis.command('EXISTS', 'list'), 1);
  assert.equal(server.records.find(({ message }) => String(message).startsWith('listening on'))?.cluster, 'eu-1');
});

test('redis-backend-ms merges each message into the hash that is there, and tells it, as downstream clients read it', {
  timeout: 60_000,
}, async (t) => {
  const redis = await startRedis(t);
  await redis.command('HSET', 'battery:7:data', 'voltage', '47', 'site', 'north');
  const told: string[] = [];
  const downstream = createClient({ url: redis.url });
  downstream.on('error', () => undefined);
  t.after(() => downstream.destroy());
  await downstream.connect();
  await downstream.pSubscribe('battery:*', (message, channel) => told.push(`${channel} ${message}`));
  const data = temporaryFolder(t);
  writeFileSync(join(data, '.env'), `REDIS_HOST=127.0.0.1\nREDIS_PORT=${redis.port}\nREDIS_PASS=\n`);
  // As docs/coming-from-redis-backend-ms.md has it.
  const settings = `presets: [redis-backend-ms]
sources:
  - name: ems
    kind: redis-pubsub
    url: ${redis.url}/0
    channels: [ems]
    format: { kind: json, key: "battery:{battery_id}:data", omit: [battery_id], write: merge, as: hash }
`;
  writeFileSync(join(data, 'latchkey.yaml'), settings);
  const server = await ServerProcess.start({ data }, t);
  for (const message of [
    '{"battery_id":7,"voltage":48,"soc":81}',
    '{"battery_id":7,"soc":82}',
    '{"battery_id":12,"soc":1}',
  ])
    assert.equal(await redis.command('PUBLISH', 'ems', message), 1);
  assert.equal(await redis.command('PUBLISH', 'ems', '{"soc":82}'), 1);
  // What was there is a change of its own, when Latchkey meets it.
  await eventually('a message of each', () => told.length === 4);
  assert.deepEqual(told, [...Array(3).fill('battery:7:data updates'), 'battery:12:data updates']);
  assert.deepEqual({ ...(await downstream.hGetAll('battery:7:data')) }, { voltage: '48', site: 'north', soc: '82' });
  assert.deepEqual((await downstream.sMembers('info:batteries:ids')).sort(), ['12', '7']);
  await eventually('the message without an id', async () => {
    const answer = await fetch(`${server.url}/v1/dead-letters`);
    return ((await answer.json()) as { deadLetters: unknown[] }).deadLetters.length === 1;
  });
  assert.equal(await redis.command('EXISTS', 'battery:-1:data'), 0);
});

test('keydb-poc on three nodes around one Redis: what is written at one is an event at the others', {
  timeout: 90_000,
}, async (t) => {
  const redis = await startRedis(t);
  const ports = await Promise.all(
    [1, 2, 3].map(async () => {
      const args = ['--preset', 'keydb-poc', '--log', redis.url, '--resp', '127.0.0.1:0'];
      const server = await ServerProcess.start({ args }, t);
      return Number(server.records.find(({ message }) => String(message).startsWith('resp: listening'))?.port);
    }),
  );
  const [writer, ...observers] = ports.map((port) => createClient({ url: `redis://127.0.0.1:${port}`, RESP: 2 }));
  assert.ok(writer !== undefined);
  const heard: string[] = [];
  for (const [index, observer] of observers.entries()) {
    const reader = observer.duplicate();
    for (const client of [observer, reader]) {
      client.on('error', () => undefined);
      t.after(() => client.destroy());
      await client.connect();
    }
    await observer.pSubscribe('__keyevent@0__:set', async (key) => heard.push(`${index} ${await reader.get(key)}`));
  }
  writer.on('error', () => undefined);
  await writer.connect();
  t.after(() => writer.destroy());
  await writer.set('shared_key', 'Python01 timestamp 1725543675');
  await eventually('the event at both others', () => heard.length === 2);
  assert.deepEqual(heard.toSorted(), ['0 Python01 timestamp 1725543675', '1 Python01 timestamp 1725543675']);
  assert.equal(await redis.command('GET', 'shared_key'), 'Python01 timestamp 1725543675');
});
