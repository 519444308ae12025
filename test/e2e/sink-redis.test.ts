// A server with a sink, killed at any moment: what was acknowledged is published, in order, and again rather than never.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient } from '@redis/client';
import { startRedis } from '../support/redis.ts';
import { type Scope, ServerProcess } from '../support/server-process.ts';
import { Waiting } from '../support/waiting.ts';

const KILLS = 4;
const WRITES_A_ROUND = 60;

async function listen(url: string, scope: Scope) {
  const values: number[] = [];
  const waiting = new Waiting(
    30_000,
    () => `${values.slice(-20)}`,
    () => undefined,
  );
  const client = createClient({ url });
  client.on('error', () => undefined);
  scope.after(() => client.destroy());
  await client.connect();
  await client.subscribe('counter', (payload) => {
    values.push(Number(payload));
    waiting.wake();
  });
  return { values, waiting };
}

const sinkOn = (url: string) =>
  JSON.stringify([{ name: 'notify', kind: 'redis', url, keys: ['counter'], payload: 'value' }]);

/** Resolves with false where the server was gone. */
async function write(server: ServerProcess, value: number): Promise<boolean> {
  const answer = await fetch(`${server.url}/v1/keys/counter`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: String(value),
  }).catch(() => undefined);
  await answer?.arrayBuffer().catch(() => undefined);
  return answer?.status === 200;
}

describe('a server with a sink', { timeout: 120_000 }, () => {
  for (const workers of ['0', '2'])
    test(`publishes every acknowledged change at least once and in order over kill -9, with ${workers} workers`, async (t) => {
      const seed = Number(process.env.LATCHKEY_SEED ?? (Math.random() * 2 ** 31) | 0);
      t.diagnostic(`LATCHKEY_SEED=${seed}`);
      const redis = await startRedis(t);
      const { values, waiting } = await listen(redis.url, t);
      const env = { LATCHKEY_SINKS: sinkOn(redis.url), LATCHKEY_WORKERS: workers };
      const server = await ServerProcess.start({ env }, t);
      const acknowledged: number[] = [];
      let value = 0;
      for (let round = 0; round < KILLS; round += 1) {
        const at = (seed + round * 7919) % WRITES_A_ROUND;
        let killed: Promise<unknown> | undefined;
        for (let index = 0; index < WRITES_A_ROUND; index += 1) {
          value += 1;
          if (index === at) killed = sleep((seed + round) % 5).then(() => server.kill());
          if (!(await write(server, value))) break;
          acknowledged.push(value);
        }
        await killed;
        await server.restart();
      }
      value += 1;
      assert.ok(await write(server, value));
      await waiting.until('the last value', () => values.at(-1) === value);
      const missed = acknowledged.filter((each) => !values.includes(each));
      assert.deepEqual(missed, [], `${missed.length} of ${acknowledged.length} were never published`);
      // A repeat goes back to where the position was kept, and from there on in order again.
      const firsts = values.filter((each, index) => values.indexOf(each) === index);
      assert.deepEqual(
        firsts,
        firsts.toSorted((a, b) => a - b),
      );
    });

  test('says in /ready that its Redis is gone, keeps serving, and publishes when it is back', async (t) => {
    const redis = await startRedis(t);
    const env = { LATCHKEY_SINKS: sinkOn(redis.url), LATCHKEY_WORKERS: '1' };
    const server = await ServerProcess.start({ env }, t);
    assert.ok(await write(server, 1));
    await redis.kill9();
    assert.ok(await write(server, 2));
    const ready = async () => (await fetch(`${server.url}/ready`)).text();
    const deadline = AbortSignal.timeout(20_000);
    let told = await ready();
    while (!told.includes('sink notify') && !deadline.aborted) {
      await sleep(20);
      told = await ready();
    }
    assert.match(told, /Not ready: sink notify: redis:\/\/127\.0\.0\.1:\d+ can.t be reached/);
    const status = (await (await fetch(`${server.url}/v1/status`)).json()) as { sinks: Record<string, unknown>[] };
    assert.equal(status.sinks[0]?.name, 'notify');
    assert.equal(status.sinks[0]?.ready, false);
    assert.match(await (await fetch(`${server.url}/metrics`)).text(), /latchkey_sink_ready\{sink="notify"\} 0/);
    await redis.restart({ withData: false });
    const { values, waiting } = await listen(redis.url, t);
    assert.ok(await write(server, 3));
    await waiting.until('the last value', () => values.at(-1) === 3);
    while (!(await ready()).includes('true') && !deadline.aborted) await sleep(20);
    assert.equal(await ready(), '{"ready":true}');
  });
});
