// What the source makes of real streams: crashes at each point, handovers, and what others do to stream and group.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { LatchkeyError } from '@latchkey/client';
import { type RedisOptions, redisPrograms } from '../../../test/support/redis.ts';
import { eventually } from '../../../test/support/waiting.ts';
import type { RedisStreamSettings } from '../config/flow-settings.ts';
import { DEFAULT_SETTINGS } from '../config/settings.ts';
import { sourceFormats } from '../formats/source-format.ts';
import type { Log } from '../log/log.ts';
import { ANONYMOUS } from '../shared/access.ts';
import type { RedisStream } from './redis-stream.ts';
import { makeStreamProbe, type StreamProbe } from './redis-stream-probe.fixture.ts';
import { makeWallClockLog, type WallClockLog } from './wall-clock-log.fixture.ts';

const LEASE_TTL_MS = 300;
/** Not lost on a machine that is busy; it is given back where a source is closed. */
const KEPT_TTL_MS = 30_000;

for (const { path, version } of redisPrograms()) {
  describe(`the source redis-stream on Redis ${version}`, { timeout: 300_000 }, () => {
    let probe: StreamProbe;
    let wall: WallClockLog;
    let sources: RedisStream[] = [];

    const open = async (options: RedisOptions = {}) => {
      probe = await makeStreamProbe({ program: path, ...options });
      return probe.redis;
    };
    beforeEach(async () => {
      wall = await makeWallClockLog();
    });
    afterEach(async () => {
      probe.redis.resume();
      await Promise.all(sources.map((source) => source.close()));
      sources = [];
      await wall.close();
      await probe.close();
      assert.deepEqual(wall.faults, []);
    });
    const make = (settings: Partial<RedisStreamSettings> = {}, log: Log = wall.log, ttlMs = LEASE_TTL_MS) => {
      const source = probe.makeSource(log, ttlMs, settings);
      sources.push(source);
      source.start();
      return source;
    };
    const start = async (settings: Partial<RedisStreamSettings> = {}, log: Log = wall.log, ttlMs = LEASE_TTL_MS) => {
      const source = make(settings, log, ttlMs);
      await eventually('ready', () => source.state().isReady && source.state().isHolder);
      return source;
    };
    const has = (...lines: readonly string[]) =>
      eventually(lines.join(), () => lines.every((line) => wall.changes.includes(line)));
    const pending = async () =>
      Number(((await probe.redis.command('XPENDING', 's', 'latchkey')) as readonly unknown[])[0]);
    const settled = () => eventually('nothing pending', async () => (await pending()) === 0);
    /** Another node on the same log. */
    const otherNode = (own: Partial<Log>): Log =>
      new Proxy(wall.log, {
        get(target, property) {
          const value = own[property as keyof Log] ?? Reflect.get(target, property, target);
          return typeof value === 'function' && !(property in own) ? value.bind(target) : value;
        },
      });

    test('takes what is there and what comes, keeps its place in the log, and acknowledges', async () => {
      await open();
      await probe.send('a=1', 'b=2');
      const source = await start();
      await has('a=1', 'b=2');
      await probe.send('a=3');
      await has('a=3');
      await settled();
      const newest = (await probe.redis.command('XREVRANGE', 's', '+', '-', 'COUNT', '1')) as readonly [[string]];
      assert.deepEqual(await wall.log.progress('orders'), { s: newest[0][0] });
      assert.equal(wall.log.view.get('a')?.origin, 'redis-stream:orders');
      assert.deepEqual([source.state().received, source.state().known, source.state().gaps], [3, 0, 0]);
    });

    test('a crash between the write and the acknowledgement repeats nothing', async () => {
      await open();
      let isKilled = false;
      // As after kill -9 in the moment in which the log has the step: nothing else of this node happens.
      const dying = otherNode({
        submit: async (batch) => {
          const settledBatch = await wall.log.submit(batch);
          if (batch.commands.length > 0) {
            isKilled = true;
            await probe.redis.command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
            throw new LatchkeyError('conflict', 'This node is gone.');
          }
          return settledBatch;
        },
        leases: { acquire: async (...args) => (isKilled ? undefined : wall.log.leases.acquire(...args)) },
      });
      const first = await start({}, dying);
      await probe.send('a=1', 'a=2', 'a=3');
      await eventually('the crash', () => isKilled);
      await first.close();
      assert.ok((await pending()) > 0, 'the log has it, and Redis does not know');
      await wall.reopen();
      const next = await start();
      await has('a=3');
      await settled();
      assert.deepEqual(wall.changes, ['a=1', 'a=2', 'a=3'], 'each message is one change');
      assert.ok(Number(next.state().known) > 0);
    });

    test('a crash before the write loses nothing: what was given out comes first, in order', async () => {
      const redis = await open();
      await redis.command('XGROUP', 'CREATE', 's', 'latchkey', '0', 'MKSTREAM');
      for (let value = 1; value <= 250; value += 1) await probe.send(`a=${value}`);
      // Others of the group had them: two that died with theirs, and one that finished some.
      await redis.command('XREADGROUP', 'GROUP', 'latchkey', 'one', 'COUNT', '100', 'STREAMS', 's', '>');
      const done = (await redis.command('XRANGE', 's', '-', '+', 'COUNT', '10')) as readonly [string][];
      await redis.command('XACK', 's', 'latchkey', ...done.map(([id]) => id));
      await redis.command('XREADGROUP', 'GROUP', 'latchkey', 'two', 'COUNT', '120', 'STREAMS', 's', '>');
      const source = await start();
      await has('a=250');
      await settled();
      assert.deepEqual(
        wall.changes,
        Array.from({ length: 240 }, (_, index) => `a=${index + 11}`),
      );
      assert.equal(source.state().gaps, 0);
    });

    test('goes on where the log is, whatever the group says', async () => {
      const redis = await open();
      const first = await start();
      for (let value = 1; value <= 5; value += 1) await probe.send(`a=${value}`);
      await has('a=5');
      await first.close();
      const ids = ((await redis.command('XRANGE', 's', '-', '+')) as readonly [string][]).map(([id]) => id);
      // As after a backup of the log was put back: it was at the second entry, and the group is done with all.
      await wall.log.submit({
        commands: [],
        principal: ANONYMOUS,
        progress: { source: 'orders', sourcePartition: 's', expected: ids[4] as string, next: ids[1] as string },
      });
      wall.changes.length = 0;
      await start();
      await has('a=5');
      await probe.send('a=6');
      await has('a=6');
      assert.deepEqual(wall.changes, ['a=3', 'a=4', 'a=5', 'a=6']);
      await settled();
    });

    test('a progress that moves under it is followed at once', async () => {
      const redis = await open();
      await start();
      await probe.send('a=1');
      await has('a=1');
      await redis.command('XGROUP', 'CREATECONSUMER', 's', 'latchkey', 'x');
      const [[first]] = (await redis.command('XRANGE', 's', '-', '+')) as readonly [[string]];
      await wall.log.submit({
        commands: [],
        principal: ANONYMOUS,
        progress: { source: 'orders', sourcePartition: 's', expected: first, next: '9999999999999-0' },
      });
      await redis.command('XADD', 's', '9999999999998-0', 'm', 'a=2');
      await redis.command('XADD', 's', '10000000000000-0', 'm', 'a=3');
      await has('a=3');
      assert.deepEqual(wall.changes, ['a=1', 'a=3'], 'an entry that the log is beyond is not taken');
      await settled();
    });

    test('entries that a cut-off holder was given are not skipped, with others behind them or not', async () => {
      const redis = await open();
      await start();
      await probe.send('a=1');
      await has('a=1');
      // A holder that another node has taken over from, and whose read waits at the server all the same.
      const steal = () => redis.command('XREADGROUP', 'GROUP', 'latchkey', 'orders', 'STREAMS', 's', '>');
      await redis.command('MULTI');
      await redis.command('XADD', 's', '*', 'm', 'a=2');
      await steal();
      await redis.command('XADD', 's', '*', 'm', 'a=3');
      await redis.command('EXEC');
      await has('a=3');
      assert.deepEqual(wall.changes, ['a=1', 'a=2', 'a=3']);
      await redis.command('MULTI');
      await redis.command('XADD', 's', '*', 'm', 'a=4');
      await steal();
      await redis.command('EXEC');
      await has('a=4');
      await settled();
    });

    test('a group or stream that is deleted is made anew, and nothing is taken twice', async () => {
      const redis = await open();
      const source = await start();
      await probe.send('a=1', 'a=2');
      await has('a=2');
      await redis.command('XGROUP', 'DESTROY', 's', 'latchkey');
      await probe.send('a=3');
      await has('a=3');
      await redis.command('DEL', 's');
      await probe.send('a=4');
      await has('a=4');
      await eventually('ready', () => source.state().isReady);
      await redis.command('RENAME', 's', 'away');
      await eventually('made anew', () => probe.told.some((line) => /NOGROUP|UNBLOCKED|ERR/.test(line)));
      await redis.command('RENAME', 'away', 's');
      await probe.send('a=5');
      await has('a=5');
      assert.deepEqual(wall.changes, ['a=1', 'a=2', 'a=3', 'a=4', 'a=5']);
    });

    test('entries that were trimmed before they were taken are a gap, and others are none', async () => {
      const redis = await open();
      // Who loses the lease between reading and taking tells of the same gap again.
      const keep = () => start({}, wall.log, KEPT_TTL_MS);
      const first = await keep();
      await probe.send('a=1', 'a=2');
      await has('a=2');
      await redis.command('XTRIM', 's', 'MAXLEN', '0');
      await probe.send('a=3');
      await has('a=3');
      await first.close();
      assert.equal(first.state().gaps, 0, 'what was taken may go');
      for (let value = 4; value <= 9; value += 1) await probe.send(`a=${value}`);
      await redis.command('XTRIM', 's', 'MAXLEN', '2');
      const second = await keep();
      await has('a=9');
      assert.deepEqual(wall.changes, ['a=1', 'a=2', 'a=3', 'a=8', 'a=9']);
      assert.equal(second.state().gaps, 1);
      const counted = version.startsWith('6') ? 'entries may have been' : '4 entries were';
      assert.match(
        String(second.state().lastGap?.reason),
        new RegExp(`^${counted} trimmed or deleted of the stream s before they were taken`),
      );
      await redis.command('XTRIM', 's', 'MAXLEN', '0');
      await second.close();
      const third = await keep();
      assert.equal(third.state().gaps, 0, 'it is told once');
      // A stream of one last value: what was taken is trimmed by what comes.
      for (let value = 10; value <= 15; value += 1) {
        await redis.command('XADD', 's', 'MAXLEN', '1', '*', 'm', `a=${value}`);
        await has(`a=${value}`);
      }
      assert.equal(third.state().gaps, 0);
    });

    test('goes on after cuts, CLIENT KILL and a restart, and takes each entry once', async () => {
      const redis = await open();
      const source = await start();
      let value = 0;
      const sendMore = async () => {
        for (let index = 0; index < 20; index += 1) {
          value += 1;
          await probe.send(`a=${value}`);
        }
      };
      await sendMore();
      await redis.command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
      await sendMore();
      await redis.command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
      await sendMore();
      await has(`a=${value}`);
      await redis.kill9();
      await eventually('the reason', () => !source.state().isReady);
      await redis.restart({ withData: true });
      await sendMore();
      await has(`a=${value}`);
      assert.deepEqual(
        wall.changes,
        Array.from({ length: 80 }, (_, index) => `a=${index + 1}`),
      );
      await settled();
    });

    test('a Redis that comes back empty is begun anew from where the log is', async () => {
      const redis = await open({ appendonly: false });
      await start();
      await probe.send('a=1');
      await has('a=1');
      await redis.restart({ withData: false });
      await eventually('it is told', () => probe.told.some((line) => /the stream "s" ends at 0-0, before/.test(line)));
      await probe.send('a=2');
      await has('a=2');
      assert.deepEqual(wall.changes, ['a=1', 'a=2']);
    });

    test('a key of another type holds up its own stream alone, and is told', async () => {
      const redis = await open();
      await redis.command('SET', 't', 'text');
      const source = make({ streams: ['t', 's'] });
      await probe.send('a=1');
      await has('a=1');
      await eventually('the reason', () => /Rename or delete it/.test(String(source.state().reason)));
      assert.match(String(source.state().reason), /The key "t" on redis:\/\/\S+ holds something else than a stream/);
      await redis.command('DEL', 't');
      await redis.command('XADD', 't', '*', 'm', 'b=1');
      await has('b=1');
      await eventually('ready', () => source.state().isReady);
    });

    test('an entry without the field is a dead letter with its place, and what is big is cut', async () => {
      const redis = await open();
      await redis.command('XADD', 's', '1700000000000-1', 'other', 'a=1');
      for (let index = 0; index < 1500; index += 1) void probe.send(`b.${index}=${index}`);
      const source = await start();
      await has('b.1499=1499');
      const [letter, ...more] = wall.log.deadLetters.list({ limit: 10 }).deadLetters;
      assert.deepEqual(more, []);
      assert.deepEqual(letter?.coordinates, { stream: 's', id: '1700000000000-1', recordKey: 's' });
      assert.equal(letter?.message.toString(), '{"other":"a=1"}');
      assert.match(String(letter?.reason.message), /no field m/);
      assert.equal(source.state().deadLettered, 1);
      await eventually('nothing behind', () => source.state().behind === 0);
    });

    test('an entry is as new as its id says, where its message does not', async () => {
      const redis = await open();
      const settings = {
        ...({ name: 'orders', kind: 'redis-stream', streams: ['s'], group: 'latchkey', field: '' } as const),
        ...{ url: redis.url, sentinels: [], sentinelName: 'mymaster', caFile: '' },
        ...({ late: 'refuse', recordEqual: false, keyPrefix: 'x.' } as const),
        format: { kind: 'json', key: '{id}', omit: ['id'], write: 'put', as: 'string' } as const,
      };
      const format = sourceFormats({ ...DEFAULT_SETTINGS, sources: [settings] }).get('orders');
      const source = probe.makeSource(wall.log, LEASE_TTL_MS, settings, format === undefined ? {} : { format });
      sources.push(source);
      source.start();
      await redis.command('XADD', 's', '1700000000000-2', 'id', 'a', 'soc', '81');
      await redis.command('XADD', 's', '1700000000000-3', 'id', 'a', 'soc', '82');
      await has('x.a={"soc":"81"}', 'x.a={"soc":"82"}');
      assert.equal(wall.log.view.get('x.a')?.updated.micros, 1_700_000_000_000_003);
    });

    test('the rights that docs/sources.md names are enough, and what is missing of them is told', async () => {
      const users = ['user ems on >pw ~s +@stream +@connection', 'user weak on >pw ~s +@read +@connection'];
      const redis = await open({ acl: users });
      const as = (user: string) => redis.url.replace('redis://', `redis://${user}:pw@`);
      const weak = make({ url: as('weak'), name: 'weak', group: 'weak' });
      await eventually('the reason', () => /does not permit reading to this user/.test(String(weak.state().reason)));
      assert.equal(weak.state().isReady, false);
      await start({ url: as('ems') });
      await probe.send('a=1');
      await has('a=1');
      await settled();
    });

    test('closes at once, also while the Redis does not answer', async () => {
      const redis = await open();
      const source = await start();
      redis.pause();
      await source.close();
      redis.resume();
    });
  });
}
