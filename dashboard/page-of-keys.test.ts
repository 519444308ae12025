import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

const { KEYS_MAX, PageOfKeys } = await import(new URL('./public/page-of-keys.js', import.meta.url).href);

const entry = (key: string, offset = 1, value: unknown = 1) => ({
  key,
  value,
  version: `aaaa.${offset}`,
  updated: '2026-11-20T12:00:00Z',
});
const change = (key: string, offset: number, op = 'put', value: unknown = 2) =>
  JSON.stringify({ op, ...entry(key, offset, value) });

describe('a page of keys', () => {
  test('takes changes of its own range: values, new keys in their place, removed ones', () => {
    const page = new PageOfKeys();
    page.show({ entries: [entry('b'), entry('d'), entry('f')], after: 'a', isLast: false });
    assert.equal(page.take(change('d', 2)).is, 'changed');
    assert.equal(page.get('d').preview, '2');
    assert.equal(page.take(change('c', 3)).is, 'moved');
    assert.equal(page.take(change('b', 4, 'remove')).is, 'moved');
    for (const key of ['a', 'A', 'g']) assert.equal(page.take(change(key, 5)).is, 'elsewhere', key);
    assert.deepEqual(page.keys, ['c', 'd', 'f']);
  });

  test('the last page is open at its end, and an empty store at both', () => {
    const page = new PageOfKeys();
    page.show({ entries: [], isLast: true });
    page.take(change('z', 1));
    page.take(change('a', 2));
    assert.deepEqual(page.keys, ['a', 'z']);
  });

  test('a change that is older than what was read is not taken', () => {
    const page = new PageOfKeys();
    page.show({ entries: [entry('a', 9)], isLast: true });
    assert.equal(page.take(change('a', 8)).is, 'elsewhere');
    assert.equal(page.get('a').preview, '1');
  });

  test('a page that was read before a change that the watch told already shows the change', () => {
    const page = new PageOfKeys();
    page.show({ entries: [entry('a')], isLast: false });
    page.take(change('x', 7));
    page.take(change('y', 8, 'remove'));
    page.show({ entries: [entry('x', 5), entry('y', 6)], after: 'a', isLast: true });
    assert.deepEqual(page.keys, ['x']);
    assert.equal(page.get('x').preview, '2');
  });

  test('holds a bounded number of keys, and counts what it has no room for', () => {
    const page = new PageOfKeys();
    page.show({ entries: [], isLast: true });
    for (let index = 0; index < KEYS_MAX + 5; index += 1) page.take(change(`k${index}`, index + 1));
    assert.deepEqual([page.keys.length, page.leftOut], [KEYS_MAX, 5]);
    page.take(change('k1', 9999, 'put', 'still taken'));
    assert.equal(page.get('k1').preview, '"still taken"');
  });

  test('marks what is stale', () => {
    const page = new PageOfKeys();
    page.show({ entries: [entry('a')], isLast: true });
    page.take(change('a', 2, 'stale'));
    assert.equal(page.get('a').stale, true);
  });
});
