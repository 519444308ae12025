// Whatever is cut, stolen or deleted, and whichever node has the lease: each entry is one change, in the order of its stream.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LatchkeyError } from '@latchkey/client';
import { Random, seedFrom } from '../../../test/guarantees/random.ts';
import { redisPrograms } from '../../../test/support/redis.ts';
import { eventually } from '../../../test/support/waiting.ts';
import type { Batch, Log } from '../log/log.ts';
import type { RedisStream } from './redis-stream.ts';
import { makeStreamProbe } from './redis-stream-probe.fixture.ts';
import { makeWallClockLog } from './wall-clock-log.fixture.ts';

const STEPS = 400;
const STREAMS = ['s', 't'];
const LEASE_TTL_MS = 300;

/** A node on that log, which can be ended as a kill -9 does: before or after the log has what it submits. */
class Node {
  readonly log: Log;
  source: RedisStream | undefined;
  #end: 'none' | 'before' | 'after' = 'none';
  isGone = false;

  constructor(log: Log, node: string) {
    const gone = () => new LatchkeyError('conflict', 'This node is gone.');
    const submit = async (batch: Batch) => {
      if (this.isGone) throw gone();
      if (this.#end === 'before') this.isGone = true;
      if (this.isGone) throw gone();
      const settled = await log.submit(batch);
      if (this.#end === 'after') this.isGone = true;
      if (this.isGone) throw gone();
      return settled;
    };
    const acquire: Log['leases']['acquire'] = async (name, _, ttlMs) => {
      const lease = this.isGone ? undefined : await log.leases.acquire(name, node, ttlMs);
      const release = async () => {
        if (!this.isGone) await lease?.release();
      };
      return lease && { ...lease, release, renew: async () => !this.isGone && lease.renew() };
    };
    const own: Partial<Log> = { node, submit, leases: { acquire } };
    this.log = new Proxy(log, {
      get(target, property) {
        const value: unknown = own[property as keyof Log] ?? Reflect.get(target, property, target);
        return typeof value === 'function' && !(property in own) ? value.bind(target) : value;
      },
    });
  }

  kill(when: 'before' | 'after'): void {
    this.#end = when;
  }
}

for (const { path, version } of redisPrograms())
  test(`on Redis ${version} each entry is one change, in order`, { timeout: 300_000 }, async (t) => {
    const seed = seedFrom(process.env.LATCHKEY_SEED);
    t.diagnostic(`LATCHKEY_SEED=${seed}`);
    const random = new Random(seed);
    const probe = await makeStreamProbe({ program: path });
    const wall = await makeWallClockLog();
    const all: Node[] = [];
    const start = () => {
      const node = new Node(wall.log, `n${all.length}`);
      node.source = probe.makeSource(node.log, LEASE_TTL_MS, { streams: STREAMS });
      node.source.start();
      all.push(node);
      return node;
    };
    const send = (...args: readonly (string | number)[]) => probe.redis.command(...args);
    try {
      let nodes = [start(), start()];
      const sent = new Map(STREAMS.map((stream) => [stream, 0]));
      for (let step = 0; step < STEPS; step += 1) {
        const stream = random.pick(STREAMS);
        const number = (sent.get(stream) ?? 0) + 1;
        sent.set(stream, number);
        await send('XADD', stream, '*', 'm', `${stream}=${number}`);
        const chance = random.next();
        if (chance < 0.02) await send('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
        else if (chance < 0.04)
          await send('XREADGROUP', 'GROUP', 'latchkey', 'orders', 'COUNT', 3, 'STREAMS', stream, '>').catch(
            () => undefined,
          );
        else if (chance < 0.05) await send('XGROUP', 'DESTROY', stream, 'latchkey').catch(() => undefined);
        else if (chance < 0.06) {
          const [old, ...rest] = nodes;
          nodes = [...rest, start()];
          await old?.source?.close();
        } else if (chance < 0.075) {
          const [old, ...rest] = nodes;
          nodes = [...rest, start()];
          old?.kill(random.chance(0.5) ? 'before' : 'after');
        }
      }
      const last = (stream: string) => `${stream}=${sent.get(stream)}`;
      await eventually('the last ones', () => STREAMS.every((stream) => wall.changes.includes(last(stream))), 60_000);
      for (const stream of STREAMS)
        assert.deepEqual(
          wall.changes.filter((line) => line.startsWith(`${stream}=`)),
          Array.from({ length: sent.get(stream) ?? 0 }, (_, index) => `${stream}=${index + 1}`),
        );
      await eventually('nothing pending', async () => {
        const pending = await Promise.all(STREAMS.map((stream) => send('XPENDING', stream, 'latchkey')));
        return pending.every((reply) => Number((reply as readonly unknown[])[0]) === 0);
      });
      assert.deepEqual(
        all.map((node) => node.source?.state().gaps),
        all.map(() => 0),
      );
    } finally {
      await Promise.all(all.map((node) => node.source?.close()));
      await wall.close();
      await probe.close();
    }
    assert.deepEqual(wall.faults, []);
  });
