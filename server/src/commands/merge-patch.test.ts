import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LatchkeyError } from '@latchkey/client';
import fc from 'fast-check';
import { mergePatch, PATCH_DEPTH_MAX } from './merge-patch.ts';

// RFC 7386, appendix A, row by row.
const APPENDIX = [
  ['{"a":"b"}', '{"a":"c"}', '{"a":"c"}'],
  ['{"a":"b"}', '{"b":"c"}', '{"a":"b","b":"c"}'],
  ['{"a":"b"}', '{"a":null}', '{}'],
  ['{"a":"b","b":"c"}', '{"a":null}', '{"b":"c"}'],
  ['{"a":["b"]}', '{"a":"c"}', '{"a":"c"}'],
  ['{"a":"c"}', '{"a":["b"]}', '{"a":["b"]}'],
  ['{"a":{"b":"c"}}', '{"a":{"b":"d","c":null}}', '{"a":{"b":"d"}}'],
  ['{"a":[{"b":"c"}]}', '{"a":[1]}', '{"a":[1]}'],
  ['["a","b"]', '["c","d"]', '["c","d"]'],
  ['{"a":"b"}', '["c"]', '["c"]'],
  ['{"a":"foo"}', 'null', 'null'],
  ['{"a":"foo"}', '"bar"', '"bar"'],
  ['{"e":null}', '{"a":1}', '{"e":null,"a":1}'],
  ['[1,2]', '{"a":"b","c":null}', '{"a":"b"}'],
  ['{}', '{"a":{"bb":{"ccc":null}}}', '{"a":{"bb":{}}}'],
] as const;

test('every example of RFC 7386 gives what the RFC says', () => {
  for (const [target, patch, expected] of APPENDIX)
    assert.equal(mergePatch(target, patch), expected, `${target} ${patch}`);
});

test('what the patch does not touch keeps its exact text', () => {
  assert.equal(
    mergePatch('{ "big" : 12345678901234567890, "one":1.0, "x": 1e+2, "gone": 1 }', '{"gone":null,"new":0.10}'),
    '{"big" : 12345678901234567890,"one":1.0,"x": 1e+2,"new":0.10}',
  );
  assert.equal(
    mergePatch('{"deep":{"keep":1.0,"set":1}}', '{"deep":{"set":2.50}}'),
    '{"deep":{"keep":1.0,"set":2.50}}',
  );
  assert.equal(mergePatch('{"s":"a\\"b\\\\","t":"\\u00e9"}', '{"u":1}'), '{"s":"a\\"b\\\\","t":"\\u00e9","u":1}');
});

test('a patch that changes nothing gives the target itself', () => {
  const target = '{ "a": {"b": [1, 2]}, "c": "é",\n "d": 1.0 }';
  for (const patch of ['{}', '{"a":{}}', '{"a":{"b":[1,2]}}', '{"c":"\\u00e9"}', ' { "d" : 1.0 } ', '{"none":null}']) {
    assert.equal(mergePatch(target, patch), target, patch);
  }
  assert.notEqual(mergePatch(target, '{"d":1}'), target);
  assert.notEqual(mergePatch(target, '{"c":"e"}'), target);
});

test('without a value yet, the patch is the value, without its nulls', () => {
  assert.equal(mergePatch(undefined, '{ "a": 1.0 }'), '{ "a": 1.0 }');
  assert.equal(mergePatch(undefined, '{"a":null,"b":{"c":null,"d":[null]}}'), '{"b":{"d":[null]}}');
  assert.equal(mergePatch('"text"', '{"a":1}'), '{"a":1}');
  assert.equal(mergePatch(undefined, '{}'), '{}');
});

test('of a repeated name the last one counts, in the target and in the patch', () => {
  assert.equal(mergePatch('{"a":1,"a":{"b":1}}', '{"a":{"c":2}}'), '{"a":{"b":1,"c":2}}');
  assert.equal(mergePatch('{"a":1}', '{"a":2,"a":3}'), '{"a":3}');
  assert.equal(mergePatch(undefined, '{"a":null,"a":3}'), '{"a":3}');
  assert.equal(mergePatch('{"a":1,"a":2}', '{"\\u0061":null}'), '{}');
});

test('__proto__ is a name like any other', () => {
  assert.equal(mergePatch('{"a":1}', '{"__proto__":{"polluted":true}}'), '{"a":1,"__proto__":{"polluted":true}}');
  assert.equal(mergePatch('{"__proto__":{"x":1},"constructor":2}', '{"__proto__":null}'), '{"constructor":2}');
  assert.equal(({} as { polluted?: boolean }).polluted, undefined);
});

test('a patch that nests too deep is refused, however deep the target is', () => {
  const nested = (depth: number, inner: string) => '{"a":'.repeat(depth) + inner + '}'.repeat(depth);
  assert.equal(mergePatch(nested(500, '1'), '{"b":1}'), `${nested(500, '1').slice(0, -1)},"b":1}`);
  assert.equal(mergePatch(undefined, nested(PATCH_DEPTH_MAX, '1')), nested(PATCH_DEPTH_MAX, '1'));
  const refused = { name: 'LatchkeyError', code: 'invalid-request' };
  assert.throws(() => mergePatch(undefined, nested(PATCH_DEPTH_MAX + 1, '1')), refused);
  assert.throws(() => mergePatch(nested(100, '1'), nested(100, '2')), refused);
});

test('what is not JSON is refused and never hangs', () => {
  for (const text of [
    '{',
    '{"a"',
    '{"a":',
    '{"a":}',
    '{"a":1',
    '{"a":1,',
    '{"a":1,}',
    '{"a":"',
    '{a:1}',
    '{"a":[}',
    '{"a" 1}',
  ]) {
    assert.throws(() => mergePatch('{"a":1}', text), { code: 'invalid-json' }, text);
    assert.throws(() => mergePatch(text, '{"b":1}'), { code: 'invalid-json' }, text);
  }
  const shaped = fc.array(fc.constantFrom(...'{}[]":,1a\\ '), { maxLength: 30 }).map((all) => all.join(''));
  fc.assert(
    fc.property(shaped, shaped, (target, patch) => {
      try {
        mergePatch(target, patch);
      } catch (error) {
        assert.ok(error instanceof LatchkeyError, String(error));
      }
    }),
    { numRuns: 3000 },
  );
});

/** RFC 7386, section 2, over values; null-prototype objects, so that no name is special. */
function mergeValues(target: unknown, patch: unknown): unknown {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch;
  const isObject = typeof target === 'object' && target !== null && !Array.isArray(target);
  const merged = new Map(isObject ? Object.entries(target) : []);
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) merged.delete(name);
    else merged.set(name, mergeValues(merged.get(name), value));
  }
  return Object.fromEntries(merged);
}

test('any two values merge as the pseudocode of the RFC does, however they are spaced', () => {
  const name = fc.constantFrom('a', 'b', 'c', 'é', '"', '__proto__');
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { depthSize: 'small' },
      fc.constantFrom(null, 1, 1.5, 'x', '\\"', true),
      fc.array(tie('value'), { maxLength: 2 }),
      fc.dictionary(name, tie('value'), { maxKeys: 4 }),
    ),
  }));
  fc.assert(
    fc.property(value, value, fc.constantFrom(0, 1, '\t'), (target, patch, space) => {
      const expected = mergeValues(target, patch);
      const merged = mergePatch(JSON.stringify(target, null, space), JSON.stringify(patch));
      assert.deepEqual(JSON.parse(merged), JSON.parse(JSON.stringify(expected)));
      assert.equal(mergePatch(merged, JSON.stringify(patch)), merged);
    }),
    { numRuns: 2000 },
  );
});
