import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Payload } from '../shared/change.ts';
import type { ExpireCommand, KeyCommand, Outcome } from './command.ts';
import { at, EPOCH, expire, merge, put, ReferenceLog, remove, SECOND, START } from './reference-log.fixture.ts';

const told = (log: ReferenceLog, ...commands: readonly KeyCommand[]): Outcome['outcome'] =>
  log.submit(...commands).outcome;
const version = (offset: number, epoch = EPOCH, partition = 0) => ({ epoch, partition, offset });

describe('conditions', () => {
  test('ifVersion holds until the value changes, and the conflict shows the entry', () => {
    const log = new ReferenceLog();
    log.submit(put('a', '1'));
    assert.equal(told(log, put('a', '2', { ifVersion: version(1) })), 'applied');
    const conflict = log.submit(put('a', '3', { ifVersion: version(1) }));
    assert.deepEqual(conflict, { outcome: 'conflict', entry: log.entry('a') });
    assert.equal(told(log, merge('a', '{"x":1}', { ifVersion: version(1) })), 'conflict');
    assert.equal(told(log, remove('a', { ifVersion: version(1) })), 'conflict');
    assert.equal(told(log, remove('a', { ifVersion: version(2) })), 'applied');
  });

  test('ifVersion still holds after the entry became stale, but not after it expired', () => {
    const log = new ReferenceLog();
    log.submit(put('a', '1', { valid: at(1) }));
    log.submit(put('b', '1', { ttlMicros: SECOND }));
    log.now += SECOND;
    assert.equal(told(log, put('b', '2', { ifVersion: version(2) })), 'conflict');
    log.tick();
    assert.equal(log.entry('a').op, 'stale');
    assert.equal(told(log, put('a', '2', { ifVersion: version(1) })), 'applied');
  });

  test('a version of an unknown epoch, of another partition, or that nobody gave is a conflict', () => {
    const log = new ReferenceLog();
    log.submit(put('a', '1'));
    for (const wrong of [version(1, 'gone'), version(1, EPOCH, 1), version(9)]) {
      assert.equal(told(log, put('a', '2', { ifVersion: wrong })), 'conflict', JSON.stringify(wrong));
    }
    assert.equal(told(log, put('none', '2', { ifVersion: version(1) })), 'conflict');
    assert.equal(told(log, remove('none', { ifVersion: version(1) })), 'conflict');
  });

  test('ifAbsent and ifPresent look at what a reader is served', () => {
    const log = new ReferenceLog();
    assert.deepEqual(log.submit(put('a', '1', { ifPresent: true })), { outcome: 'conflict', entry: undefined });
    assert.equal(told(log, put('a', '1', { ifAbsent: true, ttlMicros: SECOND })), 'applied');
    assert.deepEqual(log.submit(put('a', '2', { ifAbsent: true })), { outcome: 'conflict', entry: log.entry('a') });
    assert.equal(told(log, put('a', '2', { ifPresent: true, keepExpiry: true })), 'applied');
    log.now += SECOND;
    assert.equal(told(log, put('a', '3', { ifPresent: true })), 'conflict');
    assert.equal(log.entry('a').reason, 'expired', 'what a conflict found out stays true');
    assert.equal(told(log, merge('a', '{}', { ifAbsent: true })), 'applied');
    log.submit(remove('a'));
    assert.equal(told(log, put('a', '4', { ifAbsent: true })), 'applied');
  });

  test('an expiry moves only from and to where it may, and an entry whose time has passed by then is removed', () => {
    const log = new ReferenceLog();
    const move = (seconds: number, conditions: Partial<ExpireCommand>) =>
      told(log, { op: 'expire', key: 'a', ttlMicros: seconds * SECOND, ...conditions });
    assert.equal(move(10, { ifTimed: false }), 'conflict');
    log.submit(put('a', '1'));
    assert.equal(move(10, { ifTimed: true }), 'conflict');
    assert.equal(move(10, { ifMoves: 'later' }), 'conflict', 'none so far is later than any');
    assert.equal(move(10, { ifTimed: false }), 'applied');
    assert.equal(move(20, { ifTimed: false }), 'conflict');
    assert.equal(move(5, { ifMoves: 'later' }), 'conflict');
    assert.equal(move(10, { ifMoves: 'later' }), 'conflict', 'the same is no move');
    assert.equal(move(20, { ifMoves: 'later', ifTimed: true }), 'applied');
    assert.equal(move(30, { ifMoves: 'earlier' }), 'conflict');
    assert.equal(log.entry('a').expires, log.now + 20 * SECOND);
    assert.equal(move(0, { ifMoves: 'later' }), 'conflict');
    assert.equal(move(-1, { ifMoves: 'earlier' }), 'applied');
    assert.equal(log.entry('a').reason, 'deleted');
  });

  test('a moment of expiry is kept as it is, whenever it is decided on', () => {
    const log = new ReferenceLog();
    const expires = START + 7 * SECOND + 1;
    log.now += SECOND;
    log.submit({ op: 'put', key: 'a', value: { kind: 'json', data: '1' }, expires });
    assert.equal(log.entry('a').expires, expires);
    log.submit({ op: 'expire', key: 'a', ttlMicros: null, expires: expires + 1 });
    assert.equal(log.entry('a').expires, expires + 1);
    log.submit({ op: 'put', key: 'a', value: { kind: 'json', data: '2' }, expires: START });
    assert.equal(log.entry('a').expires, log.now + 1, 'one that has passed is as good as now');
    log.now += 1;
    assert.equal(told(log, put('a', '3', { ifPresent: true })), 'conflict');
  });

  test('a member that must not be there yet is a conflict where it is, whatever its value', () => {
    const log = new ReferenceLog();
    const add = (name: string) =>
      log.submit({ op: 'merge', key: 'a', patch: `{"${name}":"new"}`, ifFlat: true, ifNoMember: name });
    assert.equal(add('x').outcome, 'applied');
    assert.deepEqual(add('x'), { outcome: 'conflict', entry: log.entry('a') });
    assert.equal(add('y').outcome, 'applied');
    log.submit(put('a', '{"x":null}'));
    assert.equal(add('x').outcome, 'conflict');
    log.submit(remove('a'));
    assert.equal(add('x').outcome, 'applied');
  });

  test('conditions are looked at after lateness, so a repeat stays a duplicate', () => {
    const log = new ReferenceLog();
    const first = put('a', '1', { updated: at(2), ifAbsent: true });
    assert.equal(told(log, first), 'applied');
    assert.equal(told(log, first), 'duplicate');
    assert.equal(told(log, put('a', '0', { updated: at(1), ifAbsent: true })), 'late');
    assert.equal(told(log, put('a', '2', { updated: at(3), ifAbsent: true })), 'conflict');
  });

  test('returnPrevious answers with what a reader was served before', () => {
    const log = new ReferenceLog();
    const give = { returnPrevious: true };
    assert.deepEqual(log.submit(put('a', '1', give)), { outcome: 'applied', version: version(1), previous: null });
    const first = log.entry('a');
    assert.deepEqual(log.submit(put('a', '2', give)), { outcome: 'applied', version: version(2), previous: first });
    const second = log.entry('a');
    assert.deepEqual(log.submit(remove('a', give)), { outcome: 'applied', version: version(3), previous: second });
    assert.deepEqual(log.submit(remove('a', give)), { outcome: 'duplicate', version: version(3), previous: null });
    log.submit(put('a', '3', { ttlMicros: SECOND }));
    log.now += SECOND;
    assert.deepEqual(log.submit(put('a', '4', give)), { outcome: 'applied', version: version(6), previous: null });
  });
});

describe('merges', () => {
  test('a merge works on the JSON value, and on {} where there is none', () => {
    const log = new ReferenceLog();
    assert.equal(told(log, merge('a', '{"x":1.0,"y":null}')), 'applied');
    assert.equal(log.value('a'), '{"x":1.0}');
    assert.equal(told(log, merge('a', '{"y":12345678901234567890}')), 'applied');
    assert.equal(log.value('a'), '{"x":1.0,"y":12345678901234567890}');
    log.submit(put('a', '[1]'));
    log.submit(merge('a', '{"x":1}'));
    assert.equal(log.value('a'), '{"x":1}');
    log.submit({ op: 'put', key: 'a', value: { kind: 'text', data: '{"t":1}', contentType: 'text/plain' } });
    log.submit(merge('a', '{"x":2}'));
    assert.deepEqual(log.entry('a').value, { kind: 'json', data: '{"x":2}' });
    log.submit(remove('a'), merge('a', '{"z":1}'));
    assert.equal(log.value('a'), '{"z":1}');
  });

  test('a merge keeps the content type of JSON', () => {
    const log = new ReferenceLog();
    const contentType = 'application/geo+json';
    log.submit({ op: 'put', key: 'a', value: { kind: 'json', data: '{}', contentType } }, merge('a', '{"x":1}'));
    assert.deepEqual(log.entry('a').value, { kind: 'json', data: '{"x":1}', contentType });
  });

  test('an equal result is a duplicate, with a time no later than the entry', () => {
    const log = new ReferenceLog();
    log.submit(put('a', '{ "x": 1, "y": 2 }', { updated: at(1) }));
    assert.deepEqual(log.submit(merge('a', '{"x":1}')), { outcome: 'duplicate', version: version(1) });
    assert.equal(told(log, merge('a', '{"x":1}', { updated: at(1) })), 'duplicate');
    assert.equal(told(log, merge('a', '{"x":1}', { updated: at(0), acceptLate: true })), 'duplicate');
    assert.equal(log.changes.length, 1);
  });

  test('an equal result of a later time is recorded, so that what lies between comes late', () => {
    const log = new ReferenceLog();
    log.submit(put('a', '{"x":1}', { updated: at(1) }));
    assert.equal(told(log, merge('a', '{"x":1}', { updated: at(5) })), 'applied');
    assert.equal(told(log, merge('a', '{"x":0}', { updated: at(3) })), 'late');
    assert.equal(log.value('a'), '{"x":1}');
  });

  test('an empty merge makes an empty object where there was nothing', () => {
    const log = new ReferenceLog();
    assert.equal(told(log, merge('a', '{}')), 'applied');
    assert.equal(log.value('a'), '{}');
    assert.equal(told(log, merge('a', '{}')), 'duplicate');
  });

  test('a value that is too big is refused, sent or merged, and nothing changes', () => {
    const log = new ReferenceLog();
    log.valueBytesMax = 20;
    assert.equal(told(log, put('a', '"0123456789"')), 'applied');
    const sent = log.submit(put('a', '"ééééééééé11"'));
    assert.ok(sent.outcome === 'refused' && sent.code === 'value-too-big' && sent.limit === 20, JSON.stringify(sent));
    log.submit(put('a', '{"x":12345678}'));
    const merged = log.submit(merge('a', '{"y":12345}'));
    assert.ok(merged.outcome === 'refused' && merged.code === 'value-too-big', JSON.stringify(merged));
    assert.equal(log.value('a'), '{"x":12345678}');
    assert.equal(told(log, merge('a', '{"y":1}')), 'applied');
  });

  test('a patch that nests too deep is refused', () => {
    const log = new ReferenceLog();
    const deep = log.submit(merge('a', `${'{"a":'.repeat(100)}1${'}'.repeat(100)}`));
    assert.ok(deep.outcome === 'refused' && deep.code === 'invalid-request' && deep.field === 'value');
    assert.equal(log.changes.length, 0);
  });
});

describe('read and observe', () => {
  const observe = (data: string | Buffer | undefined, expires?: number): KeyCommand => {
    const found: Payload | undefined =
      data === undefined
        ? undefined
        : typeof data === 'string'
          ? { kind: 'text', data, contentType: 'text/plain' }
          : { kind: 'binary', data, contentType: 'application/octet-stream' };
    return { op: 'observe', key: 'a', found, ...(expires === undefined ? {} : { expires }) };
  };

  test('a read answers with the entry, and with nothing for what has expired', () => {
    const log = new ReferenceLog();
    const read: KeyCommand = { op: 'read', key: 'a' };
    assert.deepEqual(log.submit(read), { outcome: 'value', entry: undefined });
    log.submit(put('a', '1', { ttlMicros: SECOND }));
    assert.deepEqual(log.submit(read), { outcome: 'value', entry: log.entry('a') });
    log.now += SECOND;
    assert.deepEqual(log.submit(read), { outcome: 'value', entry: undefined });
    assert.equal(log.entry('a').reason, 'expired');
  });

  test('what was found where the key lives is recorded only if its bytes differ', () => {
    const log = new ReferenceLog();
    log.submit(put('a', '1', { updated: at(9) }));
    assert.equal(told(log, observe('1')), 'duplicate');
    assert.equal(told(log, observe(Buffer.from('1'))), 'duplicate');
    assert.equal(told(log, observe(Buffer.from([0xff]))), 'applied');
    assert.equal(told(log, observe('2')), 'applied');
    assert.deepEqual(log.entry('a').updated, { micros: at(9).micros });
    assert.equal(told(log, observe(undefined)), 'applied');
    assert.equal(log.entry('a').reason, 'deleted');
    assert.equal(told(log, observe(undefined)), 'duplicate');
  });

  test('another expiry of the same bytes is recorded, to the millisecond', () => {
    const log = new ReferenceLog();
    log.submit(put('a', '1', { updated: at(-3), ttlMicros: 9_000_999 }));
    assert.equal(told(log, observe('1', START + 9_000_000)), 'duplicate');
    assert.equal(told(log, observe('1', START + 8_000_000)), 'applied');
    assert.deepEqual(log.entry('a').updated, at(-3));
    assert.equal(log.entry('a').value?.kind, 'json');
    assert.equal(told(log, observe('1')), 'applied');
    assert.equal(log.entry('a').expires, undefined);
  });

  test('a key that is gone when its expiry is due is expired, not deleted', () => {
    const log = new ReferenceLog();
    log.submit(put('a', '1'), expire('a', 1));
    log.now += SECOND;
    assert.equal(told(log, observe(undefined)), 'duplicate');
    assert.equal(log.entry('a').reason, 'expired');
  });
});
