import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach } from 'node:test';
import { type RedisProcess, startRedis } from '../../../test/support/redis.ts';
import type { RedisOptions } from '../../../test/support/redis-process.ts';
import { DEFAULT_SETTINGS, type Settings } from '../config/settings.ts';
import { openAccess } from '../shared/access.ts';
import type { Change } from '../shared/change.ts';
import { systemClock } from '../shared/clock.ts';
import { silentLogger } from '../shared/logger.ts';
import { LmdbView, type LmdbViewOptions } from '../view/lmdb.ts';
import { openRedisLog } from './redis/open.ts';
import type { RedisStore } from './redis/redis-store.ts';
import type { RedisLog } from './redis.ts';

export interface NodeOptions {
  /** Of a node that was there before; absent: a new one. */
  readonly directory?: string;
  readonly settings?: (defaults: Settings) => Settings;
  readonly failpoints?: Pick<LmdbViewOptions, 'beforeCommit' | 'afterCommit'>;
  readonly wrapStore?: (store: RedisStore) => RedisStore;
}

/** Nodes around one Redis of the test's own, in one process. */
export class Nodes {
  readonly redis: RedisProcess;
  readonly faults: unknown[] = [];
  readonly #ends: (() => unknown)[] = [];
  readonly #open = new Map<RedisLog, string>();

  private constructor(redis: RedisProcess, ends: (() => unknown)[]) {
    this.redis = redis;
    this.#ends = ends;
  }

  static async around(options: RedisOptions = {}): Promise<Nodes> {
    const ends: (() => unknown)[] = [];
    return new Nodes(await startRedis({ after: (end) => ends.push(end) }, options), ends);
  }

  async start({ directory, failpoints, settings, wrapStore }: NodeOptions = {}): Promise<RedisLog> {
    const data = directory ?? (await mkdtemp(join(tmpdir(), 'latchkey-node-')));
    const made = settings?.(DEFAULT_SETTINGS) ?? DEFAULT_SETTINGS;
    const log = await openRedisLog({
      settings: { ...made, data, log: { ...made.log, url: this.redis.url } },
      clock: systemClock,
      access: openAccess,
      logger: silentLogger,
      reportFault: (_stage, error) => this.faults.push(error),
      openView: (options) => LmdbView.open({ ...options, ...failpoints }),
      ...(wrapStore === undefined ? {} : { wrapStore }),
    });
    this.#open.set(log, data);
    if (directory === undefined) this.#ends.push(() => rm(data, { recursive: true, force: true }));
    return log;
  }

  /** Stops a node; its directory, for `start`. */
  async stop(log: RedisLog): Promise<string> {
    await log.close();
    const directory = this.#open.get(log) as string;
    this.#open.delete(log);
    return directory;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#open.keys()].map((log) => log.close()));
    for (const end of this.#ends.reverse()) await end();
  }
}

/** Nodes anew for each test of a suite, which fails where a fault was reported. */
export function nodesForEach(): { readonly nodes: Nodes } {
  const held: { nodes?: Nodes } = {};
  beforeEach(async () => {
    held.nodes = await Nodes.around();
  });
  afterEach(async () => {
    await held.nodes?.close();
    assert.deepEqual(held.nodes?.faults, [], 'no fault was reported');
  });
  return {
    get nodes(): Nodes {
      if (held.nodes === undefined) throw new Error('nodes are there within a test');
      return held.nodes;
    },
  };
}

/** Resolves when the view shows what the test waits for. */
export function shows(log: RedisLog, isThere: () => boolean): Promise<void> {
  if (isThere()) return Promise.resolve();
  return new Promise((done) => {
    const look = () => {
      if (!isThere()) return;
      for (const stop of stops) stop?.();
      done();
    };
    const stops = [log.view.onDurable(look), log.view.onSkipped?.(look)];
  });
}

/** Resolves when the node has come as far as that one is now. */
export async function reaches(log: RedisLog, other: RedisLog): Promise<void> {
  await log.view.reach(other.view.position(), 20_000);
}

export function everyEntry(log: RedisLog): readonly Partial<Change>[] {
  const entries: Partial<Change>[] = [];
  let after: string | undefined;
  do {
    const page = log.view.list({ limit: 1000, withRemoves: true, ...(after === undefined ? {} : { after }) });
    for (const { as, expires, key, offset, op, updated, value } of page.entries)
      entries.push({ key, op, offset, value, updated, expires, as });
    after = page.next;
  } while (after !== undefined);
  return entries;
}
