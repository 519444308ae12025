import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ask, get, put } from '../support/http-client.ts';
import { RawSocket } from '../support/raw-socket.ts';
import { type Scope, ServerProcess } from '../support/server-process.ts';
import { type Frame, WebSocketClient } from '../support/websocket-client.ts';

const MIB = 1024 * 1024;
const TEXT = 1;
const BINARY = 2;
const CLOSE = 8;
const PING = 9;

/** One frame as a client sends it, masked unless told otherwise. */
function frame(
  payload: string | Buffer,
  options: { opcode?: number; isLast?: boolean; isMasked?: boolean } = {},
): Buffer {
  const { isLast = true, isMasked = true, opcode = TEXT } = options;
  const data = Buffer.from(payload as string);
  const length = data.length;
  const head =
    length < 126
      ? Buffer.from([0, length])
      : length < 65_536
        ? Buffer.from([0, 126, length >> 8, length & 255])
        : Buffer.concat([Buffer.from([0, 127, 0, 0, 0, 0]), uint32(length)]);
  head[0] = (isLast ? 0x80 : 0) | opcode;
  if (!isMasked) return Buffer.concat([head, data]);
  head[1] = (head[1] as number) | 0x80;
  const mask = Buffer.from([1, 2, 3, 4]);
  return Buffer.concat([head, mask, data.map((byte, index) => byte ^ (mask[index % 4] as number))]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

async function shakeHands(server: ServerProcess, scope: Scope, headers = ''): Promise<RawSocket> {
  const socket = await RawSocket.open(server.port, scope);
  socket.write(
    `GET /v1/watch HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${Buffer.alloc(16, 7).toString('base64')}\r\n${headers}\r\n`,
  );
  await socket.until('\r\n\r\n');
  return socket;
}

/** The close code that stands behind everything else that was heard. */
async function closeCode(socket: RawSocket): Promise<number> {
  const heard = Buffer.from(await socket.end(), 'latin1');
  const at = heard.lastIndexOf(0x80 | CLOSE);
  return heard.readUInt16BE(at + 2);
}

describe('a WebSocket client that means no good', () => {
  let server: ServerProcess;
  before(async () => {
    server = await ServerProcess.start();
  });
  after(() => server.dispose());

  const broken: readonly (readonly [string, number, readonly Buffer[]])[] = [
    ['bytes that are no frame', 1002, [Buffer.alloc(64, 0xff)]],
    ['a frame that is not masked', 1002, [frame('{"op":"ping"}', { isMasked: false })]],
    ['text that is not UTF-8', 1007, [frame(Buffer.from([0xff, 0xfe, 0xfd]))]],
    ['a continuation of nothing', 1002, [frame('x', { opcode: 0 })]],
    ['a message that begins within another', 1002, [frame('{"op":', { isLast: false }), frame('{"op":"ping"}')]],
    ['an opcode that does not exist', 1002, [frame('x', { opcode: 5 })]],
    ['a ping of more than 125 bytes', 1002, [frame('x'.repeat(126), { opcode: PING })]],
    ['a ping in pieces', 1002, [frame('x', { opcode: PING, isLast: false })]],
    ['a close code that nobody may send', 1002, [frame(Buffer.from([3, 237]), { opcode: CLOSE })]],
    ['a frame bigger than limits.bodyBytesMax', 1009, [frame(Buffer.alloc(8 * MIB + 1, 0x20))]],
    [
      'a message bigger than limits.bodyBytesMax in pieces',
      1009,
      Array.from({ length: 9 }, (_, index) =>
        frame(Buffer.alloc(MIB, 0x20), { isLast: false, opcode: index === 0 ? TEXT : 0 }),
      ),
    ],
  ];
  for (const [name, code, frames] of broken) {
    test(`${name} closes its connection with ${code}`, async (t) => {
      const socket = await shakeHands(server, t);
      for (const bytes of frames) socket.write(bytes);
      assert.equal(await closeCode(socket), code);
    });
  }

  test('a frame that announces 2^62 bytes closes its connection without a byte being kept for it', async (t) => {
    const socket = await shakeHands(server, t);
    socket.write(Buffer.from([0x81, 0xff, 0x40, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4]));
    assert.equal(await closeCode(socket), 1009);
  });

  test('a command in a thousand pieces, with pings between them, is one command', async (t) => {
    const socket = await shakeHands(server, t);
    const text = JSON.stringify({ op: 'put', id: 1, key: 'pieces', value: 'x'.repeat(1000) });
    for (const [index, character] of Array.from(text).entries()) {
      socket.write(frame(character, { opcode: index === 0 ? TEXT : 0, isLast: index === text.length - 1 }));
      if (index % 100 === 0) socket.write(frame('', { opcode: PING }));
    }
    await socket.until('"outcome":"applied"');
    assert.equal((await get(server.url, 'pieces')).text, JSON.stringify('x'.repeat(1000)));
  });

  test('a binary frame and one that is not JSON are refused, and the connection goes on', async (t) => {
    const socket = await shakeHands(server, t);
    socket.write(frame(Buffer.from([0, 1, 2]), { opcode: BINARY }));
    socket.write(frame('nonsense'));
    socket.write(frame('\0'));
    socket.write(frame(`{"op":"watch","id":1,"filter":${'['.repeat(1_000_000)}`));
    socket.write(frame('{"op":"ping","id":"still here"}'));
    const heard = await socket.until('still here');
    assert.equal(heard.match(/"code":"frame-invalid"/g)?.length, 4, heard);
  });

  test('compression that a client offers is not taken up', async (t) => {
    const socket = await shakeHands(server, t, 'Sec-WebSocket-Extensions: permessage-deflate\r\n');
    assert.doesNotMatch(socket.heard, /permessage-deflate/i);
    socket.write(Buffer.concat([Buffer.from([0xc1]), frame('x').subarray(1)]));
    assert.equal(await closeCode(socket), 1002);
  });

  test('watches beyond limits.watchesPerConnectionMax are refused, the others live, and all go with the connection', async () => {
    const client = await WebSocketClient.open(server.url);
    for (let id = 0; id < 5000; id += 1) client.send({ op: 'watch', id, filter: { keys: [`many.${id}`] } });
    client.send({ op: 'ping', id: 'last' });
    await client.until('pong', ({ op }) => op === 'pong');
    const errors = client.frames.filter(({ op }) => op === 'error');
    assert.deepEqual([errors.length, new Set(errors.map(({ code }) => code))], [4000, new Set(['too-many-watches'])]);
    await put(server.url, 'many.999', 1);
    await client.until('the change of the last watch', ({ changes }) =>
      JSON.stringify(changes ?? '').includes('many.999'),
    );
    client.close();
    await client.untilClosed();
    for (;;) {
      const { feed } = (await ask(`${server.url}/v1/status`)).json as { feed: Frame };
      if (feed.watchers === 0 && feed.groups === 0) break;
    }
  });

  test('a watch of the same id again and again is one watch', async () => {
    const client = await WebSocketClient.open(server.url);
    for (let round = 0; round < 1000; round += 1) {
      client.send({ op: 'watch', id: 1, filter: {}, from: 'now' });
      client.send({ op: 'unwatch', id: 1 });
    }
    client.send({ op: 'watch', id: 1, filter: {}, from: 'now' });
    client.send({ op: 'ping', id: 'last' });
    await client.until('pong', ({ op }) => op === 'pong');
    assert.equal(client.frames.filter(({ op }) => op === 'watching').length, 1001);
    const { feed } = (await ask(`${server.url}/v1/status`)).json as { feed: Frame };
    assert.equal(feed.watchers, 1);
    client.close();
  });

  test('a client that sends commands and reads nothing is read no further, and costs no memory', async (t) => {
    const socket = await shakeHands(server, t);
    await put(server.url, 'big', 'x'.repeat(100_000));
    const before = server.residentBytes();
    socket.socket.pause();
    // 50,000 answers of 100 KB each would be 5 GB.
    const reads = Buffer.concat(Array.from({ length: 500 }, () => frame('{"op":"read","id":1,"key":"big"}')));
    for (let sent = 0; sent < 100; sent += 1) socket.write(reads);
    for (let index = 0; index < 300; index += 1) assert.equal((await put(server.url, 'other', index)).status, 200);
    const grown = server.residentBytes() - before;
    assert.ok(grown < 200 * MIB, `grew by ${Math.round(grown / MIB)} MiB`);
  });

  test('after all of that the server is ready and its log has no fault', async () => {
    assert.equal((await ask(`${server.url}/ready`)).status, 200);
    assert.deepEqual(
      server.records.filter(({ level }) => level === 'error' || level === 'warn'),
      [],
    );
  });
});
