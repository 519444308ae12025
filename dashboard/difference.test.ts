import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

const page = (name: string) => import(new URL(`./public/${name}.js`, import.meta.url).href);
const { differences } = await page('difference');
const { contentOf, parseExact } = await page('values');

const json = (text: string) => contentOf(parseExact(`{"value":${text}}`));
const told = (before: string, after: string) =>
  differences(json(before), json(after), 100).items.map(
    ({ after: to, before: from, kind, path }: { after: unknown; before: unknown; kind: string; path: string }) =>
      `${kind} ${path} ${JSON.stringify(from ?? null)} ${JSON.stringify(to ?? null)}`,
  );

describe('what changed', () => {
  test('is told place by place', () => {
    assert.deepEqual(told('{"a":1,"b":{"c":[1,2]},"gone":0}', '{"a":2,"b":{"c":[1,3]},"a b":true}'), [
      'changed a 1 2',
      'changed b.c[1] 2 3',
      'removed gone 0 null',
      'added ["a b"] null true',
    ]);
    assert.deepEqual(told('{"a":1}', '{"a":1}'), []);
    assert.deepEqual(told('1', '[1]'), ['changed  1 [1]']);
  });

  test('one item put into a list does not change all behind it', () => {
    assert.deepEqual(told('[1,2,3,4]', '[1,9,2,3,4]'), ['added [1] null 9']);
    assert.deepEqual(told('[1,2,3,4]', '[1,2,4]'), ['removed [2] 3 null']);
  });

  test('digits count, and names that objects are born with are names like others', () => {
    assert.deepEqual(told('{"n":12345678901234567890}', '{"n":12345678901234567891}').length, 1);
    assert.deepEqual(told('{}', '{"__proto__":1,"constructor":2}').length, 2);
  });

  test('is bounded, and says so', () => {
    const list = (value: number) => `[${Array.from({ length: 5000 }, () => value).join()}]`;
    const found = differences(json(list(1)), json(list(2)), 100);
    assert.deepEqual([found.items.length, found.isCut], [100, true]);
  });

  test('texts are compared line by line', () => {
    const text = (value: string) => contentOf({ value, contentType: 'text/plain' });
    const { lines } = differences(text('a\nb\nc'), text('a\nB\nc'), 100);
    assert.deepEqual(lines, [
      { kind: 'removed', text: 'b' },
      { kind: 'added', text: 'B' },
    ]);
  });
});
