import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { LatchkeyError } from '@latchkey/client';
import { eventually } from '../../../test/support/waiting.ts';
import { type Logger, silentLogger } from '../shared/logger.ts';
import { type Holding, LeaseLoop, type LeaseLoopSetup } from './lease-loop.ts';
import { type LocalProbe, makeLocalProbe } from './local-probe.fixture.ts';
import type { Log } from './log.ts';

describe('a lease loop', () => {
  let probe: LocalProbe;
  let log: Log;
  const loops: LeaseLoop[] = [];

  beforeEach(async () => {
    probe = await makeLocalProbe();
    log = await probe.open();
  });
  afterEach(async () => {
    await Promise.all(loops.splice(0).map((loop) => loop.close()));
    await probe.close();
  });

  const start = (node: string, work: LeaseLoopSetup['work'], more: Partial<LeaseLoopSetup> = {}) => {
    const loop = new LeaseLoop({
      kind: 'source',
      name: 's',
      does: 'receives',
      log: { leases: log.leases, node },
      clock: probe.clock,
      logger: silentLogger,
      random: () => 0,
      leaseTtlMs: 60,
      work,
      onEnd: () => ended.resolve(),
      ...more,
    });
    const ended = Promise.withResolvers<void>();
    loops.push(loop);
    loop.start();
    return { loop, ended: () => ended.promise };
  };

  test('one of two works, and the other takes over once the first closes', async () => {
    const holders: string[] = [];
    const work = (node: string) => async (_: Holding) => {
      holders.push(node);
      one(node).loop.succeeded();
      await one(node).ended();
      return 'ended' as const;
    };
    const started = new Map<string, ReturnType<typeof start>>();
    const one = (node: string) => started.get(node) as ReturnType<typeof start>;
    for (const node of ['a', 'b']) started.set(node, start(node, work(node)));
    await eventually('a holder', () => holders.length === 1);
    const first = holders[0] as string;
    await one(first).loop.close();
    await eventually('another', () => holders.length === 2);
    assert.notEqual(holders[1], first);
    assert.equal(one(first).loop.reason, undefined);
  });

  test('a lease that could not be renewed in its time is lost, which the work is told', async () => {
    const holdings: Holding[] = [];
    const { ended } = start('a', async (holding) => {
      holdings.push(holding);
      await ended();
      assert.ok(holding.isLost);
      return 'ended';
    });
    await eventually('a holder', () => holdings.length === 1);
    await holdings[0]?.lease.release();
    await log.leases.acquire('source:s', 'other', 1);
    await eventually('the loss', () => holdings[0]?.isLost === true);
  });

  test('a fault is told once in the log, stands in the reason while it lasts, and its end is told too', async () => {
    const lines: string[] = [];
    const tell = (_: unknown, message: string) => lines.push(message);
    const logger: Logger = { ...silentLogger, warn: tell, info: tell };
    let tries = 0;
    const { loop, ended } = start(
      'a',
      async () => {
        tries += 1;
        if (tries <= 2) throw new LatchkeyError('not-ready', 'redis://x is away', { retryAfter: 1 });
        assert.equal(loop.reason, 'redis://x is away');
        loop.succeeded();
        await ended();
        return 'ended';
      },
      { logger },
    );
    await eventually('the third try', () => tries === 3);
    assert.equal(loop.reason, undefined);
    assert.deepEqual(lines, ['source s: redis://x is away', 'source s receives again']);
  });
});
