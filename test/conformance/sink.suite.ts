import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import type { LocalProbe } from '../../server/src/log/local-probe.fixture.ts';
import { makeLocalProbe } from '../../server/src/log/local-probe.fixture.ts';
import type { Log } from '../../server/src/log/log.ts';
import type { Clock } from '../../server/src/shared/clock.ts';
import type { Sink } from '../../server/src/sinks/sink.ts';
import { put, submit } from './log-tools.ts';

export interface SinkChoice {
  readonly log: Log;
  readonly clock: Clock;
  readonly keys?: readonly string[];
  readonly prefixes?: readonly string[];
  readonly patterns?: readonly string[];
  readonly leaseTtlMs?: number;
  readonly keepMs?: number;
}

/** What an adapter's test gives the suite: a target, and a witness that sees what is written there. */
export interface SinkProbe {
  makeSink(choice: SinkChoice): Sink;
  /** `KEY=VALUE` of each put and `KEY` of each remove that was written, in the order of arrival. */
  readonly seen: readonly string[];
  /** Resolves once `holds`, which is asked again with each arrival and every few milliseconds. */
  until(what: string, holds: () => boolean): Promise<void>;
  /** The target is gone, and comes back. */
  cut(): Promise<void>;
  restore(): Promise<void>;
  /** The target keeps its connections and answers nothing, and goes on. */
  freeze(): void;
  thaw(): void;
  close(): Promise<void>;
}

/** The promises that every sink keeps. */
export function sinkSuite(name: string, makeProbe: () => Promise<SinkProbe>): void {
  describe(`sink ${name}`, () => {
    let probe: SinkProbe;
    let logs: LocalProbe;
    let log: Log;
    const sinks: Sink[] = [];

    beforeEach(async () => {
      probe = await makeProbe();
      logs = await makeLocalProbe();
      log = await logs.open();
    });

    const each = (promise: string, body: () => Promise<void>) =>
      test(promise, { timeout: 60_000 }, async () => {
        try {
          await body();
        } finally {
          probe.thaw();
          await Promise.all(sinks.splice(0).map((sink) => sink.close()));
          await logs.close();
          await probe.close();
        }
        assert.deepEqual(logs.faults, []);
      });
    const start = (choice: Partial<SinkChoice> = {}) => {
      const sink = probe.makeSink({ log, clock: logs.clock, ...choice });
      sinks.push(sink);
      sink.start();
      return sink;
    };
    const write = (...pairs: readonly (readonly [string, number])[]) =>
      submit(
        log,
        pairs.map(([key, value]) => put(key, value)),
      );
    const seen = (...lines: readonly string[]) =>
      probe.until(`${lines.length} changes`, () => probe.seen.length >= lines.length);

    each('writes every change in the order of the log', async () => {
      const sink = start();
      await probe.until('a holder', () => sink.state().isHolder);
      const lines: string[] = [];
      for (let index = 0; index < 1000; index += 1) {
        const key = `key.${index % 7}`;
        void write([key, index]);
        lines.push(`${key}=${index}`);
      }
      await submit(log, [{ op: 'remove', key: 'key.3' }]);
      lines.push('key.3');
      await seen(...lines);
      assert.deepEqual(probe.seen, lines);
    });

    each('begins with the last change of every key', async () => {
      await write(['a', 1], ['b', 1], ['a', 2]);
      start();
      await seen('b=1', 'a=2');
      assert.deepEqual(probe.seen, ['b=1', 'a=2']);
    });

    each('owes every change from its first moment on, though its target was not there yet', async () => {
      await write(['a', 1], ['a', 2]);
      await probe.cut();
      const first = start();
      await probe.until('not ready', () => !first.state().isReady && first.state().reason !== 'it has not started');
      await write(['a', 3], ['a', 4]);
      await first.close();
      log = await logs.reopen();
      await probe.restore();
      start();
      await seen('a=3', 'a=4');
      assert.deepEqual(probe.seen, ['a=3', 'a=4'], 'what was there before comes as the last change of its key');
    });

    each('takes the changes that its filter names, and no other', async () => {
      start({ keys: ['one'], prefixes: ['pre.'], patterns: ['*.end'] });
      await write(['one', 1], ['one.more', 2], ['pre.x', 3], ['prefix', 4], ['a.end', 5], ['pre.y', 6]);
      await seen('one=1', 'pre.x=3', 'a.end=5', 'pre.y=6');
      assert.deepEqual(probe.seen, ['one=1', 'pre.x=3', 'a.end=5', 'pre.y=6']);
    });

    each('goes on where it was when it was stopped, and repeats nothing', async () => {
      const first = start();
      await write(['a', 1], ['b', 2]);
      await seen('a=1', 'b=2');
      await first.close();
      await write(['c', 3], ['a', 4]);
      log = await logs.reopen();
      start();
      await seen('a=1', 'b=2', 'c=3', 'a=4');
      assert.deepEqual(probe.seen, ['a=1', 'b=2', 'c=3', 'a=4']);
    });

    each('writes again what it had not noted when it ended, in order, and loses nothing', async () => {
      let isGone = false;
      // As after a kill -9: the target has taken it, the log was not told.
      const forgetful = withPart(log, {
        submit: (batch) =>
          isGone && batch.progress !== undefined ? Promise.reject(new Error('killed')) : log.submit(batch),
      });
      const first = start({ log: forgetful });
      await write(['a', 1]);
      await seen('a=1');
      await first.close();
      const second = start({ log: forgetful });
      await probe.until('a holder', () => second.state().isHolder);
      isGone = true;
      await write(['b', 2], ['c', 3]);
      await seen('a=1', 'b=2', 'c=3');
      await second.close();
      start();
      await seen('a=1', 'b=2', 'c=3', 'b=2', 'c=3');
      assert.deepEqual(probe.seen, ['a=1', 'b=2', 'c=3', 'b=2', 'c=3']);
    });

    each('says that its target is gone, delays no writer, and goes on in order when it is back', async () => {
      const sink = start();
      await write(['a', 0]);
      await seen('a=0');
      await probe.cut();
      for (let index = 1; index <= 500; index += 1) await write(['a', index]);
      await probe.until('not ready', () => !sink.state().isReady);
      assert.match(String(sink.state().reason), /\S/);
      await probe.restore();
      await probe.until('the last', () => probe.seen.at(-1) === 'a=500');
      assert.ok(sink.state().isReady);
      const values = probe.seen.map((line) => Number(line.slice(2)));
      assert.deepEqual(
        [...new Set(values)],
        Array.from({ length: 501 }, (_, index) => index),
      );
      assert.deepEqual(
        values,
        values.toSorted((a, b) => a - b),
      );
    });

    each('a target that answers nothing delays no writer', async () => {
      const sink = start();
      await write(['a', 0]);
      await seen('a=0');
      probe.freeze();
      for (let index = 1; index <= 2000; index += 1) await write([`k.${index}`, index]);
      assert.equal(log.view.head(0), 2001);
      probe.thaw();
      await probe.until('the last', () => probe.seen.at(-1) === 'k.2000=2000');
      await probe.until('nothing behind', () => sink.state().behind === 0);
    });

    each('is closed in time though its target answers nothing', async () => {
      const sink = start();
      await write(['a', 0]);
      await seen('a=0');
      probe.freeze();
      await write(['a', 1]);
      await probe.until('one under way', () => sink.state().behind === 1);
      await sink.close();
      assert.equal(sink.state().isHolder, false);
    });

    each('what is collected before it could be read is made up for by the last change of every key', async () => {
      const small = (settings: Parameters<NonNullable<Parameters<typeof logs.open>[0]>>[0]) => ({
        ...settings,
        history: { ...settings.history, changesMax: 10 },
        tombstones: { ageMaxMs: 1000 },
      });
      await log.close();
      log = await logs.open(small);
      const first = start();
      await write(['gone', 1], ['stays', 2]);
      await seen('gone=1', 'stays=2');
      await first.close();
      await submit(log, [{ op: 'remove', key: 'gone' }]);
      for (let index = 0; index < 50; index += 1) await write(['busy', index]);
      logs.clock.advance(5000);
      await logs.settleDue(log);
      await write(['late', 3]);
      assert.ok(log.view.tombstoneFloor(0) > 2, 'the tombstone was collected');
      start();
      await probe.until('the last', () => probe.seen.at(-1) === 'late=3');
      assert.deepEqual(probe.seen.slice(2), ['stays=2', 'busy=49', 'late=3']);
    });

    each('what left the window while it was away comes as the last change of each key', async () => {
      await log.close();
      log = await logs.open((settings) => ({ ...settings, history: { ...settings.history, changesMax: 10 } }));
      const first = start();
      await write(['a', 1]);
      await seen('a=1');
      await first.close();
      for (let index = 0; index < 50; index += 1) await write(['b', index]);
      await submit(log, [{ op: 'remove', key: 'a' }]);
      for (let index = 0; index < 50; index += 1) await write(['c', index]);
      start();
      await probe.until('the last', () => probe.seen.at(-1) === 'c=49');
      assert.deepEqual(probe.seen, ['a=1', 'b=49', 'a', 'c=49']);
    });

    each('one node writes at a time, and another takes over where it was', async () => {
      const other = withPart(log, { node: 'another' });
      const first = start();
      await probe.until('a holder', () => first.state().isHolder);
      const second = start({ log: other });
      await write(['a', 1]);
      await seen('a=1');
      await probe.until('standing by', () => second.state().isReady);
      assert.equal(second.state().isHolder, false);
      await first.close();
      await write(['b', 2]);
      // Standing by, it asks again in its own time.
      await seen('a=1', 'b=2');
      assert.deepEqual(probe.seen, ['a=1', 'b=2']);
      assert.ok(second.state().isHolder);
    });

    each('a holder that was away while another took over writes nothing more', async () => {
      // It believes that it holds the lease, as a process does that was stopped and goes on in the middle of a call.
      let isAway = false;
      const believing = withPart(log, {
        leases: {
          acquire: async (...asked) => {
            if (isAway) return undefined;
            const lease = await log.leases.acquire(...asked);
            return lease === undefined ? undefined : { ...lease, renew: async () => true };
          },
        },
      });
      const old = start({ log: believing, leaseTtlMs: 3000 });
      await write(['a', 1]);
      await seen('a=1');
      isAway = true;
      logs.clock.advance(4000);
      const stopped = withPart(log, { node: 'another' });
      probe.freeze();
      await write(['b', 2]);
      const young = start({ log: stopped, leaseTtlMs: 3000 });
      probe.thaw();
      await probe.until('the other', () => young.state().isHolder && !old.state().isHolder);
      await write(['c', 3]);
      await probe.until('the last', () => probe.seen.at(-1) === 'c=3');
      // The old one's page may have come before the fence; after it, nothing of it did.
      assert.equal(probe.seen.filter((line) => line === 'c=3').length, 1);
      assert.deepEqual([...new Set(probe.seen)], ['a=1', 'b=2', 'c=3']);
    });
  });
}

/** The same log, but for a part of it. */
function withPart(log: Log, part: Partial<Log>): Log {
  return new Proxy(log, {
    get: (target, name) => {
      if (Object.hasOwn(part, name)) return part[name as keyof Log];
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
