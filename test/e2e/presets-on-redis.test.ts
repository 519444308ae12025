// The presets as they are meant, with their values at keys of a Redis of their own, seen by the clients that those systems have.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createClient } from '@redis/client';
import { type RedisProcess, startRedis } from '../support/redis.ts';
import { type Scope, ServerProcess } from '../support/server-process.ts';
import { eventually } from '../support/waiting.ts';

const TIMEOUT = { timeout: 90_000 };

function start(preset: string, redis: RedisProcess, scope: Scope, env: Readonly<Record<string, string>> = {}) {
  const own = { REDIS_HOST: '127.0.0.1', REDIS_PORT: String(redis.port), ...env };
  return ServerProcess.start({ args: ['--preset', preset], env: own }, scope);
}

test('kvupdater stores each message as a plain key, and reads it back', TIMEOUT, async (t) => {
  const redis = await startRedis(t);
  const server = await start('kvupdater', redis, t);
  await eventually('a holder', () => server.output.includes("Listening for messages on 'update'..."));
  const message = '{"type":"weather","updated":"2023-10-01T12:00:00Z","values":{"temp":21.50}}';
  await redis.command('PUBLISH', 'update', message);
  const stored = '{"updated":"2023-10-01T12:00:00Z","valid":null,"values":{"temp":21.50}}';
  await eventually('the key', async () => (await redis.command('GET', 'weather')) === stored);
  await eventually('the validation', () => server.output.includes('Data validation successful.'));
  const answer = await fetch(`${server.url}/v1/keys/weather`);
  assert.equal(await answer.text(), stored);
});

test('redis-cache-sync stores the values of its events as plain keys with their TTL', TIMEOUT, async (t) => {
  const redis = await startRedis(t);
  const server = await start('redis-cache-sync', redis, t);
  const event = async (body: object) => {
    const answer = await fetch(`${server.url}/v1/events`, { method: 'POST', body: JSON.stringify(body) });
    return (await answer.json()) as Record<string, unknown>;
  };
  await event({ key: 'SET', value: { data: { 'user:1': { name: 'Ada' }, 'user:2': 'x' }, ttl: '3600' } });
  assert.equal(await redis.command('GET', 'user:1'), '{"name":"Ada"}');
  const ttl = Number(await redis.command('TTL', 'user:1'));
  assert.ok(ttl > 3500 && ttl <= 3600, `${ttl}`);
  const told = await event({ key: 'DELETE_PATTERN', value: { data: { pattern: 'user:*', dryRun: true } } });
  assert.deepEqual(told.keys, ['user:1', 'user:2']);
  await event({ key: 'DELETE_PATTERN', value: { data: 'user:*' } });
  assert.equal(await redis.command('EXISTS', 'user:1', 'user:2'), 0);
});

test(
  'redis-backend-ms merges messages of a channel into hashes, adds to the set, and then notifies',
  TIMEOUT,
  async (t) => {
    const redis = await startRedis(t);
    const source = { name: 'ems', kind: 'redis-pubsub', url: redis.url, channels: ['ems'] };
    const format = { kind: 'json', key: 'battery:{battery_id}:data', omit: ['battery_id'], write: 'merge', as: 'hash' };
    const downstream = createClient({ url: redis.url });
    downstream.on('error', () => undefined);
    t.after(() => downstream.destroy());
    await downstream.connect();
    const heard: unknown[] = [];
    await downstream.pSubscribe('battery:*', async (message, channel) => {
      const ids = await redis.command('SMEMBERS', 'info:batteries:ids');
      heard.push([channel, message, ids, { ...((await redis.command('HGETALL', channel)) as object) }]);
    });
    const env = { LATCHKEY_SOURCES: JSON.stringify([{ ...source, format }]) };
    const server = await start('redis-backend-ms', redis, t, env);
    const publish = async (message: string) => {
      const before = heard.length;
      await redis.command('PUBLISH', 'ems', message);
      await eventually('the notification', () => heard.length > before);
    };
    await publish('{"battery_id":7,"voltage":48,"soc":81}');
    await publish('{"battery_id":7,"soc":80}');
    assert.deepEqual(heard, [
      ['battery:7:data', 'updates', ['7'], { voltage: '48', soc: '81' }],
      ['battery:7:data', 'updates', ['7'], { voltage: '48', soc: '80' }],
    ]);
    await redis.command('PUBLISH', 'ems', '{"voltage":48}');
    await eventually('a dead letter', async () => {
      const answer = await fetch(`${server.url}/v1/dead-letters`);
      return ((await answer.json()) as { deadLetters: unknown[] }).deadLetters.length === 1;
    });
  },
);
