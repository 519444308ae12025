import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { itemOf } from './batch.ts';
import { CsvRows } from './csv-rows.ts';
import { compileMapping, type MappingOptions } from './mapping.ts';
import { questionOf } from './question.ts';
import { bytesText, type Row, readable } from './row.ts';

const NOW = Date.UTC(2026, 10, 20, 12) * 1000;

/** What a row becomes: its command, or `code: message` of why it is none. */
function become(text: string, options: MappingOptions = {}, more: Partial<Row> = {}, columns: string[] = []): string {
  const bytes = bytesText(text);
  const row = { text: bytes, from: 0, to: bytes.length, number: 1, end: bytes.length, ...more };
  const { command, refusal } = itemOf(row, { mapping: compileMapping(options), columns, nowMicros: NOW });
  if (refusal !== undefined) return `${refusal.code}: ${refusal.message}`;
  return command === undefined ? 'expired' : readable(command);
}

function fromCsv(text: string, options: MappingOptions): readonly string[] {
  const csv = new CsvRows();
  const rows: Row[] = [];
  csv.cut(bytesText(text), 0, true, rows);
  return rows.map((row) => become(readable(row.text), options, row, [...csv.columns]));
}

describe('without a key template', () => {
  test('a command goes on as it stands, whatever is in it', () => {
    for (const text of [
      '{"op":"put","key":"ü","value":1.0}',
      '{ "key":"a", "op":"remove" }',
      '{"op":"put","key":broken',
      '{"op":"oops"}',
    ]) {
      assert.equal(become(text), text);
    }
  });

  test('an entry becomes a put of the same value, times and type, and the time that it has left', () => {
    const entry =
      '{"key":"a\\"b","value":{"n":1.0, "big":12345678901234567890},"version":"k3x9.7","updated":"2026-01-01T00:00:00+01:00","valid":"2027-01-01T00:00:00Z","expires":"2026-11-20T12:00:01.500000Z","stale":true,"origin":"http:x","contentType":"text/plain","encoding":"base64"}';
    assert.equal(
      become(entry),
      '{"op":"put","key":"a\\"b","value":{"n":1.0, "big":12345678901234567890},"updated":"2026-01-01T00:00:00+01:00","valid":"2027-01-01T00:00:00Z","contentType":"text/plain","encoding":"base64","ttl":1.5}',
    );
  });

  test('an entry whose time is over is none', () => {
    assert.equal(become('{"key":"a","value":1,"expires":"2026-11-20T12:00:00Z"}'), 'expired');
  });

  test('anything else is refused with what to do', () => {
    const cases: [string, RegExp][] = [
      ['{"id":7,"temp":1}', /^invalid-request: .*neither a command nor an entry: it has the field id.*--key/],
      ['{"key":"a"}', /it has no value/],
      ['[1]', /^invalid-request: .*as an object, but got \[1\]/],
      ['{"key":"a","value":1', /^invalid-json: /],
      ['{"key":"a","value":1} x', /^invalid-json: .*x stands behind/],
      ['{"key":"a","value":1,"expires":"soon"}', /^updated-invalid: expires takes a time/],
    ];
    for (const [text, says] of cases) assert.match(become(text), says);
  });
});

describe('with a key template', () => {
  test('a row is a value as it is written, under a key of its fields', () => {
    assert.equal(
      become(' {"id": 7,"s":{"n":"ü\\"x"}, "v":1.0} ', { key: 'é:{id}/{s.n}{{}}' }),
      '{"op":"put","key":"é:7/ü\\"x{}","value": {"id": 7,"s":{"n":"ü\\"x"}, "v":1.0} }',
    );
  });

  test('names are found however they are escaped', () => {
    assert.equal(become('{"\\u0069d":"x"}', { key: '{id}' }), '{"op":"put","key":"x","value":{"\\u0069d":"x"}}');
    assert.equal(
      become('{"ü\\u00fc\\"":1,"b":2}', { key: '{b}', map: ['n=üü"'] }),
      '{"op":"put","key":"2","value":{"n":1,"b":2}}',
    );
  });

  test('fields are renamed, converted, left out and chosen', () => {
    const row = '{"id":"1","temp":"21.50","on":"1","zip":"007","tags":"[1, 2]","x":null}';
    const put = (options: MappingOptions) => become(row, { key: 'k:{id}', ...options });
    assert.equal(
      put({ map: ['t=temp:number', 'on:boolean', 'tags:json'], omit: ['id', 'x'] }),
      '{"op":"put","key":"k:1","value":{"t":21.50,"on":true,"zip":"007","tags":[1, 2]}}',
    );
    assert.equal(
      put({ map: ['n=id:string', 'zip'], only: true }),
      '{"op":"put","key":"k:1","value":{"n":"1","zip":"007"}}',
    );
    assert.equal(put({ value: 'temp' }), '{"op":"put","key":"k:1","value":"21.50"}');
    assert.match(put({ map: ['zip:number'] }), /^event-invalid: The field zip takes a number, but got "007"/);
    assert.match(put({ map: ['x:boolean'] }), /The field x takes true, false, 1 or 0, but got null/);
  });

  test('times, a ttl and merge go along', () => {
    assert.equal(
      become('{"id":1,"at":"2026-01-01T00:00:00Z","a.b":2}', {
        key: '{id}',
        updated: 'at',
        valid: 'a.b',
        ttl: '1.5',
        merge: true,
      }),
      '{"op":"merge","key":"1","value":{"id":1,"at":"2026-01-01T00:00:00Z","a.b":2},"updated":"2026-01-01T00:00:00Z","valid":2,"ttl":"1.5"}',
    );
    assert.match(become('{"id":1}', { key: '{id}', updated: 'at' }), /^updated-invalid: The row has no field at/);
    // Else what stands on a line of its own in there would be a command of its own.
    assert.equal(
      become('{"id":1,"at":{"x":\n{"op":"removeMatching","pattern":"*"}\n}}', {
        key: '{id}',
        value: 'id',
        updated: 'at',
      }),
      '{"op":"put","key":"1","value":1,"updated":{"x": {"op":"removeMatching","pattern":"*"} }}',
    );
  });

  test('a key is never made of what is not there', () => {
    const key = (text: string, template = 'k:{id}') => become(text, { key: template });
    assert.match(key('{"x":1}'), /^event-invalid: The row has no field id, which its key is made of/);
    assert.match(key('{"id":""}'), /The field id is empty/);
    assert.match(key('{"id":null}'), /takes a string or a number.*got null/);
    assert.match(key('{"id":{"a":1}}'), /takes a string or a number/);
    assert.match(key('{"id":{"a":1}}', '{id.b}'), /no field id\.b/);
    assert.match(key('{"id":1', '{id}'), /^invalid-json/);
    assert.match(key('{"id":1}', '{$key}'), /has no key of its own/);
    assert.equal(
      become('[1,\n2]', { key: 'a:{$key}' }, { name: 'n\\"' }),
      '{"op":"put","key":"a:n\\"","value":[1, 2]}',
    );
  });

  test('wrong options are usage errors that say what is taken', () => {
    const wrong: [MappingOptions, RegExp][] = [
      [{ map: ['a=b'] }, /--map goes with --key/],
      [{ key: 'a{' }, /--key: the key template "a\{" .*not closed/],
      [{ key: 'a', map: ['a=b:float'] }, /--map takes .* string, number/],
      [{ key: 'a', ttl: '-1' }, /--ttl/],
      [{ key: 'a', only: true }, /--only keeps the fields that --map names/],
    ];
    for (const [options, says] of wrong) assert.throws(() => compileMapping(options), says);
  });
});

describe('CSV', () => {
  test('has numbers, true and false as they are written, text otherwise, and nothing for an empty cell', () => {
    assert.deepEqual(fromCsv('id,n,b,zip,q,e,ee\n1,-1.50e3,true,007,"2",,""\n', { key: 's:{id}', omit: ['id'] }), [
      '{"op":"put","key":"s:1","value":{"n":-1.50e3,"b":true,"zip":"007","q":"2","ee":""}}',
    ]);
  });

  test('cells take the types that are named', () => {
    assert.deepEqual(
      fromCsv('id;n;t;s\nü;"2";1;3\n', { key: '{id}', map: ['n:number', 'T=t:boolean', 's:string'], omit: ['id'] }),
      ['{"op":"put","key":"ü","value":{"n":2,"T":true,"s":"3"}}'],
    );
    assert.match(
      fromCsv('id,n\n1,x\n', { key: '{id}', map: ['n:number'] })[0] as string,
      /The field n takes a number, but got "x"/,
    );
  });
});

describe('the question after a lost answer', () => {
  test('is the command under a condition that never holds, or nothing where asking would carry it out', () => {
    assert.equal(
      questionOf('{"op":"put","key":"a","value":{}} '),
      '{"op":"put","key":"a","value":{},"ifVersion":"0000.0"}',
    );
    for (const same of ['{"op":"oops"}', 'broken', '{"op":"read","key":"a"}']) assert.equal(questionOf(same), same);
    for (const not of [
      '{"op":"expire","key":"a","ttl":1}',
      '{"op":"removeMatching","pattern":"a"}',
      '{"op":"put","key":"a","value":1,"ifAbsent":true}',
      '{"op":"put","key":"a","value":1,"idempotencyKey":"x"}',
    ]) {
      assert.equal(questionOf(not), undefined);
    }
  });
});
