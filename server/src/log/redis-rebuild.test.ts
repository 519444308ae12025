// A node that puts a log back into an emptied Redis may die at any moment of it. Another goes on where it stopped; when it comes back
// itself it has what all have.
import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { LatchkeyError } from '@latchkey/client';
import { code, put, submit } from '../../../test/conformance/log-tools.ts';
import { eventually } from '../../../test/support/waiting.ts';
import type { Settings } from '../config/settings.ts';
import { TABLE_NAMES } from '../view/view.ts';
import type { RedisStore } from './redis/redis-store.ts';
import { CURSOR_KEY, EMPTY_HEAD } from './redis/replica.ts';
import type { RedisLog } from './redis.ts';
import { everyEntry, Nodes, reaches, shows } from './redis-nodes.fixture.ts';

const KEYS = 1200;
const MIB = 1024 * 1024;
/** Its lease runs out first. */
const TAKEN_OVER_MS = 60_000;

const rebuilding = (defaults: Settings): Settings => ({
  ...defaults,
  log: { ...defaults.log, rebuild: true, rebuildWaitMs: 200 },
});

/**
 * Stands between nodes and their Redis. The first that takes the lease dies after so many appends, of which it is not told: its Redis
 * hears nothing of it any more, not even that it lets go.
 */
class Death {
  readonly #after: number;
  #appends = 0;
  #isArmed = false;
  #victim: RedisStore | undefined;
  #isDead = false;
  readonly #died = Promise.withResolvers<void>();

  constructor(after: number) {
    this.#after = after;
  }

  arm(): void {
    this.#isArmed = true;
  }

  get died(): Promise<void> {
    return this.#died.promise;
  }

  isOf(store: RedisStore | undefined): boolean {
    return store !== undefined && this.#victim === store;
  }

  over(store: RedisStore): RedisStore {
    return new Proxy(store, {
      get: (target, name: keyof RedisStore) => {
        const member = target[name];
        if (typeof member !== 'function' || name === 'close')
          return typeof member === 'function' ? member.bind(target) : member;
        return async (...args: never[]) => {
          if (this.#isDead && this.#victim === store) throw gone();
          const answer = await (member as (...args: never[]) => unknown).apply(target, args);
          if (this.#isArmed) this.#count(store, name, answer);
          if (this.#isDead && this.#victim === store) throw gone();
          return answer;
        };
      },
    });
  }

  #count(store: RedisStore, name: keyof RedisStore, answer: unknown): void {
    if (name === 'lease' && answer !== undefined) this.#victim ??= store;
    if (this.#victim !== store || this.#isDead) return;
    if (name === 'append') this.#appends += 1;
    if (this.#appends < this.#after) return;
    this.#isDead = true;
    this.#died.resolve();
  }
}

const gone = () => new LatchkeyError('not-ready', 'This node is dead.');

/** Sends until it is taken. */
async function untilWritten(log: RedisLog, key: string): Promise<void> {
  const deadline = performance.now() + TAKEN_OVER_MS;
  for (;;) {
    const result = await code(submit(log, [put(key, 1)]));
    if (result === 'none') return;
    assert.ok(['not-ready', 'timeout'].includes(result), result);
    if (performance.now() > deadline) throw new Error(`not within ${TAKEN_OVER_MS} ms: ${log.state().reason}`);
    await sleep(20);
  }
}

/** What a node has of each key, but for where in the log it lies. */
const valuesOf = (log: RedisLog) => everyEntry(log).map(({ offset, ...entry }) => entry);

/** What every node keeps beside the entries. */
const tablesOf = ({ view }: RedisLog) =>
  TABLE_NAMES.flatMap((name) =>
    view
      .table(name)
      .range(Buffer.alloc(0), Buffer.alloc(17, 0xff), 1000)
      .filter(({ key }) => !key.equals(CURSOR_KEY))
      .map(({ key, value }) => `${name} ${key.toString('latin1')} ${value.toString('latin1')}`),
  );

/** Two nodes that know the same, of which the first to put the log back dies; the log is in no order that a test could count on. */
class World {
  readonly nodes: Nodes;
  readonly #death: Death;
  readonly #stores = new Map<RedisLog, RedisStore>();

  private constructor(nodes: Nodes, death: Death) {
    this.nodes = nodes;
    this.#death = death;
  }

  static async whereOneDies(t: TestContext, appends: number): Promise<World> {
    const nodes = await Nodes.around();
    t.after(() => nodes.close());
    return new World(nodes, new Death(appends));
  }

  /** Ready, where there is a log to follow or nobody knows of one. */
  async start(directory?: string): Promise<RedisLog> {
    const stores: RedisStore[] = [];
    const log = await this.nodes.start({
      ...(directory === undefined ? {} : { directory }),
      settings: rebuilding,
      wrapStore: (store) => {
        stores.push(store);
        return this.#death.over(store);
      },
    });
    this.#stores.set(log, stores[0] as RedisStore);
    // Without a log the nodes wait for those that may know more.
    if (directory === undefined) await eventually('the node is ready', () => log.state().isReady);
    return log;
  }

  /** Every key and every script goes, and no connection does. */
  async flush(): Promise<void> {
    await this.nodes.redis.command('FLUSHALL');
    await this.nodes.redis.command('SCRIPT', 'FLUSH');
  }

  /** Empties the Redis, and resolves with who died and who did not. */
  async lose(...logs: readonly RedisLog[]): Promise<{ readonly dead: RedisLog; readonly others: readonly RedisLog[] }> {
    this.#death.arm();
    await this.nodes.redis.restart({ withData: false });
    await this.#death.died;
    const dead = logs.find((log) => this.#death.isOf(this.#stores.get(log)));
    if (dead === undefined) throw new Error('one of them died');
    return { dead, others: logs.filter((log) => log !== dead) };
  }

  /** Every entry is as it was before, and stands once in what the Redis was given since. */
  async assertPutBackOnce(log: RedisLog, before: ReturnType<typeof valuesOf>): Promise<void> {
    const values = valuesOf(log);
    assert.deepEqual(
      values.filter(({ key }) => key !== 'new'),
      before,
      'no entry is lost',
    );
    const store = this.#stores.get(log) as RedisStore;
    const end = await store.head();
    const keys: string[] = [];
    for (let head = EMPTY_HEAD; head.token !== end.token; ) {
      const records = await store.tail(head, { waitMs: 1000, bytesMax: MIB });
      assert.ok(records !== 'behind');
      for (const { changes, last, token } of records) {
        keys.push(...changes.map(({ key }) => key));
        head = { ...head, offset: last, token };
      }
    }
    assert.deepEqual(keys.toSorted(), values.map(({ key }) => key).toSorted(), 'none is there twice');
  }

  /** The one that died is there again, and a new one: they have what that one has. */
  async assertAllAgree(alive: RedisLog, dead: RedisLog): Promise<void> {
    const directory = await this.nodes.stop(dead);
    for (const log of [await this.start(directory), await this.start()]) {
      await reaches(log, alive);
      assert.deepEqual(everyEntry(log), everyEntry(alive));
      assert.deepEqual(tablesOf(log), tablesOf(alive));
      assert.deepEqual(log.view.counts().keys, alive.view.counts().keys);
    }
    assert.deepEqual(this.nodes.faults, []);
  }
}

async function fill(log: RedisLog): Promise<void> {
  const letter = {
    source: 's',
    coordinates: {},
    reason: { code: 'invalid-json' as const, message: 'no JSON' },
    message: Buffer.from('x'),
    headers: {},
  };
  await submit(
    log,
    [
      put('string', 1, { updated: { micros: 7 }, idempotencyKey: 'once' }),
      put('hash', { f: 1 }, { as: 'hash' }),
      put('gone', 1),
      { op: 'remove', key: 'gone' },
    ],
    { progress: { source: 's', sourcePartition: '0', expected: null, next: '5' }, deadLetters: { add: [letter] } },
  );
  await submit(
    log,
    Array.from({ length: KEYS }, (_, index) => put(`k.${index}`, index)),
  );
}

/** Two nodes that know the same; `before`: what. */
async function filledWhereOneDies(...where: Parameters<typeof World.whereOneDies>) {
  const world = await World.whereOneDies(...where);
  const [a, b] = await Promise.all([world.start(), world.start()]);
  await fill(a);
  await reaches(b, a);
  return { world, a, b, before: valuesOf(a) };
}

describe('a node that dies while it puts the log back', { concurrency: 4 }, () => {
  for (const appends of [0, 1, 2, 3, 4, 5]) {
    test(`after ${appends} appends: another goes on, no entry is lost or there twice, and it comes back to the same`, async (t) => {
      const { a, b, before, world } = await filledWhereOneDies(t, appends);
      const { dead, others } = await world.lose(a, b);
      const [alive] = others as [RedisLog];
      await untilWritten(alive, 'new');
      await world.assertPutBackOnce(alive, before);
      assert.deepEqual(await alive.progress('s'), { 0: '5' });
      await world.assertAllAgree(alive, dead);
    });
  }

  test('and the Redis starts again meanwhile, with what it was given: what is back already is not put back again', async (t) => {
    const { a, b, before, world } = await filledWhereOneDies(t, 3);
    const { dead, others } = await world.lose(a, b);
    const [alive] = others as [RedisLog];
    await world.nodes.redis.restart({ withData: true });
    await untilWritten(alive, 'new');
    await world.assertPutBackOnce(alive, before);
    await world.assertAllAgree(alive, dead);
  });

  test('and the Redis loses everything again: it is put back from the beginning', async (t) => {
    const { a, b, before, world } = await filledWhereOneDies(t, 3);
    const { dead, others } = await world.lose(a, b);
    const [alive] = others as [RedisLog];
    await shows(alive, () => alive.view.table('ledger').get(Buffer.from('rebuilding')) !== undefined);
    await world.nodes.redis.restart({ withData: false });
    await untilWritten(alive, 'new');
    await world.assertPutBackOnce(alive, before);
    await world.assertAllAgree(alive, dead);
  });

  test('and knew more than who goes on: what only it knew is gone for all, and does not come back with it', async (t) => {
    const { a, b, before, world } = await filledWhereOneDies(t, 3);
    const directory = await world.nodes.stop(b);
    await submit(a, [put('k.1', 'newer'), put('zz', 'only here'), { op: 'remove', key: 'string' }]);
    const { dead } = await world.lose(a);
    const alive = await world.start(directory);
    await untilWritten(alive, 'new');
    const values = new Map(valuesOf(alive).map(({ key, value }) => [key, value?.data]));
    assert.deepEqual([values.get('zz'), values.get('k.2'), values.get('hash')], [undefined, '2', '{"f":1}']);
    assert.equal(values.size, before.length + 1);
    await world.assertAllAgree(alive, dead);
  });

  test('and a key holds what is no value by now: it is left there, and the log lets go of it', async (t) => {
    const { a, b, world } = await filledWhereOneDies(t, 1);
    const { dead, others } = await world.lose(a, b);
    const [alive] = others as [RedisLog];
    await world.nodes.redis.command('RPUSH', 'k.5', 'theirs');
    await untilWritten(alive, 'new');
    assert.equal(alive.view.get('k.5')?.op, 'remove');
    assert.deepEqual(await world.nodes.redis.command('LRANGE', 'k.5', 0, -1), ['theirs']);
    await world.assertAllAgree(alive, dead);
  });
});

test('a Redis that is flushed under nodes that stay connected is filled again, whoever notices first', async (t) => {
  const { a, b, before, world } = await filledWhereOneDies(t, Number.POSITIVE_INFINITY);
  await world.flush();
  await untilWritten(b, 'new');
  await reaches(a, b);
  await world.assertPutBackOnce(b, before);
  await world.assertAllAgree(b, a);
});
