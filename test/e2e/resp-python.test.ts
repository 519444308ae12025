/** The Python clients, unmodified: they are told the same by the gateway as by a Redis. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import type { PythonClient } from '../../scripts/service/python.ts';
import { FaultProxy } from '../support/fault-proxy.ts';
import { startPython } from '../support/python.ts';
import { startRedis } from '../support/redis.ts';
import { connectRedis, startResp } from '../support/resp-server.ts';

const PROGRAMS: readonly {
  readonly client: PythonClient;
  readonly program: string;
  readonly args: readonly string[];
}[] = [
  { client: 'redis', program: 'sync_client.py', args: ['2'] },
  { client: 'redis', program: 'sync_client.py', args: ['3'] },
  { client: 'redis', program: 'asyncio_client.py', args: ['2'] },
  { client: 'redis', program: 'asyncio_client.py', args: ['3'] },
  { client: 'aioredis', program: 'aioredis_client.py', args: [] },
];

async function linesOf(t: TestContext, port: number, { args, client, program }: (typeof PROGRAMS)[number]) {
  const started = startPython(t, client, program, ['127.0.0.1', String(port), ...args]);
  await started?.until('its end', (lines) => lines.includes('done'));
  // What redis-py logs to standard error of pushes has no fixed place among the lines of the program.
  return started?.lines.filter((line) => !line.startsWith('Push response: '));
}

describe('programs in Python', () => {
  for (const program of PROGRAMS)
    it(`${program.program} ${program.args.join(' ')} is told the same as by a Redis`, {
      timeout: 60_000,
    }, async (t) => {
      const redis = await startRedis(t, { notifications: 'KEA' });
      const { port } = await startResp(t);
      const wanted = await linesOf(t, redis.port, program);
      if (wanted === undefined) return;
      assert.deepEqual(await linesOf(t, port, program), wanted);
    });

  for (const protocol of ['2', '3'])
    it(`go on over cut connections by their own retries in RESP${protocol}`, { timeout: 60_000 }, async (t) => {
      const { port } = await startResp(t);
      const proxy = await FaultProxy.start(port);
      t.after(() => proxy.close());
      const publisher = await connectRedis(port, t);
      const program = startPython(t, 'redis', 'reconnect.py', ['127.0.0.1', String(proxy.port), protocol]);
      if (program === undefined) return;
      for (let round = 1; round <= 4; round += 1) {
        const before = program.lines.filter((line) => line === 'subscribed').length;
        if (round === 1) await program.until('the subscription', (lines) => lines.includes('subscribed'));
        else {
          proxy.cut();
          await program.until(
            'the subscription anew',
            (lines) => lines.filter((line) => line === 'subscribed').length > before,
          );
        }
        assert.equal(await publisher.publish('round', String(round)), 1);
        await program.until(`round ${round}`, (lines) => lines.includes(`round ${round}`));
      }
      assert.equal(await publisher.get('round'), '4');
      assert.equal(await publisher.hGet('h', 'round'), '4');
    });
});
