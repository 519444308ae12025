/**
 * The floor of fan-out, latency and idle memory: what anybody would write in an hour. LMDB put and flush, one `res.write` or
 * `ws.send` per watcher, nothing shared, nothing resumed, no limit. It takes the command line of `latchkey serve` and ignores most of it.
 */
import { createServer, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { open } from 'lmdb';
import { type WebSocket, WebSocketServer } from 'ws';

const { values } = parseArgs({
  options: { port: { type: 'string', default: '0' }, data: { type: 'string', default: '.' } },
  strict: false,
  allowPositionals: true,
});
const root = open<string, string>({
  path: join(String(values.data), 'naive.mdb'),
  noSubdir: true,
  encoding: 'string',
  overlappingSync: false,
});
const watchers = new Set<ServerResponse>();
const websocketWatchers = new Set<WebSocket>();
let offset = 0;

async function put(key: string, value: string): Promise<string> {
  await root.put(key, value);
  offset += 1;
  const event = `id: naive.${offset}\ndata: {"op":"put","key":"${key}","value":${value},"version":"naive.${offset}"}\n\n`;
  for (const watcher of watchers) watcher.write(event);
  if (websocketWatchers.size > 0) {
    const change = `{"op":"put","key":"${key}","value":${value},"version":"naive.${offset}"}`;
    const frame = `{"ref":"g1","changes":[${change}],"position":"naive.${offset}"}`;
    for (const watcher of websocketWatchers) watcher.send(frame);
  }
  return `{"outcome":"applied","version":"naive.${offset}"}`;
}

const server = createServer((request, response) => {
  const { method, url = '' } = request;
  if (method === 'PUT') {
    const key = url.slice('/v1/keys/'.length);
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => {
      body += text;
    });
    request.on('end', () => {
      put(key, body).then(
        (outcome) => response.end(outcome),
        (error) => response.writeHead(500).end(String(error)),
      );
    });
  } else if (url.startsWith('/v1/watch')) {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
    response.write(`event: synced\nid: naive.${offset}\ndata: {"position":"naive.${offset}"}\n\n`);
    watchers.add(response);
    response.on('close', () => watchers.delete(response));
  } else response.end('ok');
});
new WebSocketServer({ server }).on('connection', (websocket) => {
  websocket.on('message', () => {
    websocket.send(`{"op":"synced","id":1,"ref":"g1","position":"naive.${offset}"}`);
    websocketWatchers.add(websocket);
  });
  websocket.on('close', () => websocketWatchers.delete(websocket));
});
server.listen(Number(values.port), '127.0.0.1', () => {
  const { port } = server.address() as { port: number };
  process.stdout.write(`{"url":"http://127.0.0.1:${port}"}\n`);
});
