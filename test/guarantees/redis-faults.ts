/**
 * Every fault to the Redis that nodes share, of those that lose nothing it has answered for: its AOF is flushed before each answer, and
 * a failover waits for the replica. Each returns when it is over, and the Redis takes writes again.
 *
 * Invariant: a fault that returns has bitten: the process was gone or stood still, or answered somebody with the error it is about.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { FaultProxy } from '../support/fault-proxy.ts';
import type { RedisProcess } from '../support/redis.ts';
import type { Random } from './random.ts';
import { until } from './waits.ts';

export interface RedisScene {
  readonly primary: RedisProcess;
  readonly replica: RedisProcess;
  /** Of each node, to the primary. */
  readonly links: readonly FaultProxy[];
}

/** Longer than this a script makes every other client be answered BUSY. */
export const BUSY_AFTER_MS = 40;
/** Nothing is answered before it is on the disk. */
export const LOSSLESS = {
  appendonly: true,
  config: ['appendfsync always', `lua-time-limit ${BUSY_AFTER_MS}`],
} as const;

const SPIN = `
local function now()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000000 + tonumber(time[2])
end
local ends = now() + tonumber(ARGV[1])
repeat until now() > ends`;

/** So long a writer gets to come, and those who found a replica to find it gone. */
const READONLY_MS = 2000;

export class RedisFaults {
  #scene: RedisScene;

  constructor(scene: RedisScene) {
    this.#scene = scene;
  }

  get primary(): RedisProcess {
    return this.#scene.primary;
  }

  async kill(): Promise<number> {
    await this.primary.kill9();
    await this.primary.restart({ withData: true });
    return 1;
  }

  async stop(): Promise<number> {
    await this.primary.restart({ withData: true });
    return 1;
  }

  async freeze(random: Random): Promise<number> {
    this.primary.pause();
    try {
      await sleep(random.between(50, 1500));
    } finally {
      this.primary.resume();
    }
    return 1;
  }

  /** A script of somebody else's that does not end: others are answered BUSY. */
  busy(random: Random): Promise<number> {
    const micros = random.between(150, 600) * 1000;
    return this.#whileAnswering('BUSY', async () => {
      await this.primary.command('EVAL', SPIN, 0, micros);
    });
  }

  /** Also while another fault has the Redis down for a moment. */
  async killConnections(): Promise<number> {
    let killed = 0;
    await until(async () => {
      try {
        killed = Number(await this.primary.command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes'));
      } catch {
        return false;
      }
      return killed > 0;
    }, 'connection to kill');
    return killed;
  }

  /** As often as it takes for somebody to call one that is forgotten. */
  async forgetScripts(): Promise<number> {
    const before = await errorCount(this.primary, 'NOSCRIPT');
    const isMissed = async () => {
      await this.primary.command('SCRIPT', 'FLUSH');
      return (await errorCount(this.primary, 'NOSCRIPT')) > before;
    };
    await until(isMissed, 'answer NOSCRIPT');
    return (await errorCount(this.primary, 'NOSCRIPT')) - before;
  }

  /** Writes that take memory are refused. */
  fill(random: Random): Promise<number> {
    return this.#whileAnswering('OOM', async (answered) => {
      await this.primary.command('CONFIG', 'SET', 'maxmemory', 1);
      await answered();
      await sleep(random.between(0, 300));
      await this.primary.command('CONFIG', 'SET', 'maxmemory', 0);
    });
  }

  /**
   * For a moment it is told to follow somebody who is not there. Nodes that connect meanwhile find a replica, and write nothing to it:
   * then it begins again.
   */
  async becomeReplica(random: Random): Promise<number> {
    const redis = this.primary;
    const before = await errorCount(redis, 'READONLY');
    const isAnswered = async () => (await errorCount(redis, 'READONLY')) > before;
    await until(async () => {
      await redis.command('REPLICAOF', '127.0.0.1', 1);
      const deadline = performance.now() + READONLY_MS;
      while (!(await isAnswered()) && performance.now() < deadline) await sleep(20);
      await sleep(random.between(0, 300));
      await redis.command('REPLICAOF', 'NO', 'ONE');
      if (await isAnswered()) return true;
      await sleep(READONLY_MS);
      return false;
    }, 'answer READONLY');
    return (await errorCount(redis, 'READONLY')) - before;
  }

  loseReplicas(random: Random): Promise<number> {
    return this.#whileAnswering('NOREPLICAS', async (answered) => {
      await this.primary.command('CONFIG', 'SET', 'min-replicas-to-write', 2);
      await answered();
      await sleep(random.between(0, 300));
      await this.primary.command('CONFIG', 'SET', 'min-replicas-to-write', 0);
    });
  }

  /** The two change places, without a loss. Connections to the old primary stay, now and then, and are answered READONLY. */
  async failOver(random: Random): Promise<number> {
    const { links, primary, replica } = this.#scene;
    await until(async () => (await replica.info('master_link_status')) === 'up', 'replica that follows');
    await untilOnDisk(replica);
    await until(async () => {
      try {
        // Without FORCE it waits until the replica has everything.
        await primary.command('FAILOVER', 'TO', '127.0.0.1', replica.port);
        return true;
      } catch {
        return false; // The primary does not call the replica online yet.
      }
    }, 'replica that can take over');
    await until(async () => (await replica.info('role')) === 'master', 'replica that took over');
    for (const link of links) link.leadTo(replica.port);
    if (random.chance(0.5)) for (const link of links) link.cut();
    this.#scene = { ...this.#scene, primary: replica, replica: primary };
    await until(async () => (await primary.info('role')) === 'slave', 'primary that gave way');
    // When they are started again they are what they are now.
    for (const each of [primary, replica]) await each.command('CONFIG', 'REWRITE');
    return 1;
  }

  /** With how often it gave that error meanwhile; `answered` waits for the first. */
  async #whileAnswering(code: string, happens: (answered: () => Promise<void>) => Promise<void>): Promise<number> {
    const redis = this.primary;
    const before = await errorCount(redis, code);
    await happens(() => until(async () => (await errorCount(redis, code)) > before, `answer ${code}`));
    return (await errorCount(redis, code)) - before;
  }
}

/** A replica that was sent all of the data begins a new AOF; before that is written, its disk is of before. */
async function untilOnDisk(replica: RedisProcess): Promise<void> {
  const isWritten = async () => {
    const text = String(await replica.command('INFO', 'persistence'));
    return /^aof_enabled:1/m.test(text) && !/^aof_rewrite_(in_progress|scheduled):1/m.test(text);
  };
  await until(isWritten, 'AOF of the replica');
}

async function errorCount(redis: RedisProcess, code: string): Promise<number> {
  const text = String(await redis.command('INFO', 'errorstats'));
  return Number(new RegExp(`^errorstat_${code}:count=(\\d+)`, 'm').exec(text)?.[1] ?? 0);
}

export const REDIS_FAULTS = {
  'redis: kill': (faults) => faults.kill(),
  'redis: stop': (faults) => faults.stop(),
  'redis: freeze': (faults, random) => faults.freeze(random),
  'redis: busy': (faults, random) => faults.busy(random),
  'redis: kill connections': (faults) => faults.killConnections(),
  'redis: forget scripts': (faults) => faults.forgetScripts(),
  'redis: full': (faults, random) => faults.fill(random),
  'redis: read-only': (faults, random) => faults.becomeReplica(random),
  'redis: lose replicas': (faults, random) => faults.loseReplicas(random),
  'redis: fail over': (faults, random) => faults.failOver(random),
} as const satisfies Record<string, (faults: RedisFaults, random: Random) => Promise<number>>;

export type RedisFault = keyof typeof REDIS_FAULTS;
