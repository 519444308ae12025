import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  excerptAt,
  findMember,
  firstObjectEnd,
  isFault,
  kindAt,
  scanElements,
  scanMembers,
  stringAt,
} from './json-text.ts';

function membersOf(text: string): Record<string, string>[] {
  const members = scanMembers(text);
  assert.ok(!isFault(members), text);
  return members.map(({ name, start, end }) => ({ [name]: text.slice(start, end) }));
}

test('each member of an object is given with the exact text of its value', () => {
  assert.deepEqual(membersOf(' { "a" : 1.0 , "b":12345678901234567890,"c":{ "x" : [ 1 ] } } '), [
    { a: '1.0' },
    { b: '12345678901234567890' },
    { c: '{ "x" : [ 1 ] }' },
  ]);
  assert.deepEqual(membersOf('{}'), []);
});

test('names are unescaped, kept in order and twice where they stand twice, and the last one is found', () => {
  const text = '{"\\u0061":1,"a":2,"":3,"__proto__":4,"constructor":5}';
  const members = scanMembers(text);
  assert.ok(!isFault(members));
  assert.deepEqual(
    members.map(({ name }) => name),
    ['a', 'a', '', '__proto__', 'constructor'],
  );
  const found = findMember(members, 'a');
  assert.equal(found && text.slice(found.start, found.end), '2');
  assert.equal(findMember(members, 'toString'), undefined);
});

test('what JSON.parse makes of an object or an array is what the spans hold', () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.dictionary(fc.string(), fc.jsonValue()), fc.array(fc.jsonValue())),
      fc.nat(3),
      (value, indent) => {
        const text = JSON.stringify(value, null, indent);
        if (Array.isArray(value)) {
          const elements = scanElements(text);
          assert.ok(!isFault(elements));
          assert.deepEqual(
            elements.map(({ start, end }) => JSON.parse(text.slice(start, end))),
            JSON.parse(text),
          );
        } else {
          const members = scanMembers(text);
          assert.ok(!isFault(members));
          const read = Object.fromEntries(
            members.map(({ name, start, end }) => [name, JSON.parse(text.slice(start, end))]),
          );
          assert.deepEqual(read, JSON.parse(text));
        }
      },
    ),
    { numRuns: 500 },
  );
});

test('valid JSON of another shape is told apart from what is no JSON', () => {
  assert.deepEqual(scanMembers('[1]'), { kind: 'wrong-shape', at: 0 });
  assert.deepEqual(scanMembers(' 1'), { kind: 'wrong-shape', at: 1 });
  assert.deepEqual(scanMembers('{"a":1} x'), { kind: 'malformed', at: 8 });
  assert.deepEqual(scanMembers(''), { kind: 'malformed', at: 0 });
  assert.deepEqual(scanElements('{}'), { kind: 'wrong-shape', at: 0 });
  assert.deepEqual(scanElements('[1,]'), { kind: 'malformed', at: 3 });
  assert.deepEqual(scanElements('[1'), { kind: 'malformed', at: 2 });
  assert.deepEqual(scanElements('[1,2,3]', 0, 7, 2), { kind: 'too-many', at: 5 });
  const deep = scanMembers(`{"a":${'['.repeat(100_000)}`);
  assert.ok(isFault(deep) && deep.kind === 'too-deep');
});

test('the end of the first object is found whatever follows', () => {
  assert.equal(firstObjectEnd(' {"a":{}}{'), 9);
  assert.equal(firstObjectEnd('{"a":'), undefined);
  assert.equal(firstObjectEnd('[]'), undefined);
});

test('a span tells its kind, its string and an excerpt', () => {
  const text = '["a\\nb",1,true,false,null,{},[]]';
  const elements = scanElements(text);
  assert.ok(!isFault(elements));
  assert.deepEqual(
    elements.map((span) => kindAt(text, span)),
    ['string', 'number', 'true', 'false', 'null', 'object', 'array'],
  );
  assert.deepEqual(elements.map((span) => stringAt(text, span)).slice(0, 2), ['a\nb', undefined]);
  assert.equal(excerptAt(text, { start: 0, end: text.length }, 6), '["a\\nb…');
  assert.equal(excerptAt('[\n1]', { start: 0, end: 4 }), '[ 1]');
});
