import assert from 'node:assert/strict';
import { test } from 'node:test';
import { merge, put, ReferenceLog, remove } from './reference-log.fixture.ts';

test('a key stays a hash until a command says otherwise or it is removed', () => {
  const log = new ReferenceLog();
  log.submit(merge('a', '{"x":1}', { as: 'hash' }));
  log.submit(put('a', '{"x":2}'));
  assert.equal(log.entry('a').as, 'hash');
  assert.equal(log.submit(put('a', '{"x":2}', { as: 'hash', updated: log.entry('a').updated })).outcome, 'duplicate');
  log.submit(put('a', '{"x":2}', { as: 'string', updated: log.entry('a').updated }));
  assert.equal(log.entry('a').as, undefined);
  log.submit(put('a', '{"x":3}', { as: 'hash' }));
  log.submit(remove('a'));
  log.submit(put('a', '[1]'));
  assert.equal(log.entry('a').as, undefined);
});

test('a hash refuses what is no flat object, by put and by merge, and keeps what it had', () => {
  const log = new ReferenceLog();
  log.submit(put('a', '{"x":1}', { as: 'hash' }));
  for (const command of [put('a', '1'), put('a', '{"x":[]}'), merge('a', '{"y":{"z":1}}'), merge('a', '{"x":null}')]) {
    const told = log.submit(command);
    assert.equal(told.outcome === 'refused' && told.code, 'not-flat');
  }
  assert.equal(log.value('a'), '{"x":1}');
  assert.equal(log.submit(merge('a', '{"y":"z"}')).outcome, 'applied');
  assert.equal(log.value('a'), '{"x":1,"y":"z"}');
});

test('what was found as a hash is recorded as one, and equal bytes of another type are news', () => {
  const log = new ReferenceLog();
  log.submit(put('a', '{"x":"1"}'));
  const found = { kind: 'json', data: '{"x":"1"}' } as const;
  assert.equal(log.submit({ op: 'observe', key: 'a', found, as: 'hash' }).outcome, 'applied');
  assert.equal(log.entry('a').as, 'hash');
  assert.equal(log.submit({ op: 'observe', key: 'a', found, as: 'hash' }).outcome, 'duplicate');
});

test('a hash that was found with its fields in another order, or its numbers as texts, is the same', () => {
  const log = new ReferenceLog();
  log.submit(put('a', '{"x":1.0,"y":true}', { as: 'hash' }));
  const observe = (data: string) =>
    log.submit({ op: 'observe', key: 'a', found: { kind: 'json', data }, as: 'hash' }).outcome;
  assert.equal(observe('{"y":"true","x":"1.0"}'), 'duplicate');
  assert.equal(observe('{"y":"true","x":"1"}'), 'applied');
  assert.equal(observe('{"y":"true"}'), 'applied');
});

test('what is found gone is removed for the reason that is known of it', () => {
  const log = new ReferenceLog();
  for (const reason of ['expired', 'evicted', undefined] as const) {
    log.submit(put('a', '1'));
    const { updated } = log.entry('a');
    const observe = { op: 'observe', key: 'a', found: undefined, ...(reason === undefined ? {} : { reason }) } as const;
    assert.equal(log.submit(observe).outcome, 'applied');
    assert.equal(log.entry('a').reason, reason ?? 'deleted');
    if (reason !== undefined) assert.deepEqual(log.entry('a').updated, updated);
    assert.equal(log.submit(observe).outcome, 'duplicate');
  }
});

test('what passed its expiry after it was read has expired', () => {
  const log = new ReferenceLog();
  log.submit(put('a', '1'));
  const found = { kind: 'json', data: '1' } as const;
  assert.equal(log.submit({ op: 'observe', key: 'a', found, expires: log.now }).outcome, 'applied');
  assert.equal(log.entry('a').reason, 'expired');
});
