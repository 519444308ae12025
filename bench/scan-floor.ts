/**
 * The floor of reading much: LMDB alone, a range scan of so many values written to the socket, with nothing made of them. It takes
 * the command line of `latchkey serve` behind the number of values; `?limit=` reads fewer. The folder is filled if it is not yet.
 *
 *   node bench/scan-floor.ts VALUES serve --data FOLDER
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { open } from 'lmdb';
import { VALUE_TEXT } from './load.ts';

const { positionals, values } = parseArgs({
  options: { data: { type: 'string', default: '.' } },
  strict: false,
  allowPositionals: true,
});
const count = Number(positionals[0]);
const PAGE = 1000;
const root = open<Buffer, Buffer>({
  path: join(String(values.data), 'scan.mdb'),
  noSubdir: true,
  encoding: 'binary',
  keyEncoding: 'binary',
});

function keyOf(index: number): Buffer {
  const key = Buffer.alloc(8);
  key.writeBigUInt64BE(BigInt(index));
  return key;
}

async function fill(): Promise<void> {
  const value = Buffer.from(VALUE_TEXT);
  for (let first = 0; first < count; first += PAGE) {
    await root.batch(() => {
      for (let index = first; index < Math.min(count, first + PAGE); index += 1) void root.put(keyOf(index), value);
    });
  }
}

async function send(socket: Socket, limit: number): Promise<void> {
  socket.write('HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n');
  for (let first = 0; first < limit; first += PAGE) {
    const page: Buffer[] = [];
    for (const { value } of root.getRange({ start: keyOf(first), end: keyOf(Math.min(limit, first + PAGE)) }))
      page.push(value);
    if (!socket.write(Buffer.concat(page))) await once(socket, 'drain');
  }
  socket.write('\nevent: synced\n');
}

if (root.getKeysCount() < count) await fill();
const server = createServer(({ socket, url = '/' }, response) => {
  const { pathname, searchParams } = new URL(url, 'http://localhost');
  if (pathname !== '/v1/watch') response.end('ok');
  else send(socket, Number(searchParams.get('limit') ?? count)).catch((error) => socket.destroy(error as Error));
});
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as { port: number };
  process.stdout.write(`{"url":"http://127.0.0.1:${port}"}\n`);
});
