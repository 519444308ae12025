import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { LatchkeyError } from './error.ts';
import { type SseEvent, SseParser } from './sse-parser.ts';

const parse = (...chunks: readonly (string | Uint8Array)[]): readonly SseEvent[] => {
  const parser = new SseParser();
  return chunks.flatMap((chunk) => parser.push(chunk));
};

const message = (data: string, id = ''): SseEvent => ({ type: 'message', data, id });

/** Each of §9.2.6 “Interpreting an event stream”, and its examples. */
const CASES: readonly (readonly [string, string, readonly SseEvent[]])[] = [
  ['one line of data', 'data: a\n\n', [message('a')]],
  ['no space after the colon is the same', 'data:a\n\n', [message('a')]],
  ['only one space is taken away', 'data:  a\n\n', [message(' a')]],
  ['several lines of data are joined by a line feed', 'data: YHOO\ndata: +2\ndata: 10\n\n', [message('YHOO\n+2\n10')]],
  ['a field without a colon has an empty value', 'data\n\ndata\ndata\n\ndata:', [message(''), message('\n')]],
  ['an event without data is not dispatched', 'event: x\n\ndata: a\n\n', [message('a')]],
  ['an event that is not ended is not dispatched', 'data: a\n', []],
  ['the event’s name', 'event: add\ndata: 1\n\n', [{ type: 'add', data: '1', id: '' }]],
  ['an empty name is message', 'event\ndata: 1\n\n', [message('1')]],
  [
    'the name holds for one event',
    'event: a\ndata: 1\n\ndata: 2\n\n',
    [{ type: 'a', data: '1', id: '' }, message('2')],
  ],
  ['comments', ': hello\n:\ndata: a\n:x\n\n', [message('a')]],
  ['unknown fields, and names in other case', 'foo: bar\nDATA: x\ndata : x\ndata: a\n\n', [message('a')]],
  [
    'the id stays until it is changed',
    'id: 1\ndata: a\n\ndata: b\n\nid: 2\ndata: c\n\n',
    [message('a', '1'), message('b', '1'), message('c', '2')],
  ],
  ['an empty id takes it back', 'id: 1\ndata: a\n\nid\ndata: b\n\n', [message('a', '1'), message('b', '')]],
  ['an id with a NUL is ignored', 'id: 1\ndata: a\n\nid: x\0y\ndata: b\n\n', [message('a', '1'), message('b', '1')]],
  ['carriage returns end lines', 'data: a\r\rdata: b\r\r', [message('a'), message('b')]],
  ['both together end one line', 'data: a\r\ndata: b\r\n\r\n', [message('a\nb')]],
  ['all ends of lines mixed', 'data: a\n\r\ndata: b\r\rdata: c\r\n\n', [message('a'), message('b'), message('c')]],
  ['a byte order mark at the start', '\uFEFFdata: a\n\n', [message('a')]],
  ['a second mark is part of the field’s name', '\uFEFF\uFEFFdata: a\n\ndata: b\n\n', [message('b')]],
  ['a mark within data stays', 'data: \uFEFFa\n\n', [message('\uFEFFa')]],
  ['a NUL within data stays', 'data: a\0b\n\n', [message('a\0b')]],
  ['a field’s name is taken to its first colon', 'data:a:b\n:data: c\ndata:: d\n\n', [message('a:b\n: d')]],
  ['a name with a space before it is another name', ' data: x\n data\ndata: a\n\n', [message('a')]],
  ['a tab is not the space that is taken away', 'data:\ta\n\n', [message('\ta')]],
  ['data of nothing but its name is an empty line', 'data: a\ndata:\ndata\n\n', [message('a\n\n')]],
  [
    'the last of several names and ids counts',
    'event: a\nevent: b\nid: 1\nid: 2\ndata: x\n\n',
    [{ type: 'b', data: 'x', id: '2' }],
  ],
  ['blank lines alone are no events', '\n\r\r\n\n', []],
  ['characters beyond ASCII', 'data: é 🜂 \u2028\n\n', [message('é 🜂 \u2028')]],
];

describe('event stream', () => {
  for (const [name, text, events] of CASES) {
    test(`${name}, in one piece and byte by byte`, () => {
      assert.deepEqual(parse(text), events);
      const bytes = new TextEncoder().encode(text);
      assert.deepEqual(parse(bytes), events);
      assert.deepEqual(parse(...Array.from(bytes, (byte) => Uint8Array.of(byte))), events);
      assert.deepEqual(parse(...text), events);
    });
  }

  test('bytes that are no UTF-8 become replacement characters, wherever they are cut', () => {
    const bytes = Uint8Array.of(...new TextEncoder().encode('data: '), 0xff, 0xe2, 0x82, 0x41, 10, 10);
    assert.deepEqual(parse(bytes), [message('\ufffd\ufffdA')]);
    assert.deepEqual(parse(...Array.from(bytes, (byte) => Uint8Array.of(byte))), [message('\ufffd\ufffdA')]);
  });

  test('retry is taken from digits alone', () => {
    const parser = new SseParser();
    parser.push('retry: 2500\n');
    assert.equal(parser.retryMs, 2500);
    parser.push('retry: 1.5\nretry: -1\nretry:\nretry: 1e3\n');
    assert.equal(parser.retryMs, 2500);
  });

  test('the last id counts from the blank line on, also of an event without data', () => {
    const parser = new SseParser();
    parser.push('id: 7\n');
    assert.equal(parser.lastEventId, '');
    parser.push('\n');
    assert.equal(parser.lastEventId, '7');
  });

  test('an event without an end is refused before it fills the memory', () => {
    const piece = 'x'.repeat(8 * 1024 * 1024);
    for (const start of ['data: ', '', ': ']) {
      const parser = new SseParser();
      const flood = () => {
        for (let count = 0; count < 10; count += 1) parser.push(count === 0 ? start + piece : piece);
      };
      assert.throws(flood, (error) => error instanceof LatchkeyError && error.code === 'invalid-request');
    }
  });

  test('wherever the stream is cut into chunks, the events are the same', () => {
    const line = fc.oneof(
      fc.constantFrom('', 'data', ':comment', 'id: 1', 'id', 'event: x', 'retry: 5', 'nonsense'),
      fc.string({ unit: 'binary' }).map((text) => `data: ${text.toWellFormed().replace(/[\r\n]/g, '')}`),
    );
    const stream = fc.array(fc.tuple(line, fc.constantFrom('\n', '\r', '\r\n'))).map((all) => all.flat().join(''));
    fc.assert(
      fc.property(stream, fc.array(fc.nat({ max: 9 })), (text, sizes) => {
        const bytes = new TextEncoder().encode(text);
        const chunks: Uint8Array[] = [];
        let at = 0;
        for (const size of sizes) {
          chunks.push(bytes.subarray(at, at + size));
          at += size;
        }
        chunks.push(bytes.subarray(at));
        assert.deepEqual(parse(...chunks), parse(bytes));
      }),
      { verbose: true },
    );
  });
});
