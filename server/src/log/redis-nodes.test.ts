import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { code, jsonOf, moment, one, put, submit } from '../../../test/conformance/log-tools.ts';
import type { Command } from '../commands/command.ts';
import type { Settings } from '../config/settings.ts';
import type { Log } from './log.ts';
import { everyEntry, Nodes, reaches, shows } from './redis-nodes.fixture.ts';

const merge = (key: string, patch: unknown): Command => ({ op: 'merge', key, patch: JSON.stringify(patch) });
const ALL = { changesMax: 1e6, bytesMax: 1e9, skipSuperseded: false, skipRemoves: false };

describe('nodes around one Redis', () => {
  let nodes: Nodes;

  beforeEach(async () => {
    nodes = await Nodes.around();
  });

  afterEach(async () => {
    await nodes.close();
    assert.deepEqual(nodes.faults, [], 'no fault was reported');
  });

  test('lose no update when they write the same keys, and have the same log in the end', async () => {
    const logs = await Promise.all([nodes.start(), nodes.start(), nodes.start()]);
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
    assert.equal(await nodes.redis.command('GET', 'counter'), String(3 * increments));
    const historyOf = (log: typeof first) =>
      log.view
        .scan(0, 0, { ...ALL, until: log.view.head(0) })
        .changes.map(({ key, offset, previous, value }) => [offset, key, previous, value]);
    for (const log of others) assert.deepEqual(historyOf(log), historyOf(first));
  });

  test('tell each other of progress, idempotency keys and dead letters', async () => {
    const [a, b] = await Promise.all([nodes.start(), nodes.start()]);
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
    const a = await nodes.start();
    await submit(a, [
      put('gone', 1),
      put('kept', 'x', { updated: { micros: 5, text: '1970-01-01T00:00:00.000005Z' } }),
    ]);
    await submit(a, [put('flat', { a: 5, b: '5' }, { as: 'hash' }), put('binary', 1)], {
      progress: { source: 's', sourcePartition: '0', expected: null, next: '5' },
    });
    const away = await nodes.start();
    await reaches(away, a);
    const directory = await nodes.stop(away);
    await submit(a, [{ op: 'remove', key: 'gone', updated: { micros: 10 } }, put('flat', { a: 6, b: '6' })]);
    await submit(
      a,
      Array.from({ length: 5000 }, (_, index) => put(`k.${index % 3000}`, index, { ttlMicros: 3.6e9 })),
    );
    await nodes.redis.command('XTRIM', 'latchkey:main:changes', 'MAXLEN', '1');
    const [fresh, back] = await Promise.all([nodes.start(), nodes.start({ directory })]);
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
    const a = await nodes.start();
    await one(a, put('k', 1));
    const position = a.view.position();
    const directory = await nodes.stop(a);
    const b = await nodes.start();
    await one(b, put('k', 2));
    const again = await nodes.start({ directory });
    await reaches(again, b);
    assert.deepEqual([jsonOf(again, 'k'), again.view.epochs.holdsPosition(position)], [2, true]);
    assert.deepEqual(again.view.chain('k', 0, 10).length, 2);
  });

  test('go on after SCRIPT FLUSH and CLIENT KILL, and nothing is written twice', async () => {
    const [a, b] = await Promise.all([nodes.start(), nodes.start()]);
    let written = 0;
    for (let round = 0; round < 6; round += 1) {
      const writes = [a, b].map((log, node) =>
        submit(
          log,
          Array.from({ length: 20 }, (_, index) => put(`${node}.${round}.${index}`, round)),
        ),
      );
      await nodes.redis.command(
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

describe('keys that others have at the same Redis', () => {
  let nodes: Nodes;

  beforeEach(async () => {
    nodes = await Nodes.around();
  });

  afterEach(async () => {
    await nodes.close();
    assert.deepEqual(nodes.faults, [], 'no fault was reported');
  });

  test('are taken in before they are first decided: no field is lost', async () => {
    const { redis } = nodes;
    await redis.command('HSET', 'battery:1:data', 'soc', '81', 'name', 'north');
    await redis.command('SET', 'sensor', '{"temp":21.5,"unit":"C"}');
    await redis.command('SET', 'plain', 'text', 'EX', '100');
    const log = await nodes.start();
    assert.equal((await one(log, merge('battery:1:data', { soc: '82' }))).outcome, 'applied');
    assert.deepEqual(await redis.command('HMGET', 'battery:1:data', 'soc', 'name'), ['82', 'north']);
    assert.equal(log.view.get('battery:1:data')?.as, 'hash');
    await one(log, merge('sensor', { temp: 22 }));
    assert.equal(await redis.command('GET', 'sensor'), '{"temp":22,"unit":"C"}');
    assert.equal((await one(log, put('plain', 'new', { ifAbsent: true }))).outcome, 'conflict');
    assert.ok((log.view.get('plain')?.expires ?? 0) > log.view.nowMicros());
    assert.equal((await one(log, { op: 'remove', key: 'plain' })).outcome, 'applied');
    assert.equal(await redis.command('EXISTS', 'plain'), 0);
  });

  test('make no message late that was sent before they were met', async () => {
    const { redis } = nodes;
    await redis.command('MSET', 'weather', '{"temp":1}', 'kept', '{"temp":1}');
    await redis.command('HSET', 'battery:1:data', 'name', 'north');
    const log = await nodes.start();
    const at = (second: number) => ({ updated: moment(Date.UTC(2026, 0, 1, 0, 0, second) * 1000) });
    const { outcomes } = await submit(log, [
      put('weather', { temp: 2 }, at(2)),
      // What is newer than that is decided as ever.
      put('weather', { temp: 0 }, at(1)),
      { ...merge('battery:1:data', { soc: '82' }), ...at(2) },
    ]);
    assert.deepEqual(
      outcomes.map(({ outcome }) => outcome),
      ['applied', 'late', 'applied'],
    );
    assert.equal(await redis.command('GET', 'weather'), '{"temp":2}');
    assert.deepEqual(await redis.command('HMGET', 'battery:1:data', 'name', 'soc'), ['north', '82']);
    // Over what others wrote or removed since, too; but not where the log itself had something newer.
    await redis.command('SET', 'weather', '{"temp":3}');
    assert.equal((await one(log, put('weather', { temp: 0 }, at(1)))).outcome, 'late');
    assert.equal(await redis.command('GET', 'weather'), '{"temp":3}');
    await redis.command('DEL', 'battery:1:data');
    assert.equal((await one(log, { ...merge('battery:1:data', { soc: '83' }), ...at(3) })).outcome, 'applied');
    assert.deepEqual(jsonOf(log, 'battery:1:data'), { soc: '83' });
  });

  test('are looked at before a command comes to nothing because the log never had the key', async () => {
    const log = await nodes.start();
    await nodes.redis.command('MSET', 'a', 'x', 'b', 'x', 'c', 'x');
    const { outcomes } = await submit(log, [
      { op: 'remove', key: 'a' },
      { op: 'expire', key: 'b', ttlMicros: 60_000_000 },
      put('c', 1, { ifPresent: true }),
      put('nothing', 1, { ifPresent: true }),
    ]);
    assert.deepEqual(
      outcomes.map(({ outcome }) => outcome),
      ['applied', 'applied', 'applied', 'conflict'],
    );
    assert.deepEqual(await nodes.redis.command('MGET', 'a', 'b', 'c'), [null, 'x', '1']);
    assert.ok(Number(await nodes.redis.command('PTTL', 'b')) > 0);
  });

  test('keep fields that another client wrote between two merges', async () => {
    const log = await nodes.start();
    await one(log, put('h', { a: 1 }, { as: 'hash' }));
    await nodes.redis.command('HSET', 'h', 'theirs', 'x');
    await one(log, merge('h', { b: 2 }));
    assert.deepEqual(await nodes.redis.command('HMGET', 'h', 'a', 'b', 'theirs'), ['1', '2', 'x']);
    await nodes.redis.command('DEL', 'h');
    await one(log, merge('h', { c: 3 }));
    // What was deleted there is gone, also what the log knew of it.
    assert.equal(await nodes.redis.command('GET', 'h'), '{"c":3}');
    assert.deepEqual(jsonOf(log, 'h'), { c: 3 });
  });

  test('are observed as they are, not as they were when a source read them, and not written back', async () => {
    const log = await nodes.start();
    await one(log, put('k', 1));
    await nodes.redis.command('SET', 'k', 'theirs');
    const old = { kind: 'text', data: 'old', contentType: 'text/plain' } as const;
    await one(log, { op: 'observe', key: 'k', found: old, isAtHome: true });
    assert.equal(log.view.get('k')?.value?.data, 'theirs');
    assert.equal(await nodes.redis.command('GET', 'k'), 'theirs');
    await nodes.redis.command('DEL', 'k');
    await one(log, { op: 'observe', key: 'k', found: undefined, isAtHome: true });
    assert.equal(log.view.get('k')?.op, 'remove');
    const head = log.view.head(0);
    assert.equal((await one(log, { op: 'observe', key: 'k', found: undefined, isAtHome: true })).outcome, 'duplicate');
    assert.equal(log.view.head(0), head);
  });

  test('of another type are left alone: their commands are refused, and the others flow', async () => {
    await nodes.redis.command('LPUSH', 'list', 'x');
    const log = await nodes.start();
    const { outcomes } = await submit(log, [put('a', 1), put('list', 1), put('b', 1)]);
    assert.deepEqual(
      outcomes.map((outcome) => (outcome.outcome === 'refused' ? outcome.code : outcome.outcome)),
      ['applied', 'wrong-type', 'applied'],
    );
    await one(log, put('was', 1, { ttlMicros: 1_000_000 }));
    await nodes.redis.command('DEL', 'was');
    await nodes.redis.command('SADD', 'was', 'member');
    const later = await one(log, merge('was', { a: 1 }));
    assert.equal(later.outcome === 'refused' && later.code, 'wrong-type');
    await shows(log, () => log.view.get('was')?.op === 'remove');
    assert.deepEqual(await nodes.redis.command('SMEMBERS', 'was'), ['member']);
    assert.equal(await nodes.redis.command('LLEN', 'list'), 1);
  });

  test('that are the log’s own are refused', async () => {
    const log = await nodes.start();
    const outcome = await one(log, put('latchkey:main:head', 1));
    assert.equal(outcome.outcome === 'refused' && outcome.code, 'key-invalid');
  });

  test('that changed unseen are taken in before a node is ready that fills its view', async () => {
    const a = await nodes.start();
    await submit(a, [put('same', 1), put('changed', 1), put('gone', 1), put('flat', { a: 1 }, { as: 'hash' })]);
    await nodes.redis.command('SET', 'changed', 'theirs');
    await nodes.redis.command('DEL', 'gone');
    await nodes.redis.command('HSET', 'flat', 'b', '2');
    await nodes.redis.command('XTRIM', 'latchkey:main:changes', 'MAXLEN', '0');
    const b = await nodes.start();
    assert.equal(b.state().isReady, true);
    assert.deepEqual(
      [b.view.get('changed')?.value?.data, b.view.get('gone')?.op, jsonOf(b, 'flat')],
      ['theirs', 'remove', { a: '1', b: '2' }],
    );
    await reaches(a, b);
    const plain = (log: typeof a) =>
      everyEntry(log).map(({ key, op, offset, value }) => [key, op, offset, value?.data]);
    assert.deepEqual(plain(a), plain(b));
  });
});

describe('a Redis that lost everything', () => {
  let nodes: Nodes;
  const settings = (rebuild: boolean) => (defaults: Settings) => ({
    ...defaults,
    log: { ...defaults.log, rebuild, rebuildWaitMs: 600 },
  });

  beforeEach(async () => {
    nodes = await Nodes.around();
  });

  afterEach(async () => {
    await nodes.close();
    assert.deepEqual(nodes.faults, [], 'no fault was reported');
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
      nodes.start({ settings: settings(false) }),
      nodes.start({ settings: settings(false) }),
    ]);
    await one(a, put('lost', 1));
    await reaches(b, a);
    const position = a.view.position();
    await nodes.redis.restart({ withData: false });
    await untilWritten(b, 'new');
    await shows(a, () => a.view.get('new') !== undefined);
    assert.deepEqual([a.view.get('lost'), b.view.get('lost')], [undefined, undefined]);
    assert.equal(a.view.epochs.holdsPosition(position), false);
  });

  test('is filled again from a node that knows it, where that is set: entries, tombstones, progress', async () => {
    const [a, b] = await Promise.all([
      nodes.start({ settings: settings(true) }),
      nodes.start({ settings: settings(true) }),
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
    await nodes.redis.restart({ withData: false });
    await nodes.redis.command('SET', 'k.5', 'theirs');
    await untilWritten(b, 'new');
    await reaches(a, b);
    assert.equal(a.view.epochs.holdsPosition(position), true);
    assert.deepEqual(everyEntry(a), everyEntry(b));
    assert.deepEqual(
      [jsonOf(a, 'string'), a.view.get('string')?.updated.micros, a.view.get('k.5')?.value?.data],
      [1, 7, 'theirs'],
    );
    assert.equal(a.view.counts().keys, 1203);
    assert.deepEqual(await nodes.redis.command('HGETALL', 'hash'), { f: '1' });
    assert.equal(await nodes.redis.command('GET', 'k.5'), 'theirs');
    const fresh = await nodes.start({ settings: settings(true) });
    await reaches(fresh, a);
    assert.deepEqual(everyEntry(fresh), everyEntry(a));
    assert.deepEqual(await fresh.progress('s'), { 0: '5' });
  });

  test('or all since some moment: nodes that know more than it begin with what it has', async () => {
    const a = await nodes.start();
    await one(a, put('kept', 1));
    await nodes.redis.command('SAVE');
    const before = a.view.position();
    await one(a, put('lost', 1));
    const beyond = a.view.position();
    await nodes.redis.kill9();
    await nodes.redis.restart({ withData: true });
    await untilWritten(a, 'new');
    assert.deepEqual([jsonOf(a, 'kept'), a.view.get('lost'), jsonOf(a, 'new')], [1, undefined, 1]);
    assert.deepEqual([a.view.epochs.holdsPosition(before), a.view.epochs.holdsPosition(beyond)], [true, false]);
  });
});

describe('a view that can’t take what is in the log', () => {
  test('costs no answer: the node is not ready, sends its watchers away, and catches up when it can', async () => {
    const nodes = await Nodes.around();
    let isFull = false;
    const beforeCommit = () => {
      if (isFull) throw new Error('no space left on device');
    };
    const a = await nodes.start({ failpoints: { beforeCommit } });
    let unfit = 0;
    a.onUnfit(() => {
      unfit += 1;
    });
    await one(a, put('k', 1));
    isFull = true;
    assert.equal((await one(a, put('k', 2))).outcome, 'applied');
    assert.deepEqual([a.state().isReady, unfit, jsonOf(a, 'k')], [false, 1, 1]);
    assert.equal(await nodes.redis.command('GET', 'k'), '2');
    assert.equal(await code(submit(a, [put('k', 3)])), 'storage-full');
    const b = await nodes.start();
    await one(b, put('other', 1));
    isFull = false;
    await shows(a, () => a.view.get('other') !== undefined);
    assert.equal(jsonOf(a, 'k'), 2);
    assert.equal(
      (await one(a, put('k', 4, { ifVersion: a.view.epochs.version(a.view.get('k') ?? { partition: 0, offset: 0 }) })))
        .outcome,
      'applied',
    );
    assert.equal(a.state().isReady, true);
    isFull = true;
    assert.equal((await one(a, put('k', 5))).outcome, 'applied');
    const directory = await nodes.stop(a);
    const again = await nodes.start({ directory });
    assert.equal(jsonOf(again, 'k'), 5);
    await nodes.close();
    assert.equal(nodes.faults.length, 2);
  });
});
