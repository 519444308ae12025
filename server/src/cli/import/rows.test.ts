import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { describe, test } from 'node:test';
import { LatchkeyError } from '@latchkey/client';
import { CsvRows } from './csv-rows.ts';
import { JsonRows } from './json-rows.ts';
import { NdjsonRows } from './ndjson-rows.ts';
import { rowsOf } from './reading.ts';
import { type Row, type RowCutter, readable } from './row.ts';

/** The rows of bytes that come in pieces of that size. */
async function rowsIn(bytes: Buffer, cutter: RowCutter, size: number): Promise<readonly Row[]> {
  const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) =>
    bytes.subarray(at * size, (at + 1) * size),
  );
  const rows: Row[] = [];
  for await (const some of rowsOf(Readable.from(pieces), cutter, 0)) rows.push(...some);
  return rows;
}

const textOf = ({ from, text, to }: Row) => readable(text.slice(from, to));

/** Cut in every way from one byte a piece to all at once, the rows are the same, and end where the next begins. */
async function inAllPieces(text: string, cutter: () => RowCutter): Promise<readonly Row[]> {
  const bytes = Buffer.from(text);
  const whole = await rowsIn(bytes, cutter(), Math.max(1, bytes.length));
  // Three at least: a mark at the begin is looked for in the first piece.
  for (let size = 3; size < bytes.length; size += 1) {
    const pieces = await rowsIn(bytes, cutter(), size);
    assert.deepEqual(
      pieces.map((row) => [textOf(row), row.end, row.number, row.cells, row.name]),
      whole.map((row) => [textOf(row), row.end, row.number, row.cells, row.name]),
      `in pieces of ${size}`,
    );
  }
  return whole;
}

describe('NDJSON', () => {
  test('is one row a line, whatever pieces it comes in; blank lines are none and the last needs no line feed', async () => {
    const rows = await inAllPieces('{"a":"ü"}\n\n  \r\n{"b":2}\r\nnot json\n[3]', () => new NdjsonRows());
    assert.deepEqual(rows.map(textOf), ['{"a":"ü"}', '{"b":2}\r', 'not json', '[3]']);
    assert.deepEqual(
      rows.map(({ end }) => end),
      [11, 25, 34, 37],
    );
  });

  test('loses a byte order mark, and counts it', async () => {
    const rows = await inAllPieces('\ufeff{"a":1}\n{"b":2}\n', () => new NdjsonRows());
    assert.deepEqual(rows.map(textOf), ['{"a":1}', '{"b":2}']);
    assert.deepEqual(
      rows.map(({ end }) => end),
      [11, 19],
    );
  });

  test('counts on from the rows before it', async () => {
    const [row] = await rowsIn(Buffer.from('{}'), new NdjsonRows(41), 9);
    assert.equal(row?.number, 42);
  });
});

describe('a JSON document', () => {
  test('that is an array is one row an element, as it is written', async () => {
    const rows = await inAllPieces(' [ {"a":1.0,\n "b":"x,]"} , [1,[2]],"ü\\"]", 12 , true]\n', () => new JsonRows());
    assert.deepEqual(rows.map(textOf), ['{"a":1.0,\n "b":"x,]"}', '[1,[2]]', '"ü\\"]"', '12', 'true']);
  });

  test('that is an object is one row a member, with its name', async () => {
    const rows = await inAllPieces('{"a.1": {"n":1},"b\\"" :2, "ü":[]}', () => new JsonRows());
    assert.deepEqual(
      rows.map((row) => [readable(row.name ?? ''), textOf(row)]),
      [
        ['a.1', '{"n":1}'],
        ['b\\"', '2'],
        ['ü', '[]'],
      ],
    );
  });

  test('may be empty', async () => {
    for (const text of ['[]', ' [ ] ', '{}', '{\n}']) {
      assert.deepEqual(await inAllPieces(text, () => new JsonRows()), [], text);
    }
  });

  test('with a fault gives the rows before it and says where it is', async () => {
    const faults: [string, RegExp][] = [
      ['[1,2,]', /byte 6, behind row 2/],
      ['[1 2]', /byte 4, behind row 0/],
      ['[1,2', /behind row 1/],
      ['[1,{"a":]', /byte 9, behind row 1/],
      ['{"a" 1}', /byte 6/],
      ['{"a":1}{"a":2}', /byte 8, behind row 1.*--format ndjson/],
      ['12', /byte 1/],
      ['', /ends too early/],
    ];
    for (const [text, says] of faults) {
      for (const size of [3, 100]) {
        await assert.rejects(
          rowsIn(Buffer.from(text), new JsonRows(), size),
          (error) => error instanceof LatchkeyError && error.code === 'invalid-json' && says.test(error.message),
          `${text} in pieces of ${size}`,
        );
      }
    }
  });
});

describe('CSV', () => {
  const cells = (row: Row) => row.cells?.map(({ text }) => readable(text));

  test('is one row a line behind the names, with quotes, line breaks and doubled quotes as RFC 4180 has them', async () => {
    const text = 'id,"na me",note\r\n1,ü,"a, b"\r\n2,"he said ""no""","two\nlines"\r\n\r\n3,,\n';
    const rows = await inAllPieces(text, () => new CsvRows());
    assert.deepEqual(rows.map(cells), [
      ['1', 'ü', 'a, b'],
      ['2', 'he said "no"', 'two\nlines'],
      ['3', '', ''],
    ]);
    assert.equal(rows.at(-1)?.end, Buffer.byteLength(text));
    assert.deepEqual(
      rows.map(({ number }) => number),
      [1, 2, 3],
    );
  });

  test('takes the delimiter that the first line has, or the one that is named', async () => {
    assert.deepEqual((await inAllPieces('a;b,c\n1;2', () => new CsvRows(';'))).map(cells), [['1', '2']]);
    assert.deepEqual((await inAllPieces('a;b;c,d\n1;2;3', () => new CsvRows())).map(cells), [['1', '2', '3']]);
    assert.deepEqual((await inAllPieces('a\tb\n1\t2', () => new CsvRows())).map(cells), [['1', '2']]);
  });

  test('refuses a row that does not fit the names or has quotes out of place, and goes on', async () => {
    const rows = await inAllPieces('a,b\n1\n1,2,3\n1,"2"x\n1,2\n', () => new CsvRows());
    assert.deepEqual(
      rows.map(({ refusal }) => refusal?.message),
      [
        'The row has 1 cells, but the first line names 2 columns.',
        'The row has 3 cells, but the first line names 2 columns.',
        'The row has a quote inside a cell that is not quoted, or text behind a closing quote.',
        undefined,
      ],
    );
  });

  test('whose names say nothing is refused', async () => {
    for (const [head, says] of [
      ['a,a', /names "a" twice/],
      ['a,,b', /without a name/],
    ] as const) {
      await assert.rejects(rowsIn(Buffer.from(`${head}\n1,2\n`), new CsvRows(), 99), says);
    }
  });
});
