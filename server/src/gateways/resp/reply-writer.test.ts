import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ReplyWriter } from './reply-writer.ts';

function written(protocol: 2 | 3, write: (reply: ReplyWriter) => void): string {
  const reply = new ReplyWriter();
  reply.protocol = protocol;
  write(reply);
  return reply.take().toString();
}

describe('the reply writer', () => {
  it('writes what RESP3 has a form for as arrays and bulk strings in RESP2', () => {
    const all = (reply: ReplyWriter) => {
      reply.null();
      reply.nullArray();
      reply.map(1);
      reply.set(2);
      reply.push(3);
      reply.array(12);
      reply.verbatim('ü');
      reply.integer(-1);
      reply.integer(12345);
    };
    assert.equal(written(2, all), '$-1\r\n*-1\r\n*2\r\n*2\r\n*3\r\n*12\r\n$2\r\nü\r\n:-1\r\n:12345\r\n');
    assert.equal(written(3, all), '_\r\n_\r\n%1\r\n~2\r\n>3\r\n*12\r\n=6\r\ntxt:ü\r\n:-1\r\n:12345\r\n');
  });

  it('ends an error at its own end, whatever its text has', () => {
    assert.equal(
      written(2, (reply) => reply.error('ERR a\r\nb\nc')),
      '-ERR a  b c\r\n',
    );
  });

  it('writes bytes of any length as they are, with their length before them', () => {
    const seed = Number(process.env.LATCHKEY_SEED ?? Math.floor(Math.random() * 2 ** 31));
    const reply = new ReplyWriter();
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 40_000, size: 'max' }), { maxLength: 5 }), (list) => {
        for (const bytes of list) reply.bulk(Buffer.from(bytes));
        const wanted = Buffer.concat(
          list.flatMap((bytes) => [Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n')]),
        );
        assert.ok(reply.take().equals(wanted));
      }),
      { seed, numRuns: 60 },
    );
  });

  it('takes back what was written beyond a place', () => {
    const got = written(2, (reply) => {
      reply.ok();
      const { length } = reply;
      reply.array(3);
      reply.text('half');
      reply.truncate(length);
      reply.error('ERR x');
    });
    assert.equal(got, '+OK\r\n-ERR x\r\n');
  });
});
