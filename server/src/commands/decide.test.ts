import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { KeyCommand, Outcome, WriteOptions } from './command.ts';
import { at, EPOCH, expire, merge, put, ReferenceLog, remove, SECOND, START } from './reference-log.fixture.ts';

/** The outcome, and what the key holds after it. */
function gives(log: ReferenceLog, command: KeyCommand, outcome: Outcome['outcome'], value?: string): Outcome {
  const told = log.submit(command);
  assert.equal(told.outcome, outcome, JSON.stringify(told));
  if (value !== undefined) assert.equal(log.value(command.key), value);
  return told;
}

const version = (offset: number) => ({ epoch: EPOCH, partition: 0, offset });

describe('lateness', () => {
  test('a put older than the entry is late, is told the version that beat it, and changes nothing', () => {
    const log = new ReferenceLog();
    gives(log, put('a', '2', { updated: at(2) }), 'applied');
    assert.deepEqual(gives(log, put('a', '1', { updated: at(1) }), 'late', '2'), {
      outcome: 'late',
      version: version(1),
    });
    gives(log, merge('a', '{"x":1}', { updated: at(1) }), 'late', '2');
    gives(log, remove('a', { updated: at(1) }), 'late', '2');
    assert.equal(log.changes.length, 1);
  });

  test('equal timestamps: the same bytes are a duplicate, other bytes win by arrival', () => {
    const log = new ReferenceLog();
    gives(log, put('a', '1', { updated: at(1) }), 'applied');
    assert.deepEqual(log.submit(put('a', '1', { updated: at(1) })), { outcome: 'duplicate', version: version(1) });
    gives(log, put('a', '1.0', { updated: at(1) }), 'applied', '1.0');
    gives(log, put('a', '1', { updated: at(1) }), 'applied', '1');
    gives(log, remove('a', { updated: at(1) }), 'applied');
    gives(log, put('a', '3', { updated: at(1) }), 'applied', '3');
  });

  test('equal moments in different words are equal timestamps', () => {
    const log = new ReferenceLog();
    gives(log, put('a', '1', { updated: { micros: START, text: 'one way' } }), 'applied');
    gives(log, put('a', '1', { updated: { micros: START, text: 'another' } }), 'duplicate');
    assert.equal(log.entry('a').updated.text, 'one way');
  });

  test('the same bytes of another content type are another value', () => {
    const log = new ReferenceLog();
    const text: KeyCommand = {
      op: 'put',
      key: 'a',
      updated: at(1),
      value: { kind: 'text', data: '1', contentType: 'text/plain' },
    };
    gives(log, put('a', '1', { updated: at(1) }), 'applied');
    gives(log, text, 'applied');
    gives(log, text, 'duplicate');
  });

  test('commands without a time are never late and never a duplicate', () => {
    const log = new ReferenceLog();
    gives(log, put('a', '1', { updated: at(600) }), 'applied');
    gives(log, put('a', '1'), 'applied');
    gives(log, put('a', '1'), 'applied');
    assert.equal(log.entry('a').updated.micros, at(600).micros, 'never older than what it replaces');
    log.now += 700 * SECOND;
    gives(log, put('a', '1'), 'applied');
    assert.deepEqual(log.entry('a').updated, { micros: log.now });
  });

  test('a clock that jumps back makes nothing late', () => {
    const log = new ReferenceLog();
    gives(log, put('a', '1'), 'applied', '1');
    log.now -= 86_400 * SECOND;
    gives(log, put('a', '2'), 'applied', '2');
    gives(log, merge('a', '{"x":1}'), 'applied', '{"x":1}');
    gives(log, remove('a'), 'applied');
    gives(log, put('a', '3'), 'applied', '3');
    assert.equal(log.entry('a').updated.micros, START);
    assert.deepEqual(log.tick(), []);
  });

  test('a time too far ahead is refused, with both times named', () => {
    const log = new ReferenceLog();
    for (const command of [
      put('a', '1', { updated: at(3601) }),
      merge('a', '{}', { updated: at(3601), acceptLate: true }),
      remove('a', { updated: at(3601) }),
    ]) {
      const told = gives(log, command, 'refused');
      assert.ok(told.outcome === 'refused' && told.code === 'updated-in-future' && told.field === 'updated');
      assert.match(told.message, /2023-11-14T23:13:21Z.*2023-11-14T22:13:20Z.*maxFutureSkew/);
    }
    gives(log, put('a', '1', { updated: at(3600) }), 'applied', '1');
  });

  test('a source that accepts late commands gets arrival order', () => {
    const log = new ReferenceLog();
    gives(log, put('a', '2', { updated: at(2) }), 'applied');
    gives(log, put('a', '1', { updated: at(1), acceptLate: true }), 'applied', '1');
    assert.equal(log.entry('a').updated.micros, at(1).micros);
    gives(log, put('a', '1', { updated: at(1), acceptLate: true }), 'duplicate');
    gives(log, remove('a', { updated: at(0), acceptLate: true }), 'applied');
  });

  test('a source that records equal results gets a change for each message', () => {
    const log = new ReferenceLog();
    const options: WriteOptions = { updated: at(1), recordEqual: true };
    gives(log, put('a', '{"x":1}', options), 'applied');
    gives(log, put('a', '{"x":1}', options), 'applied');
    gives(log, merge('a', '{"x":1}', options), 'applied');
    assert.equal(log.changes.length, 3);
  });
});

describe('tombstones', () => {
  test('a remove with a time protects an absent key from what comes late', () => {
    const log = new ReferenceLog();
    gives(log, remove('a', { updated: at(2) }), 'applied');
    gives(log, put('a', '1', { updated: at(1) }), 'late');
    gives(log, merge('a', '{}', { updated: at(1) }), 'late');
    gives(log, remove('a', { updated: at(1) }), 'late');
    gives(log, remove('a', { updated: at(2) }), 'duplicate');
    gives(log, put('a', '3', { updated: at(3) }), 'applied', '3');
  });

  test('a later remove raises the tombstone', () => {
    const log = new ReferenceLog();
    gives(log, remove('a', { updated: at(1) }), 'applied');
    gives(log, remove('a', { updated: at(3) }), 'applied');
    gives(log, put('a', '2', { updated: at(2) }), 'late');
    gives(log, remove('a', { updated: at(2), acceptLate: true }), 'duplicate');
    assert.equal(log.entry('a').updated.micros, at(3).micros, 'nothing lowers it');
  });

  test('a remove without a time removes a live key, and finds a duplicate where there is none', () => {
    const log = new ReferenceLog();
    assert.deepEqual(log.submit(remove('a')), { outcome: 'duplicate' });
    gives(log, put('a', '1', { updated: at(5) }), 'applied');
    gives(log, remove('a'), 'applied');
    const { op, reason, updated, value } = log.entry('a');
    assert.deepEqual(
      { op, reason, updated, value },
      { op: 'remove', reason: 'deleted', updated: { micros: at(5).micros }, value: undefined },
    );
    assert.deepEqual(log.submit(remove('a')), { outcome: 'duplicate', version: version(2) });
    gives(log, put('a', '1', { updated: at(4) }), 'late');
  });
});

describe('expiry', () => {
  test('a key past its expiry is first removed for it, and the tombstone keeps its time', () => {
    const log = new ReferenceLog();
    gives(log, put('a', '1', { updated: at(0), ttlMicros: 10 * SECOND }), 'applied');
    log.now += 10 * SECOND;
    gives(log, put('a', '2', { updated: at(1) }), 'applied', '2');
    assert.deepEqual(
      log.changes.map(({ op, offset, previous, reason, updated }) => ({
        op,
        offset,
        previous,
        reason,
        micros: updated.micros,
      })),
      [
        { op: 'put', offset: 1, previous: 0, reason: undefined, micros: at(0).micros },
        { op: 'remove', offset: 2, previous: 1, reason: 'expired', micros: at(0).micros },
        { op: 'put', offset: 3, previous: 2, reason: undefined, micros: at(1).micros },
      ],
    );
  });

  test('what has expired does not come back by its own repeat, nor by what came before it', () => {
    const log = new ReferenceLog();
    gives(log, put('a', '1', { updated: at(1), ttlMicros: SECOND }), 'applied');
    log.now += 5 * SECOND;
    assert.deepEqual(log.submit(put('a', '1', { updated: at(1), ttlMicros: SECOND })), {
      outcome: 'duplicate',
      version: version(2),
    });
    gives(log, put('a', '5', { updated: at(1) }), 'duplicate');
    gives(log, merge('a', '{"x":1}', { updated: at(1) }), 'duplicate');
    gives(log, remove('a', { updated: at(1) }), 'duplicate');
    gives(log, put('a', '0', { updated: at(0) }), 'late');
    assert.equal(log.entry('a').reason, 'expired');
    gives(log, put('a', '2', { updated: at(2) }), 'applied', '2');
  });

  test('a put clears the expiry unless it says otherwise, a merge keeps it', () => {
    const log = new ReferenceLog();
    const expires = () => log.entry('a').expires;
    log.submit(put('a', '{}', { ttlMicros: 9 * SECOND }));
    assert.equal(expires(), START + 9 * SECOND);
    log.submit(merge('a', '{"x":1}'));
    assert.equal(expires(), START + 9 * SECOND);
    log.submit(put('a', '{}', { keepExpiry: true }));
    assert.equal(expires(), START + 9 * SECOND);
    log.submit(merge('a', '{"x":1}', { ttlMicros: 0.5 * SECOND }));
    assert.equal(expires(), START + 0.5 * SECOND);
    log.submit(put('a', '{}'));
    assert.equal(expires(), undefined);
  });

  test('a put with a ttl renews it, and so does a merge that changes nothing else', () => {
    const log = new ReferenceLog();
    gives(log, put('a', '{"x":1}', { ttlMicros: SECOND }), 'applied');
    log.now += SECOND / 2;
    gives(log, put('a', '{"x":1}', { ttlMicros: SECOND }), 'applied');
    assert.equal(log.entry('a').expires, log.now + SECOND);
    log.now += SECOND / 2;
    gives(log, merge('a', '{"x":1}', { ttlMicros: SECOND }), 'applied');
    assert.equal(log.entry('a').expires, log.now + SECOND);
  });

  test('an expiry kept from a key that has expired is none', () => {
    const log = new ReferenceLog();
    log.submit(put('a', '1', { ttlMicros: SECOND }));
    log.now += SECOND;
    gives(log, put('a', '2', { keepExpiry: true }), 'applied', '2');
    assert.equal(log.entry('a').expires, undefined);
  });

  test('expire sets, moves and clears an expiry, keeps the time of the value, and needs an entry', () => {
    const log = new ReferenceLog();
    assert.deepEqual(log.submit(expire('a', 1)), { outcome: 'conflict', entry: undefined });
    log.submit(put('a', '1', { updated: at(-5), valid: at(50) }));
    gives(log, expire('a', 1), 'applied', '1');
    gives(log, expire('a', 1), 'duplicate');
    gives(log, expire('a', null), 'applied', '1');
    gives(log, expire('a', null), 'duplicate');
    gives(log, expire('a', 1), 'applied', '1');
    const { updated, valid } = log.entry('a');
    assert.deepEqual({ updated, valid }, { updated: at(-5), valid: at(50) });
    gives(log, put('a', '2', { updated: at(-4), ttlMicros: SECOND }), 'applied', '2');
    log.now += SECOND;
    assert.deepEqual(log.submit(expire('a', 1)), { outcome: 'conflict', entry: undefined });
    assert.equal(log.entry('a').reason, 'expired');
  });

  test('a ttl beyond what a number can count ends at what it can', () => {
    const log = new ReferenceLog();
    log.submit(put('a', '1', { ttlMicros: Number.MAX_VALUE }));
    assert.equal(log.entry('a').expires, Number.MAX_SAFE_INTEGER);
    log.submit(put('a', '1', { ttlMicros: 0.1 }));
    assert.equal(log.entry('a').expires, START + 1);
  });
});

describe('due changes', () => {
  test('past its freshness an entry becomes stale once, whole, and is still served', () => {
    const log = new ReferenceLog();
    log.submit(put('a', '1', { updated: at(0), valid: at(10), ttlMicros: 20 * SECOND }));
    assert.deepEqual(log.tick(), []);
    log.now += 10 * SECOND;
    const before = log.entry('a');
    const [stale, ...more] = log.tick();
    assert.deepEqual(more, []);
    assert.deepEqual(stale, { ...before, op: 'stale', offset: 2, previous: 1, valueOffset: 1, decided: log.now });
    assert.equal(log.value('a'), '1');
    assert.deepEqual(log.tick(), []);
    log.now += 10 * SECOND;
    assert.deepEqual(
      log.tick().map(({ op, reason }) => ({ op, reason })),
      [{ op: 'remove', reason: 'expired' }],
    );
  });

  test('an entry past both its freshness and its expiry is only expired', () => {
    const log = new ReferenceLog();
    log.submit(put('a', '1', { valid: at(1), ttlMicros: 2 * SECOND }));
    log.now += 5 * SECOND;
    assert.deepEqual(
      log.tick().map(({ op }) => op),
      ['remove'],
    );
  });

  test('a put clears freshness unless it brings its own, a merge keeps it', () => {
    const log = new ReferenceLog();
    log.submit(put('a', '{}', { valid: at(1) }));
    log.submit(merge('a', '{"x":1}'));
    assert.deepEqual(log.entry('a').valid, at(1));
    log.submit(merge('a', '{"x":1}', { valid: at(2) }));
    assert.deepEqual(log.entry('a').valid, at(2));
    log.submit(put('a', '{}'));
    assert.equal(log.entry('a').valid, undefined);
  });

  test('a put that is stale from the start is told so after it', () => {
    const log = new ReferenceLog();
    log.submit(put('a', '1', { updated: at(-9), valid: at(-1) }));
    assert.deepEqual(
      log.tick().map(({ op }) => op),
      ['stale'],
    );
  });

  test('another expiry leaves a stale entry stale', () => {
    const log = new ReferenceLog();
    log.submit(put('a', '1', { valid: at(0) }));
    log.tick();
    gives(log, expire('a', 60), 'applied');
    assert.equal(log.entry('a').op, 'stale');
    assert.equal(log.entry('a').valueOffset, 1);
    assert.deepEqual(log.tick(), []);
  });
});
