import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { code, jsonOf, one, put, submit } from '../../../test/conformance/log-tools.ts';
import type { Settings } from '../config/settings.ts';
import type { Log } from './log.ts';
import { everyEntry, nodesForEach, reaches, shows } from './redis-nodes.fixture.ts';

const ALL = { changesMax: 1e6, bytesMax: 1e9, skipSuperseded: false, skipRemoves: false };

describe('nodes around one Redis', () => {
  const world = nodesForEach();

  test('lose no update when they write the same keys, and have the same log in the end', async () => {
    const logs = await Promise.all([world.nodes.start(), world.nodes.start(), world.nodes.start()]);
    const increments = 40;
    await Promise.all(
      logs.map(async (log, node) => {
        for (let done = 0; done < increments; ) {
          const entry = log.view.get('counter');
          const value = entry?.value === undefined ? 0 : Number(entry.value.data);
          const condition = entry === undefined ? { ifAbsent: true } : { ifVersion: log.view.epochs.version(entry) };
          const [outcome] = (await submit(log, [put('counter', value + 1, condition), put(`own.${node}`, done)]))
            .outcomes;
          if (outcome?.outcome === 'applied') done += 1;
          else assert.equal(outcome?.outcome, 'conflict');
        }
      }),
    );
    const [first, ...others] = logs;
    for (const log of others) await reaches(log, first);
    await Promise.all(others.map((log) => reaches(first, log)));
    for (const log of others) await reaches(log, first);
    assert.equal(jsonOf(first, 'counter'), 3 * increments);
    assert.equal(await world.nodes.redis.command('GET', 'counter'), String(3 * increments));
    const historyOf = (log: typeof first) =>
      log.view
        .scan(0, 0, { ...ALL, until: log.view.head(0) })
        .changes.map(({ key, offset, previous, value }) => [offset, key, previous, value]);
    for (const log of others) assert.deepEqual(historyOf(log), historyOf(first));
  });

  test('tell each other of progress, idempotency keys and dead letters', async () => {
    const [a, b] = await Promise.all([world.nodes.start(), world.nodes.start()]);
    const progress = { source: 's', sourcePartition: '0', expected: null, next: '5' };
    const letter = {
      source: 'ems',
      coordinates: {},
      reason: { code: 'invalid-json' as const, message: 'no JSON' },
      message: Buffer.from('x'),
      headers: {},
    };
    const first = await submit(a, [put('k', 1, { idempotencyKey: 'i' })], { progress, deadLetters: { add: [letter] } });
    await reaches(b, a);
    assert.deepEqual(await b.progress('s'), { 0: '5' });
    assert.deepEqual(b.deadLetters.list({ limit: 5 }), a.deadLetters.list({ limit: 5 }));
    assert.deepEqual(await one(b, put('k', 1, { idempotencyKey: 'i' })), first.outcomes[0]);
    assert.equal(await code(submit(b, [put('k', 2)], { progress })), 'progress-mismatch');
    const [held] = b.deadLetters.list({ limit: 1 }).deadLetters;
    await submit(b, [], { deadLetters: { drop: [held?.id as string], add: [letter] } });
    await reaches(a, b);
    assert.deepEqual(a.deadLetters.counts(), b.deadLetters.counts());
    assert.deepEqual(a.deadLetters.list({ limit: 5 }), b.deadLetters.list({ limit: 5 }));
    assert.equal(a.deadLetters.counts().held, 1);
  });

  test('a new one has everything, and so has one that was away for longer than the stream goes back', async () => {
    const a = await world.nodes.start();
    await submit(a, [
      put('gone', 1),
      put('kept', 'x', { updated: { micros: 5, text: '1970-01-01T00:00:00.000005Z' } }),
    ]);
    await submit(a, [put('flat', { a: 5, b: '5' }, { as: 'hash' }), put('binary', 1)], {
      progress: { source: 's', sourcePartition: '0', expected: null, next: '5' },
    });
    const away = await world.nodes.start();
    await reaches(away, a);
    const directory = await world.nodes.stop(away);
    await submit(a, [{ op: 'remove', key: 'gone', updated: { micros: 10 } }, put('flat', { a: 6, b: '6' })]);
    await submit(
      a,
      Array.from({ length: 5000 }, (_, index) => put(`k.${index % 3000}`, index, { ttlMicros: 3.6e9 })),
    );
    await world.nodes.redis.command('XTRIM', 'latchkey:main:changes', 'MAXLEN', '1');
    const [fresh, back] = await Promise.all([world.nodes.start(), world.nodes.start({ directory })]);
    for (const log of [fresh, back]) {
      await reaches(log, a);
      assert.deepEqual(everyEntry(log), everyEntry(a));
      assert.deepEqual(await log.progress('s'), { 0: '5' });
      assert.equal(log.view.historyFloor(0), log.view.head(0));
      assert.equal(log.state().isReady, true);
    }
    assert.equal((await one(back, put('k.1', 'again'))).outcome, 'applied');
    await Promise.all([reaches(fresh, back), reaches(a, back)]);
    assert.deepEqual(everyEntry(fresh), everyEntry(a));
  });

  test('one that starts again goes on from where it was', async () => {
    const a = await world.nodes.start();
    await one(a, put('k', 1));
    const position = a.view.position();
    const directory = await world.nodes.stop(a);
    const b = await world.nodes.start();
    await one(b, put('k', 2));
    const again = await world.nodes.start({ directory });
    await reaches(again, b);
    assert.deepEqual([jsonOf(again, 'k'), again.view.epochs.holdsPosition(position)], [2, true]);
    assert.deepEqual(again.view.chain('k', 0, 10).length, 2);
  });

  test('say `timeout` of a write that fewer replicas have than log.wait asks for: it is written', async () => {
    const log = await world.nodes.start({
      settings: (defaults) => ({ ...defaults, log: { ...defaults.log, wait: 1 } }),
    });
    assert.equal(await code(submit(log, [put('k', 1)])), 'timeout');
    assert.deepEqual([jsonOf(log, 'k'), log.state().isReady], [1, false]);
    assert.match(log.state().reason ?? '', /0 of 1 replicas have it/);
  });

  test('go on after SCRIPT FLUSH and CLIENT KILL, and nothing is written twice', async () => {
    const [a, b] = await Promise.all([world.nodes.start(), world.nodes.start()]);
    let written = 0;
    for (let round = 0; round < 6; round += 1) {
      const writes = [a, b].map((log, node) =>
        submit(
          log,
          Array.from({ length: 20 }, (_, index) => put(`${node}.${round}.${index}`, round)),
        ),
      );
      await world.nodes.redis.command(
        ...(round % 2 === 0 ? ['SCRIPT', 'FLUSH'] : ['CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes']),
      );
      for (const { outcomes } of await Promise.all(writes)) {
        assert.ok(outcomes.every(({ outcome }) => outcome === 'applied'));
        written += outcomes.length;
      }
    }
    await Promise.all([reaches(a, b), reaches(b, a)]);
    assert.equal(a.view.counts().keys, written);
    assert.equal(a.view.scan(0, 0, { ...ALL, until: a.view.head(0) }).changes.length, written);
  });
});

describe('a Redis that lost everything', () => {
  const world = nodesForEach();
  const settings = (rebuild: boolean) => (defaults: Settings) => ({
    ...defaults,
    log: { ...defaults.log, rebuild, rebuildWaitMs: 600 },
  });

  const untilWritten = async (log: Log, key: string) => {
    for (;;) {
      const result = await code(submit(log, [put(key, 1)]));
      if (result === 'none') return;
      assert.ok(['not-ready', 'timeout'].includes(result), result);
      // As a client comes back; nothing tells when the Redis is found again.
      await sleep(20);
    }
  };

  test('begins anew, and nodes that knew more forget it', async () => {
    const [a, b] = await Promise.all([
      world.nodes.start({ settings: settings(false) }),
      world.nodes.start({ settings: settings(false) }),
    ]);
    await one(a, put('lost', 1));
    await reaches(b, a);
    const position = a.view.position();
    await world.nodes.redis.restart({ withData: false });
    await untilWritten(b, 'new');
    await shows(a, () => a.view.get('new') !== undefined);
    assert.deepEqual([a.view.get('lost'), b.view.get('lost')], [undefined, undefined]);
    assert.equal(a.view.epochs.holdsPosition(position), false);
  });

  test('is filled again from a node that knows it, where that is set: entries, tombstones, progress', async () => {
    const [a, b] = await Promise.all([
      world.nodes.start({ settings: settings(true) }),
      world.nodes.start({ settings: settings(true) }),
    ]);
    await submit(
      a,
      [put('string', 1, { updated: { micros: 7 } }), put('hash', { f: 1 }, { as: 'hash' }), put('gone', 1)],
      {
        progress: { source: 's', sourcePartition: '0', expected: null, next: '5' },
      },
    );
    await one(a, { op: 'remove', key: 'gone' });
    await submit(
      a,
      Array.from({ length: 1200 }, (_, index) => put(`k.${index}`, index)),
    );
    await reaches(b, a);
    const position = a.view.position();
    await world.nodes.redis.restart({ withData: false });
    await world.nodes.redis.command('SET', 'k.5', 'theirs');
    await untilWritten(b, 'new');
    await reaches(a, b);
    assert.equal(a.view.epochs.holdsPosition(position), true);
    assert.deepEqual(everyEntry(a), everyEntry(b));
    assert.deepEqual(
      [jsonOf(a, 'string'), a.view.get('string')?.updated.micros, a.view.get('k.5')?.value?.data],
      [1, 7, 'theirs'],
    );
    assert.equal(a.view.counts().keys, 1203);
    assert.deepEqual(await world.nodes.redis.command('HGETALL', 'hash'), { f: '1' });
    assert.equal(await world.nodes.redis.command('GET', 'k.5'), 'theirs');
    const fresh = await world.nodes.start({ settings: settings(true) });
    await reaches(fresh, a);
    assert.deepEqual(everyEntry(fresh), everyEntry(a));
    assert.deepEqual(await fresh.progress('s'), { 0: '5' });
  });

  test('or all since some moment: nodes that know more than it begin with what it has', async () => {
    const a = await world.nodes.start();
    await one(a, put('kept', 1));
    await world.nodes.redis.command('SAVE');
    const before = a.view.position();
    await one(a, put('lost', 1));
    const beyond = a.view.position();
    await world.nodes.redis.kill9();
    await world.nodes.redis.restart({ withData: true });
    await untilWritten(a, 'new');
    assert.deepEqual([jsonOf(a, 'kept'), a.view.get('lost'), jsonOf(a, 'new')], [1, undefined, 1]);
    assert.deepEqual([a.view.epochs.holdsPosition(before), a.view.epochs.holdsPosition(beyond)], [true, false]);
  });
});
