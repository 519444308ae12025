import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NoticedKeys } from './noticed-keys.ts';
import { eventOf, neededFlags } from './notification-flags.ts';
import { Selection } from './selection.ts';

const selection = (patterns: readonly string[], keyPrefix = '') => new Selection({ patterns, keyPrefix }, 20);

test('what matches a pattern is followed, and never what Latchkey keeps for itself', () => {
  const all = selection(['*'], 'p.');
  assert.deepEqual(all.of('a'), { redisKey: 'a', entryKey: 'p.a' });
  assert.equal(all.of('latchkey:{main}:head'), undefined);
  assert.deepEqual(all.ofEntry('p.a'), { redisKey: 'a', entryKey: 'p.a' });
  assert.equal(all.ofEntry('a'), undefined);
  assert.equal(all.ofEntry('p.latchkey:x'), undefined);
  const some = selection(['cache:*', 'one', '*:end']);
  assert.deepEqual(
    ['cache:1', 'one', 'x:end', 'two'].map((key) => some.of(key) !== undefined),
    [true, true, true, false],
  );
  assert.equal(some.patternOf('x:end'), '*:end');
});

test('a key that no entry can be called by is unfit, where it would be followed', () => {
  const cache = selection(['cache:*']);
  assert.equal(cache.of(Buffer.from([...Buffer.from('cache:'), 0xff])), 'unfit');
  assert.equal(cache.of(Buffer.from([0xff])), undefined);
  assert.equal(cache.of('cache:\n'), 'unfit');
  assert.equal(cache.of(`cache:${'x'.repeat(20)}`), 'unfit');
});

test('tracked prefixes cover every pattern, and none begins with another', () => {
  assert.deepEqual(selection(['cache:*', 'cache:a:*', 'user:?', 'cache:*']).trackedPrefixes, ['cache:', 'user:']);
  assert.deepEqual(selection(['cache:*', '*']).trackedPrefixes, ['']);
});

test('flags are completed, and what was on stays on', () => {
  assert.equal(neededFlags(''), 'Eghxe$');
  assert.equal(neededFlags('K$'), 'KEghxe$');
  assert.equal(neededFlags('AK'), 'AKE');
  assert.equal(neededFlags('AKE'), undefined);
  assert.equal(neededFlags('xE$ghe'), undefined);
});

test('a look for what is not there is no event of a key', () => {
  assert.equal(eventOf('__keyevent@0__:rename_to'), 'rename_to');
  assert.equal(eventOf('__keyevent@0__:keymiss'), undefined);
});

test('noticed keys stand once, with how they went last, and what finds no place is told', () => {
  const keys = new NoticedKeys(2);
  const key = (name: string) => ({ redisKey: name, entryKey: name });
  keys.add(key('a'), 1, 'expired');
  keys.add(key('b'), 2, 'expired');
  keys.add(key('a'), 3, 'set');
  assert.equal(keys.hasLost, false);
  assert.equal(keys.add(key('c'), 4), false);
  assert.equal(keys.hasLost, true);
  assert.deepEqual(
    keys.take(1).map(({ reason, redisKey, sinceMs }) => [redisKey, reason, sinceMs]),
    [['a', undefined, 1]],
  );
  assert.equal(keys.add(key('a'), 5), true);
  assert.deepEqual(
    keys.take(5).map(({ reason, redisKey }) => [redisKey, reason]),
    [
      ['b', 'expired'],
      ['a', undefined],
    ],
  );
  keys.forgive();
  assert.equal(keys.hasLost, false);
});
