// The page docs/redis.md, as somebody would live with it: two nodes and a user of its own at the Redis.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { ask, get, put, sendCommands } from '../support/http-client.ts';
import { type RedisProcess, startRedis } from '../support/redis.ts';
import { runLatchkey, type Scope, ServerProcess, temporaryFolder } from '../support/server-process.ts';
import { eventually } from '../support/waiting.ts';

/** The rule that the page shows. */
const ACL = /^user latchkey .*$/m.exec(
  readFileSync(new URL('../../docs/redis.md', import.meta.url), 'utf8'),
)?.[0] as string;

const nodeAt = (redis: RedisProcess, scope: Scope, env: Readonly<Record<string, string>> = {}) =>
  ServerProcess.start({ args: ['--log', 'redis'], env: { LATCHKEY_LOG_URL: redis.url, ...env } }, scope);

describe('a server with --log redis', { timeout: 120_000 }, () => {
  test('shares its entries with another, at a Redis whose user may do what the page says', async (t) => {
    const redis = await startRedis(t, { appendonly: true, acl: [ACL] });
    const url = redis.url.replace('redis://', 'redis://latchkey:secret@');
    const [a, b] = await Promise.all([
      nodeAt(redis, t, { LATCHKEY_LOG_URL: url }),
      nodeAt(redis, t, { LATCHKEY_LOG_URL: url }),
    ]);
    const written = await put(a.url, 'sensor.1', { temp: 21.5 });
    assert.equal(written.status, 200);
    const { version } = JSON.parse(written.text) as { version: string };
    assert.equal((await get(b.url, 'sensor.1', `?minPosition=${version}`)).text, '{"temp":21.5}');
    assert.equal(await redis.command('GET', 'sensor.1'), '{"temp":21.5}');
    const [allowed, forbidden] = await sendCommands(b.url, [
      { op: 'put', key: 'sensor.2', value: 1 },
      { op: 'put', key: 'elsewhere', value: 1 },
    ]);
    assert.deepEqual([allowed?.outcome, forbidden?.outcome], ['applied', 'refused']);
    const ready = JSON.parse((await ask(`${a.url}/ready`)).text) as { durability: { persistence: string } };
    assert.equal(ready.durability.persistence, 'every-second');
  });

  test('goes on after kill -9 from where it was, and is told what came meanwhile', async (t) => {
    const redis = await startRedis(t);
    const [a, b] = await Promise.all([nodeAt(redis, t), nodeAt(redis, t)]);
    await put(a.url, 'k', 1);
    await a.kill();
    await put(b.url, 'k', 2);
    await a.restart();
    await eventually('value of the other node', async () => (await get(a.url, 'k')).text === '2');
    assert.equal((await put(a.url, 'k', 3)).status, 200);
  });

  test('counts late writes, and every other outcome, in the metrics of the node that was asked', async (t) => {
    const redis = await startRedis(t);
    const [a, b] = await Promise.all([nodeAt(redis, t), nodeAt(redis, t)]);
    await sendCommands(a.url, [
      { op: 'put', key: 'k', value: 2, updated: '2026-01-02T00:00:00Z' },
      { op: 'put', key: 'k', value: 1, updated: '2026-01-01T00:00:00Z' },
    ]);
    assert.match((await put(a.url, 'k', 1, '?updated=2026-01-01T00:00:00Z')).text, /"outcome":"late"/);
    const counted = async ({ url }: { readonly url: string }) =>
      (await ask(`${url}/metrics`)).text.match(/^latchkey_outcomes_total\{.*$/gm);
    const counts = (applied: number, late: number) => [
      `latchkey_outcomes_total{outcome="applied"} ${applied}`,
      'latchkey_outcomes_total{outcome="duplicate"} 0',
      `latchkey_outcomes_total{outcome="late"} ${late}`,
      'latchkey_outcomes_total{outcome="conflict"} 0',
      'latchkey_outcomes_total{outcome="refused"} 0',
      'latchkey_outcomes_total{outcome="value"} 0',
    ];
    assert.deepEqual(await counted(a), counts(1, 2));
    assert.deepEqual(await counted(b), counts(0, 0));
  });

  test('says why it is not ready while the Redis is away, goes on reading, and stops all the same', async (t) => {
    const redis = await startRedis(t);
    const server = await nodeAt(redis, t);
    await put(server.url, 'k', 1);
    await redis.kill9();
    const refused = await put(server.url, 'k', 2);
    assert.ok([503, 504].includes(refused.status), `${refused.status} ${refused.text}`);
    const ready = await ask(`${server.url}/ready`);
    assert.equal(ready.status, 503);
    assert.match(ready.text, /can't be reached/);
    assert.equal((await get(server.url, 'k')).text, '1');
    assert.deepEqual(await server.stop(), { code: 0, signal: null });
  });

  test('does not start on what it would lose: another log’s directory, a Redis that evicts, workers', async (t) => {
    const redis = await startRedis(t, { memoryBytesMax: 100_000_000, memoryPolicy: 'allkeys-lru' });
    const env = { LATCHKEY_LOG_URL: redis.url };
    const data = join(temporaryFolder(t), 'data');
    mkdirSync(data);
    const serve = (more: readonly string[] = [], extra = {}) =>
      runLatchkey(['serve', '--data', data, '--port', '0', '--log', 'redis', ...more], { env: { ...env, ...extra } });
    const evicting = await serve();
    assert.match(evicting.stderr, /evicts any key when it is full \(maxmemory-policy allkeys-lru\)/);
    assert.equal(evicting.code, 2);
    assert.match((await serve([], { LATCHKEY_WORKERS: '2' })).stderr, /workers takes 0 with log.kind redis/);
    await redis.command('CONFIG', 'SET', 'maxmemory-policy', 'noeviction');
    const local = await ServerProcess.start({}, t);
    await local.stop();
    const other = await runLatchkey(['serve', '--data', local.data, '--port', '0', '--log', 'redis'], { env });
    assert.match(other.stderr, /belongs to the log local, not to redis main/);
    assert.equal(other.code, 2);
  });
});
