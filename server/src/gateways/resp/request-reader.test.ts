import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ProtocolError, type RequestLimits, RequestReader } from './request-reader.ts';

const LIMITS: RequestLimits = { argumentsMax: 1000, requestBytesMax: 1_000_000, fault: 'invalid' };
const seed = Number(process.env.LATCHKEY_SEED ?? Math.floor(Math.random() * 2 ** 31));

function bulk(parts: readonly Buffer[]): Buffer {
  return Buffer.concat([
    Buffer.from(`*${parts.length}\r\n`),
    ...parts.flatMap((part) => [Buffer.from(`$${part.length}\r\n`), part, Buffer.from('\r\n')]),
  ]);
}

/** Everything that comes out when the bytes come in pieces of these lengths, and the fault that ended it. */
function readAll(bytes: Buffer, pieces: readonly number[], limits = LIMITS): (string[] | string)[] {
  const reader = new RequestReader(limits);
  const found: (string[] | string)[] = [];
  let at = 0;
  for (let turn = 0; at < bytes.length; turn += 1) {
    const end = Math.min(bytes.length, at + Math.max(1, pieces[turn % Math.max(1, pieces.length)] ?? bytes.length));
    reader.push(Buffer.from(bytes.subarray(at, end)));
    at = end;
    try {
      while (reader.next())
        found.push(Array.from({ length: reader.count }, (_value, index) => reader.bytes(index).toString('hex')));
    } catch (error) {
      assert.ok(error instanceof ProtocolError, String(error));
      return [...found, error.message];
    }
  }
  return found;
}

const text = (...parts: string[]) => parts.map((part) => Buffer.from(part, 'latin1').toString('hex'));

describe('the request reader', () => {
  it('reads the same requests however the bytes are cut', () => {
    const requests = fc.array(fc.array(fc.uint8Array({ maxLength: 60 }), { minLength: 1, maxLength: 6 }), {
      maxLength: 8,
    });
    fc.assert(
      fc.property(requests, fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 12 }), (list, pieces) => {
        const parts = list.map((one) => one.map((part) => Buffer.from(part)));
        const wanted = parts.map((one) => one.map((part) => part.toString('hex')));
        assert.deepEqual(readAll(Buffer.concat(parts.map(bulk)), pieces), wanted);
      }),
      { seed, numRuns: 500 },
    );
  });

  it('never throws anything but a protocol error, keeps no more than it was given, and cuts do not matter, whatever comes', () => {
    const piece = fc.oneof(
      fc.uint8Array({ maxLength: 12 }).map((bytes) => Buffer.from(bytes)),
      fc
        .constantFrom(
          '*1\r\n',
          '*2\r\n',
          '$3\r\nGET\r\n',
          '$1\r\na\r\n',
          '\r\n',
          '*-1\r\n',
          '$-1\r\n',
          '*0\r\n',
          'PING\r\n',
          '"',
          "'",
          ' ',
          '\n',
          '$99999999\r\n',
          '*x',
          '-',
          '0',
        )
        .map((part) => Buffer.from(part)),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 20 }), fc.array(fc.integer({ min: 1, max: 9 })), (list, pieces) => {
        const bytes = Buffer.concat(list);
        assert.deepEqual(readAll(bytes, pieces), readAll(bytes, []));
      }),
      { seed, numRuns: 2000 },
    );
  });

  it('gives back what was not a whole request by count, and lets go of what was', () => {
    const reader = new RequestReader(LIMITS);
    reader.push(Buffer.from('*1\r\n$4\r\nPI'));
    assert.equal(reader.next(), false);
    assert.equal(reader.bufferedBytes, 10);
    reader.push(Buffer.from('NG\r\n*1\r\n'));
    assert.equal(reader.next(), true);
    assert.equal(reader.latin1(0), 'PING');
    assert.equal(reader.next(), false);
    assert.equal(reader.bufferedBytes, 4);
  });

  it('reads inline requests with quotes and escapes', () => {
    const lines: [string, string[] | undefined][] = [
      ['PING\r\n', ['PING']],
      ['  set  a\t1 \n', ['set', 'a', '1']],
      ['set a "b c"\r\n', ['set', 'a', 'b c']],
      ['echo "\\x41\\n\\t\\\\\\q"\r\n', ['echo', 'A\n\t\\q']],
      ["echo 'it\\'s \\n'\r\n", ['echo', "it's \\n"]],
      ['echo ""\r\n', ['echo', '']],
      ['echo "a"b\r\n', undefined],
      ['echo "a\r\n', undefined],
      ["echo 'a\r\n", undefined],
    ];
    for (const [line, wanted] of lines) {
      const expected = wanted === undefined ? ['Protocol error: unbalanced quotes in request'] : [text(...wanted)];
      assert.deepEqual(readAll(Buffer.from(line), []), expected, line);
    }
    assert.deepEqual(readAll(Buffer.from('\r\n  \n'), []), []);
  });

  it('refuses what passes its bounds from the header alone', () => {
    const small: RequestLimits = { argumentsMax: 3, requestBytesMax: 100, fault: 'unauthenticated' };
    const cases: [string, string][] = [
      ['*4\r\n', 'Protocol error: unauthenticated multibulk length'],
      ['*1\r\n$1000000000\r\n', 'Protocol error: unauthenticated bulk length'],
      [`*2\r\n$60\r\n${'x'.repeat(60)}\r\n$60\r\n`, 'Protocol error: unauthenticated bulk length'],
      ['*1\r\n$-5\r\n', 'Protocol error: invalid bulk length'],
      ['*1\r\n:1\r\n', "Protocol error: expected '$', got ':'"],
      ['x'.repeat(70_000), 'Protocol error: too big inline request'],
      [`*${'1'.repeat(70_000)}`, 'Protocol error: too big mbulk count string'],
      [`*1\r\n$${'1'.repeat(70_000)}`, 'Protocol error: too big bulk count string'],
    ];
    for (const [bytes, fault] of cases) assert.deepEqual(readAll(Buffer.from(bytes), [], small), [fault]);
  });

  it('tells UTF-8 from what is none', () => {
    const reader = new RequestReader(LIMITS);
    reader.push(bulk([Buffer.from('ü🔋'), Buffer.from([0xff, 0x41])]));
    assert.equal(reader.next(), true);
    assert.equal(reader.text(0), 'ü🔋');
    assert.equal(reader.text(1), undefined);
    assert.equal(reader.size(1), 2);
  });
});
