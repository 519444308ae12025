/**
 * The floor of fan-out: what the kernel allows. Bare TCP sockets, nothing kept: a PUT, or a POST of NDJSON puts, is answered at once,
 * and every 5 ms what came since goes out as one buffer to all watchers. It takes the command line of `latchkey serve` and ignores
 * most of it.
 */
import { createServer, type Socket } from 'node:net';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: { port: { type: 'string', default: '0' } },
  strict: false,
  allowPositionals: true,
});
const TICK_MS = 5;
const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}';
/** A line as the load writes it. */
const COMMAND = /\{"op":"put","key":"([^"]*)","value":(.*)\}\n/g;
const watchers = new Set<Socket>();
let offset = 0;
let text = '';

/** As many bytes as Latchkey's event of the same change. */
function emit(key: string, value: string): void {
  offset += 1;
  const place = `bare0000.${offset}`;
  text += `id: ${place};000000\ndata: {"op":"put","key":"${key}","value":${value},"version":"${place}","updated":"2026-01-01T00:00:00.000000Z"}\n\n`;
}

/** Answers one whole request and says how long it was; 0 while it is not whole. */
function take(socket: Socket, request: string): number {
  const headEnd = request.indexOf('\r\n\r\n');
  if (headEnd < 0) return 0;
  const length = headEnd + 4 + Number(/content-length: (\d+)/i.exec(request.slice(0, headEnd))?.[1] ?? 0);
  if (request.length < length) return 0;
  if (request.startsWith('GET /v1/watch')) {
    socket.write(
      `HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\nid: bare000.${offset};000000\nevent: synced\n\n`,
    );
    watchers.add(socket);
    return length;
  }
  socket.write(OK);
  const body = request.slice(headEnd + 4, length);
  if (request.startsWith('PUT ')) emit(request.slice('PUT /v1/keys/'.length, request.indexOf(' ', 5)), body);
  if (request.startsWith('POST ')) {
    for (const [, key, value] of body.matchAll(COMMAND)) emit(key as string, value as string);
  }
  return length;
}

const server = createServer({ noDelay: true }, (socket) => {
  let rest = '';
  socket.setEncoding('latin1').on('data', (bytes: string) => {
    rest += bytes;
    for (let taken = take(socket, rest); taken > 0; taken = take(socket, rest)) rest = rest.slice(taken);
  });
  socket.on('error', () => {});
  socket.on('close', () => watchers.delete(socket));
});
setInterval(() => {
  if (text === '') return;
  const chunk = Buffer.from(text);
  text = '';
  for (const watcher of watchers) if (!watcher.writableNeedDrain) watcher.write(chunk);
}, TICK_MS);
server.listen(Number(values.port), '127.0.0.1', () => {
  const { port } = server.address() as { port: number };
  process.stdout.write(`{"url":"http://127.0.0.1:${port}"}\n`);
});
