import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { checkJson, describeFault, JSON_DEPTH_MAX } from './json-grammar.ts';

function parses(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

const nested = (levels: number) => `${'['.repeat(levels)}${']'.repeat(levels)}`;

test('every JSON text that JSON.parse takes is taken, and every other is refused', () => {
  const token = fc.constantFrom(
    ...[
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '"',
      '\\',
      ' ',
      '\n',
      '\t',
      '\r',
      '\u00a0',
      '\ufeff',
      '0',
      '-',
      '1',
      '12',
      '.',
      'e',
      'E',
      '+',
    ],
    ...[
      'true',
      'false',
      'null',
      'tru',
      '"a"',
      '"\\n"',
      '"\\u00e9"',
      '"\\ud800"',
      '"\\x"',
      '"\\u12"',
      '\u0001',
      '\u007f',
      'NaN',
      '"é"',
      "'",
    ],
  );
  const soup = fc.array(token, { maxLength: 12 }).map((tokens) => tokens.join(''));
  fc.assert(
    fc.property(fc.oneof(soup, fc.json(), fc.string()), (text) => {
      assert.equal(checkJson(text) === undefined, parses(text), JSON.stringify(text));
    }),
    { numRuns: 5000 },
  );
});

test('a valid text with one character changed, added or taken away is judged as JSON.parse judges it', () => {
  const character = fc.oneof(
    fc.constantFrom(...'{}[]",:\\0123456789.eE+-tfn \n'),
    fc.string({ minLength: 1, maxLength: 1 }),
  );
  fc.assert(
    fc.property(fc.json(), fc.nat(), fc.nat(1), character, (json, place, cut, inserted) => {
      const at = place % (json.length + 1);
      const text = json.slice(0, at) + inserted + json.slice(at + cut);
      assert.equal(checkJson(text) === undefined, parses(text), JSON.stringify(text));
    }),
    { numRuns: 5000 },
  );
});

test('only the part between from and to is judged, as long as it ends at a line or a value', () => {
  const text = '1\n{"a":2}\n"x';
  assert.equal(checkJson(text, 0, 1), undefined);
  assert.equal(checkJson(text, 2, 9), undefined);
  assert.deepEqual(checkJson(text, 10, 12), { kind: 'malformed', at: 12 });
  assert.deepEqual(checkJson('{"a":\n1}', 0, 5), { kind: 'malformed', at: 5 });
});

test('nesting is taken up to the limit and refused beyond, however deep', () => {
  assert.equal(checkJson(nested(JSON_DEPTH_MAX)), undefined);
  assert.equal(checkJson(nested(JSON_DEPTH_MAX + 1))?.kind, 'too-deep');
  assert.equal(checkJson('['.repeat(4_000_000))?.kind, 'too-deep');
  assert.equal(checkJson('{"a":'.repeat(1_000_000))?.kind, 'too-deep');
});

test('a fault is told with what was found and where', () => {
  const told = (text: string) => describeFault(text, checkJson(text) ?? { kind: 'malformed', at: -1 });
  assert.equal(told('{"a":1,}'), 'an unexpected "}" at character 8');
  assert.equal(told('{"a":'), 'it ends too early, at character 6');
  assert.equal(told('"a\u0000"'), 'an unexpected "\\u0000" at character 3');
  assert.equal(told('[1] 😀'), 'an unexpected "😀" at character 5');
  assert.equal(told(nested(600)), 'nesting deeper than 512 levels at character 513');
});
