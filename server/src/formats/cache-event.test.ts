import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Command, Outcome, Refusal } from '../commands/command.ts';
import { DEFAULT_SETTINGS } from '../config/settings.ts';
import type { Change } from '../shared/change.ts';
import { jsonPayload } from '../shared/payload.ts';
import { isRefusal } from '../shared/refusal.ts';
import { cacheEventFormat } from './cache-event.ts';

const format = cacheEventFormat({
  ...DEFAULT_SETTINGS.limits,
  keyBytesMax: 32,
  valueBytesMax: 100,
  pendingCommandsMax: 6,
});
const event = (key: string, data: string, ttl?: string) =>
  `{"key":"${key}","value":{"data":${data}${ttl === undefined ? '' : `,"ttl":${ttl}`}}}`;

function decode(text: string): (Command & Partial<Refusal>)[] {
  return format.decode({ body: Buffer.from(text) }) as (Command & Partial<Refusal>)[];
}

const put = (key: string, data: string) => ({ op: 'put', key, value: { kind: 'json', data } });

test('SET takes a pair, a plain map, and arrays of both', () => {
  assert.deepEqual(decode(event('SET', '{"key":"a","value":1.0}')), [put('a', '1.0')]);
  assert.deepEqual(decode(event('SET', '{"key":"a","value":null}')), [put('a', 'null')]);
  assert.deepEqual(decode(event('SET', '{"a":1,"b":{ "c":2}}')), [put('a', '1'), put('b', '{ "c":2}')]);
  assert.deepEqual(decode(event('SET', '{"key":"a"}')), [put('key', '"a"')]);
  assert.deepEqual(decode(event('SET', '{"value":"a"}')), [put('value', '"a"')]);
  assert.deepEqual(decode(event('SET', '{"a":1,"a":2,"__proto__":3}')), [put('a', '2'), put('__proto__', '3')]);
  assert.deepEqual(decode(event('SET', '[{"key":"a","value":1},{"b":2}]')), [put('a', '1'), put('b', '2')]);
});

test('a URL in a SET is refused: fetching blobs is not part of this version', () => {
  for (const data of [
    '{"key":"a","url":"http://h/b"}',
    '{"key":"a","value":1,"url":"x"}',
    '{"url":7}',
    '"https://h/a.json"',
    '[{"a":1},{"url":"x"}]',
  ]) {
    const [refusal, ...more] = decode(event('SET', data));
    assert.deepEqual([refusal?.code, refusal?.field, more.length], ['event-invalid', 'value.data', 0], data);
    assert.match(refusal?.message ?? '', /fetching blobs is not part of this version/);
  }
});

test('GET and DELETE take a key, an array of keys, {"key"} and {"keys"}', () => {
  for (const [type, op] of [
    ['GET', 'read'],
    ['DELETE', 'remove'],
  ] as const) {
    for (const [data, ...keys] of [
      ['"a"', 'a'],
      ['["a","b"]', 'a', 'b'],
      ['{"key":"a"}', 'a'],
      ['{"keys":["a","b"]}', 'a', 'b'],
      ['[{"key":"a"},"b",{"keys":["c"]}]', 'a', 'b', 'c'],
    ] as const) {
      assert.deepEqual(
        decode(event(type, data)),
        keys.map((key) => ({ op, key })),
        data,
      );
    }
  }
});

test('DELETE_PATTERN takes a pattern, and one with a dry run', () => {
  assert.deepEqual(decode(event('DELETE_PATTERN', '"a:*"')), [{ op: 'removeMatching', pattern: 'a:*' }]);
  assert.deepEqual(decode(event('DELETE_PATTERN', '{"pattern":"[^a]\\\\*","dryRun":true}')), [
    { op: 'removeMatching', pattern: '[^a]\\*', dryRun: true },
  ]);
  assert.equal(decode(event('DELETE_PATTERN', '["a","b"]')).length, 2);
  assert.equal(decode(event('DELETE_PATTERN', '["a",{"pattern":"b","dryRun":true}]'))[0]?.code, 'event-invalid');
  assert.equal(decode(event('DELETE_PATTERN', '{"pattern":"b","dryRun":"yes"}'))[0]?.code, 'event-invalid');
});

test('a ttl is a number or numeric text; absent, empty and 0 mean no expiry; a fraction is rounded up', () => {
  const ttlOf = (ttl?: string) => (decode(event('SET', '{"a":1}', ttl))[0] as { ttlMicros?: number }).ttlMicros;
  for (const [ttl, seconds] of [
    ['60', 60],
    ['"60"', 60],
    ['1.2', 2],
    ['"0.1"', 1],
    ['1e2', 100],
  ] as const) {
    assert.equal(ttlOf(ttl), seconds * 1_000_000, ttl);
  }
  for (const ttl of [undefined, '0', '"0"', '""', '" "', 'null', '0.0']) assert.equal(ttlOf(ttl), undefined);
  for (const ttl of ['-1', '"-5"', '"abc"', 'true', '{}', '[60]', '1e999', '99999999999']) {
    for (const type of ['SET', 'GET']) {
      const [refusal] = decode(event(type, '"a"', ttl));
      assert.deepEqual([refusal?.code, refusal?.field], ['event-invalid', 'value.ttl'], ttl);
    }
  }
});

test('an event of another shape is refused and its field named', () => {
  for (const [text, code, field] of [
    ['', 'invalid-json', undefined],
    ['{"key":', 'invalid-json', undefined],
    ['7', 'event-invalid', undefined],
    ['{}', 'event-invalid', 'key'],
    ['{"key":"set","value":{"data":"a"}}', 'event-invalid', 'key'],
    ['{"key":7,"value":{"data":"a"}}', 'event-invalid', 'key'],
    ['{"key":"SET"}', 'event-invalid', 'value'],
    ['{"key":"SET","value":"a"}', 'event-invalid', 'value'],
    ['{"key":"SET","value":{}}', 'event-invalid', 'value.data'],
    [event('SET', 'null'), 'event-invalid', 'value.data'],
    [event('SET', '{}'), 'event-invalid', 'value.data'],
    [event('SET', '[]'), 'event-invalid', 'value.data'],
    [event('SET', '7'), 'event-invalid', 'value.data'],
    [event('SET', '"plain"'), 'event-invalid', 'value.data'],
    [event('SET', '[[{"a":1}]]'), 'event-invalid', 'value.data'],
    [event('GET', '[]'), 'event-invalid', 'value.data'],
    [event('GET', '{}'), 'event-invalid', 'value.data'],
    [event('GET', '{"keys":"a"}'), 'event-invalid', 'value.data'],
    [event('GET', '7'), 'key-invalid', 'value.data'],
    [event('GET', '""'), 'key-invalid', 'value.data'],
    [event('DELETE_PATTERN', '""'), 'pattern-invalid', 'value.data.pattern'],
    [event('DELETE_PATTERN', '{}'), 'event-invalid', 'value.data'],
    [event('SET', '{"key":7,"value":1}'), 'key-invalid', 'value.data.key'],
    [event('SET', `{"a":"${'x'.repeat(100)}"}`), 'value-too-big', 'value.data'],
  ] as const) {
    const [refusal] = decode(text);
    assert.deepEqual([refusal?.code, refusal?.field], [code, field], text);
  }
});

test('one bad key is refused in its place; one bad event leaves the others', () => {
  const long = 'x'.repeat(33);
  assert.deepEqual(
    decode(event('SET', `{"a":1,"${long}":2,"b":3}`)).map((command) => command.code ?? command.op),
    ['put', 'key-too-long', 'put'],
  );
  assert.deepEqual(
    decode(`[${event('GET', '"a"')},7,${event('DELETE', '["b","c"]')}]`).map((command) => command.code ?? command.op),
    ['read', 'event-invalid', 'remove', 'remove'],
  );
});

test('a body makes no more commands than may wait', () => {
  for (const text of [
    event('GET', `[${'"a",'.repeat(6)}"a"]`),
    event('SET', `{${'abcdefg'.split('').map((name) => `"${name}":1`)}}`),
    `[${Array(4).fill(event('GET', '["a","b"]'))}]`,
    `[${Array(7).fill('0')}]`,
  ]) {
    assert.deepEqual(
      decode(text).map(({ code }) => code),
      ['batch-too-big'],
      text,
    );
  }
});

function answers(text: string, outcomes: readonly Outcome[][]): unknown {
  const decoded = format.decodeEvents({ body: Buffer.from(text) });
  assert.ok(!isRefusal(decoded));
  return decoded.events.map(({ commands, answer }, index) => {
    assert.equal(commands.length, outcomes[index]?.length);
    return JSON.parse(answer(outcomes[index] as Outcome[], 'k3x9.8'));
  });
}

const applied: Outcome = { outcome: 'applied', version: { epoch: 'k3x9', partition: 0, offset: 8 } };
const duplicate: Outcome = { outcome: 'duplicate' };
const read = (data: string): Outcome => ({ outcome: 'value', entry: { value: jsonPayload(data) } as Change });

test('each event is answered by what it was', () => {
  assert.deepEqual(answers(event('SET', '{"a":1,"b":2}'), [[applied, duplicate]]), [
    { event: 'SET', keys: ['a', 'b'], position: 'k3x9.8' },
  ]);
  assert.deepEqual(answers(event('GET', '"a"'), [[read('{"x":1}')]]), [
    { event: 'GET', key: 'a', found: true, value: { x: 1 } },
  ]);
  assert.deepEqual(answers(event('GET', '"a"'), [[{ outcome: 'value', entry: undefined }]]), [
    { event: 'GET', key: 'a', found: false, value: null },
  ]);
  assert.deepEqual(answers(event('GET', '["a","b"]'), [[read('1'), { outcome: 'value', entry: undefined }]]), [
    {
      event: 'GET',
      entries: [
        { key: 'a', found: true, value: 1 },
        { key: 'b', found: false, value: null },
      ],
    },
  ]);
  assert.deepEqual(answers(event('DELETE', '["a","b"]'), [[applied, duplicate]]), [
    { event: 'DELETE', removed: 1, keys: ['a'], position: 'k3x9.8' },
  ]);
  assert.deepEqual(
    answers(event('DELETE_PATTERN', '"*"'), [[{ outcome: 'applied', removed: 3, keys: ['a', 'b'], truncated: true }]]),
    [{ event: 'DELETE_PATTERN', removed: 3, keys: ['a', 'b'], truncated: true, position: 'k3x9.8' }],
  );
  assert.deepEqual(
    answers(event('DELETE_PATTERN', '{"pattern":"*","dryRun":true}'), [
      [{ outcome: 'value', keys: ['a'], truncated: false }],
    ]),
    [{ event: 'DELETE_PATTERN', dryRun: true, keys: ['a'], position: 'k3x9.8' }],
  );
});

test('an answer says what was refused, and by which key', () => {
  const refusal: Outcome = { outcome: 'refused', code: 'store-full', message: 'Full.' };
  assert.deepEqual(answers(event('SET', '{"a":1,"b":2}'), [[applied, refusal]]), [
    { event: 'SET', keys: ['a'], position: 'k3x9.8', refused: [{ key: 'b', code: 'store-full', message: 'Full.' }] },
  ]);
  assert.deepEqual(answers('[7]', [[refusal]]), [
    {
      error: {
        code: 'event-invalid',
        message: 'The message is valid JSON, but not an event like {"key":"SET","value":{"data":…,"ttl":60}}.',
      },
    },
  ]);
});

test('the answer can take the form of the body', () => {
  const form = (text: string) => {
    const decoded = format.decodeEvents({ body: Buffer.from(text) });
    return isRefusal(decoded) ? decoded.code : decoded.form;
  };
  assert.equal(form(event('GET', '"a"')), 'object');
  assert.equal(form(`[${event('GET', '"a"')}]`), 'array');
  assert.equal(form('{}'), 'object');
  assert.equal(form('[1,'), 'invalid-json');
  assert.equal(form('{'), 'invalid-json');
});
