import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SseParser } from '@latchkey/client';
import fc from 'fast-check';
import type { CodecContext } from '../feed/feed.ts';
import type { Change } from '../shared/change.ts';
import { EpochTable } from '../shared/epochs.ts';
import { commandLogCodec } from './kv-store-subscribe.ts';
import { PutNumbers } from './put-numbers.ts';
import { sseCodec } from './sse-codec.ts';
import { behindFrame, frameKind, ownFrame, refOf, textFrame, websocketCodec } from './websocket-codec.ts';

const context: CodecContext = {
  epochs: new EpochTable([{ id: 'aaaa', first: [1] }]),
  ref: 'g7',
  filterHash: 'abc123',
  withValues: true,
};

function change(offset: number, more: Partial<Change> = {}): Change {
  return {
    op: 'put',
    key: `k${offset}`,
    partition: 0,
    offset,
    previous: 0,
    valueOffset: offset,
    value: { kind: 'json', data: `${offset}` },
    updated: { micros: 0, text: '1970-01-01T00:00:00Z' },
    decided: 0,
    ...more,
  };
}

/** The payloads of whole frames that follow each other, by the letter of RFC 6455 §5.2. */
function payloads(bytes: Buffer): readonly string[] {
  const texts: string[] = [];
  let at = 0;
  while (at < bytes.length) {
    assert.equal(bytes[at], 0x81, 'an unfragmented text frame');
    const short = bytes[at + 1] as number;
    assert.ok(short < 128, 'not masked');
    const [start, length] =
      short < 126
        ? [at + 2, short]
        : short === 126
          ? [at + 4, bytes.readUInt16BE(at + 2)]
          : [at + 10, Number(bytes.readBigUInt64BE(at + 2))];
    texts.push(bytes.toString('utf8', start, start + length));
    at = start + length;
  }
  return texts;
}

describe('sse codec', () => {
  test('a change is an unnamed event with the position after it', () => {
    const bytes = sseCodec.live([change(1), change(2)], ['aaaa.1;abc123', 'aaaa.2;abc123'], context);
    assert.equal(
      bytes.toString(),
      'id: aaaa.1;abc123\ndata: {"op":"put","key":"k1","value":1,"version":"aaaa.1","updated":"1970-01-01T00:00:00Z"}\n\n' +
        'id: aaaa.2;abc123\ndata: {"op":"put","key":"k2","value":2,"version":"aaaa.2","updated":"1970-01-01T00:00:00Z"}\n\n',
    );
  });

  test('control events are named and carry the position; bye carries none, and conflated the one before it', () => {
    const text = (event: Parameters<typeof sseCodec.control>[1]) => sseCodec.control('', event, context).toString();
    assert.equal(
      text({ op: 'synced', position: 'aaaa.1' }),
      'id: aaaa.1\nevent: synced\ndata: {"position":"aaaa.1"}\n\n',
    );
    assert.equal(text({ op: 'bye', afterMs: 500 }), 'event: bye\ndata: {"afterMs":500}\n\n');
    assert.match(text({ op: 'conflated', from: 'aaaa.1', to: 'aaaa.9' }), /^id: aaaa\.1\nevent: conflated\n/);
    assert.equal(text({ op: 'behind', position: 'aaaa.1' }), '');
  });

  test('whatever a key or value holds, one event comes out as one event', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary' }),
        fc.json(),
        fc.constantFrom('\n', '\r', '\r\n', ' '),
        (key, json, gap) => {
          const value = { kind: 'json', data: `${gap}[${gap}${json}${gap},${gap}1]${gap}` } as const;
          const events = new SseParser().push(sseCodec.live([change(1, { key, value })], ['aaaa.1'], context));
          assert.equal(events.length, 1);
          const seen = JSON.parse(events[0]?.data ?? '') as { key: string; value: unknown[] };
          assert.equal(seen.key, key.toWellFormed());
          assert.deepEqual(seen.value, [JSON.parse(json), 1]);
        },
      ),
      { verbose: true },
    );
  });
});

describe('websocket codec', () => {
  test('a frame’s header says its length in the shortest form', () => {
    for (const length of [0, 1, 122, 123, 125, 126, 127, 65_535, 65_536, 200_000]) {
      const text = 'x'.repeat(length);
      const frame = textFrame(text);
      assert.deepEqual(payloads(frame), [text]);
      assert.equal(frame.length - length, length < 126 ? 2 : length < 65_536 ? 4 : 10);
    }
    assert.deepEqual(payloads(textFrame('é🜂')), ['é🜂']);
  });

  test('live frames carry the group’s ref, others the watch’s id', () => {
    const live = payloads(websocketCodec.live([change(1), change(2)], ['aaaa.1', 'aaaa.2'], context));
    assert.equal(live.length, 1);
    const shared = JSON.parse(live[0] as string) as Record<string, unknown>;
    assert.deepEqual([shared.ref, shared.id, shared.position], ['g7', undefined, 'aaaa.2']);
    assert.equal((shared.changes as unknown[]).length, 2);
    const own = JSON.parse(payloads(websocketCodec.behind('"w"', [change(1)], ['aaaa.1'], context))[0] as string);
    assert.deepEqual([own.ref, own.id, own.position], [undefined, 'w', 'aaaa.1']);
  });

  test('the answer to watch is in front of opened', () => {
    const opened = { op: 'opened', position: 'aaaa.0', epoch: 'aaaa', node: 'n' } as const;
    assert.deepEqual(payloads(websocketCodec.control('1', opened, context)), [
      '{"op":"watching","id":1,"ref":"g7"}',
      '{"op":"opened","id":1,"position":"aaaa.0","epoch":"aaaa","node":"n"}',
    ]);
  });

  test('each kind of frame is told from its first bytes, at any length and whatever the id', () => {
    for (const id of ['1', '"{\\"ref\\":"', `"${'x'.repeat(120)}"`]) {
      const control = (event: Parameters<typeof websocketCodec.control>[1]) =>
        websocketCodec.control(id, event, context);
      const synced = control({ op: 'synced', position: 'aaaa.1' });
      assert.equal(frameKind(synced), 'synced');
      assert.equal(refOf(synced), 'g7');
      assert.equal(frameKind(control({ op: 'behind', position: 'aaaa.1' })), 'behind');
      assert.equal(frameKind(behindFrame(id, 'aaaa.1')), 'behind');
      assert.equal(frameKind(control({ op: 'reset', reason: 'epoch', position: 'aaaa.1' })), 'own');
      assert.equal(frameKind(control({ op: 'conflated', from: 'aaaa.1', to: 'aaaa.2' })), 'own');
      assert.equal(frameKind(control({ op: 'progress', position: 'aaaa.1' })), 'other');
      for (const length of [1, 40, 130, 70_000]) {
        const put = change(1, { value: { kind: 'json', data: `"${'x'.repeat(length)}"` } });
        const live = websocketCodec.live([put], ['aaaa.1'], context);
        assert.equal(frameKind(live), 'live');
        const own = ownFrame(id, live);
        assert.equal(frameKind(own), 'own');
        assert.deepEqual(own, websocketCodec.behind(id, [put], ['aaaa.1'], context));
      }
    }
  });
});

describe('kv-store codec', () => {
  const shown = ({ data }: { readonly data: string | Buffer }) => String(data);

  test('each put is a frame of its own, in the form of the original; nothing else is shown', () => {
    const codec = commandLogCodec(new PutNumbers(), shown);
    const city = change(4, {
      key: 'City',
      value: { kind: 'text', data: 'A<b>', contentType: 'text/plain' },
      origin: 'http:127.0.0.1:50412',
    });
    const removed = change(5, { op: 'remove', value: undefined, reason: 'deleted' });
    const stale = change(6, { op: 'stale' });
    const other = change(7, { key: 'Other', origin: 'kafka:t/0@1' });
    assert.deepEqual(payloads(codec.live([city, removed, stale, other], [], context)), [
      '{"Topic":"command-log","Partition":0,"Offset":0,"Key":"Client address=127.0.0.1:50412","Value":"City: A\\u003cb\\u003e"}',
      '{"Topic":"command-log","Partition":0,"Offset":1,"Key":"Client address=kafka:t/0@1","Value":"Other: 7"}',
    ]);
    assert.equal(codec.control('', { op: 'synced', position: 'aaaa.1' }, context).length, 0);
  });

  test('a put has one number, whoever asks first and however often', () => {
    const numbers = new PutNumbers();
    const puts = Array.from({ length: 10 }, (_, index) => change(index * 3 + 1));
    numbers.see(puts.slice(0, 5));
    assert.deepEqual(
      puts.slice(3).map((put) => numbers.of(put)),
      [3, 4, 5, 6, 7, 8, 9],
    );
    numbers.see(puts);
    assert.deepEqual(
      puts.map((put) => numbers.of(put)),
      [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
    );
    assert.equal(numbers.of(change(1, { partition: 1 })), 10);
  });

  test('it remembers a bounded number of puts', () => {
    const numbers = new PutNumbers();
    for (let offset = 1; offset <= 200_000; offset += 1) numbers.of(change(offset));
    assert.equal(numbers.of(change(200_000)), 199_999);
    assert.equal(numbers.of(change(150_000)), 149_999);
    assert.ok(numbers.of(change(1)) > 0);
  });
});
