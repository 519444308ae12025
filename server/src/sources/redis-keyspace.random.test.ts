// Whatever others write, whenever a connection is cut or a node takes over: in the end the entries are what the Redis holds.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random, seedFrom } from '../../../test/guarantees/random.ts';
import { redisPrograms } from '../../../test/support/redis.ts';
import type { RedisReply } from '../../../test/support/redis-process.ts';
import type { Log } from '../log/log.ts';
import { type KeyspaceProbe, makeKeyspaceProbe } from './redis-keyspace-probe.fixture.ts';
import type { Source } from './source.ts';

const STEPS = 600;
const KEYS = 15;

/** One command of a foreign client. */
function commandOf(random: Random, step: number): readonly (string | number)[] {
  const pick = (max: number) => random.between(0, max - 1);
  const key = `k.${pick(KEYS)}`;
  const kind = random.next();
  if (kind < 0.3) return ['SET', key, `v${step}`];
  if (kind < 0.45) return ['DEL', key];
  if (kind < 0.6) return ['SET', key, `{"n":${step}}`, 'PX', 20 + pick(200)];
  if (kind < 0.68) return ['PEXPIRE', key, 20 + pick(500)];
  if (kind < 0.72) return ['PERSIST', key];
  if (kind < 0.8) return ['RENAME', key, `k.${pick(KEYS)}`];
  if (kind < 0.9) return ['HSET', key, `f${pick(3)}`, step];
  if (kind < 0.93) return ['HDEL', key, `f${pick(3)}`];
  if (kind < 0.95) return ['RPUSH', key, 'x'];
  if (kind < 0.96) return ['FLUSHALL'];
  return ['GETSET', key, `w${step}`];
}

/** The log as another node of the same deployment has it. */
function asNode(log: Log, node: string): Log {
  const own: Partial<Log> = { node, leases: { acquire: (name, _, ttlMs) => log.leases.acquire(name, node, ttlMs) } };
  return new Proxy(log, {
    get(target, property) {
      const value: unknown = own[property as keyof Log] ?? Reflect.get(target, property, target);
      return typeof value === 'function' && !(property in own) ? value.bind(target) : value;
    },
  });
}

async function heldThere(probe: KeyspaceProbe): Promise<Readonly<Record<string, string>>> {
  const held: Record<string, string> = {};
  const send = (...args: readonly string[]) => probe.redis.command(...args);
  for (let index = 0; index < KEYS; index += 1) {
    const key = `k.${index}`;
    const type = await send('TYPE', key);
    if (type === 'string') held[key] = String(await send('GET', key));
    if (type === 'hash') held[key] = hashText(await send('HGETALL', key));
  }
  return held;
}

function hashText(reply: RedisReply): string {
  const pairs = Array.isArray(reply)
    ? reply.flatMap((name, at) => (at % 2 === 0 ? [[String(name), String(reply[at + 1])] as const] : []))
    : Object.entries(reply as Record<string, RedisReply>).map(([name, value]) => [name, String(value)] as const);
  return JSON.stringify(Object.fromEntries(pairs.toSorted(([one], [other]) => (one < other ? -1 : 1))));
}

function heldHere(probe: KeyspaceProbe): Readonly<Record<string, string>> {
  const held: Record<string, string> = {};
  for (let index = 0; index < KEYS; index += 1) {
    const key = `k.${index}`;
    const value = probe.value(key);
    if (value === undefined) continue;
    const isHash = probe.log.view.get(key)?.as === 'hash';
    held[key] = isHash ? hashText(JSON.parse(value) as Record<string, string>) : value;
  }
  return held;
}

const PROGRAMS = redisPrograms().flatMap((program) => [
  { ...program, mode: 'keyevents' as const },
  { ...program, mode: 'tracking' as const },
]);

for (const { mode, path, version } of PROGRAMS)
  test(`by ${mode} on Redis ${version}: entries end as the Redis is, through cuts and handovers`, {
    timeout: 300_000,
  }, async (t) => {
    const seed = seedFrom(process.env.LATCHKEY_SEED);
    t.diagnostic(`LATCHKEY_SEED=${seed}`);
    const random = new Random(seed);
    const probe = await makeKeyspaceProbe({ program: path, notifications: 'KEA' });
    try {
      let nodes = 0;
      const start = () => {
        nodes += 1;
        return probe.makeSource({ mode }, { log: asNode(probe.log, `n${nodes}`), leaseTtlMs: 300 });
      };
      let sources: Source[] = [start(), start()];
      for (let step = 0; step < STEPS; step += 1) {
        const chance = random.next();
        if (chance < 0.01) {
          for (const type of ['normal', 'pubsub'])
            await probe.redis.command('CLIENT', 'KILL', 'TYPE', type, 'SKIPME', 'yes');
        } else if (chance < 0.02) {
          const gone = sources.shift();
          sources = [...sources, start()];
          await gone?.close();
        }
        // A rename of what is not there is refused, an HSET of a string too.
        await probe.redis.command(...commandOf(random, step)).catch(() => undefined);
      }
      await probe.until('a holder', () => sources.some((source) => source.state().isHolder && source.state().isReady));
      let there: unknown;
      let here: unknown;
      for (let tries = 0; tries < 2000; tries += 1) {
        there = await heldThere(probe);
        here = heldHere(probe);
        if (JSON.stringify(there) === JSON.stringify(here)) break;
      }
      assert.deepEqual(here, there);
    } finally {
      await probe.close();
    }
  });
