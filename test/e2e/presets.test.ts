// The presets as the users of those systems start them: their variables and files, a real Redis, and what its clients see.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { createClient } from '@redis/client';
import { startRedis } from '../support/redis.ts';
import { runLatchkey, ServerProcess, temporaryFolder } from '../support/server-process.ts';
import { Waiting } from '../support/waiting.ts';

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
