/** A proxy in front of a server that swallows one change in so many, as a server with a bug would: what verify has to find. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { WebSocket, WebSocketServer } from 'ws';

export interface Swallowing {
  /** Of the changes by server-sent events; 0 swallows none. */
  readonly sseEvery: number;
  /** Of the frames with changes by WebSocket. */
  readonly websocketEvery: number;
}

export interface SwallowingProxy {
  readonly url: string;
  readonly swallowed: () => number;
}

class Swallower {
  readonly #every: number;
  #count = 0;
  swallowed = 0;

  constructor(every: number) {
    this.#every = every;
  }

  takes(isChange: boolean): boolean {
    if (!isChange || this.#every === 0) return false;
    this.#count += 1;
    if (this.#count % this.#every > 0) return false;
    this.swallowed += 1;
    return true;
  }
}

function passEvents(upstream: IncomingMessage, response: ServerResponse, swallower: Swallower): void {
  let rest = '';
  upstream.setEncoding('utf8');
  upstream.on('data', (text: string) => {
    const blocks = (rest + text).split('\n\n');
    rest = blocks.pop() as string;
    for (const block of blocks) {
      if (!swallower.takes(block.includes('\ndata: {"op"') && !block.includes('event:')))
        response.write(`${block}\n\n`);
    }
  });
  upstream.on('end', () => response.end());
}

function passSocket(client: WebSocket, server: string, swallower: Swallower): void {
  const upstream = new WebSocket(`${server.replace('http', 'ws')}/v1/watch`);
  const early: string[] = [];
  client.on('message', (data) => {
    if (upstream.readyState === WebSocket.OPEN) upstream.send(String(data));
    else early.push(String(data));
  });
  upstream.on('open', () => {
    for (const text of early) upstream.send(text);
  });
  upstream.on('message', (data) => {
    const text = String(data);
    if (!swallower.takes(text.includes('"changes":[{'))) client.send(text);
  });
  for (const [one, other] of [
    [client, upstream],
    [upstream, client],
  ] as const) {
    one.on('close', () => other.terminate());
    one.on('error', () => other.terminate());
  }
}

export async function swallowingProxy(
  scope: { after(done: () => unknown): void },
  server: string,
  { sseEvery, websocketEvery }: Swallowing,
): Promise<SwallowingProxy> {
  const events = new Swallower(sseEvery);
  const frames = new Swallower(websocketEvery);
  const http = createServer((incoming, response) => {
    const { headers, method } = incoming;
    const outgoing = request(`${server}${incoming.url}`, { headers, method: method ?? 'GET' }, (upstream) => {
      response.writeHead(upstream.statusCode as number, upstream.headers);
      response.flushHeaders();
      if (upstream.headers['content-type']?.startsWith('text/event-stream') === true) {
        passEvents(upstream, response, events);
      } else upstream.pipe(response);
      upstream.on('error', () => response.destroy());
    });
    outgoing.on('error', () => response.destroy());
    response.on('close', () => outgoing.destroy());
    incoming.pipe(outgoing);
  });
  const sockets = new WebSocketServer({ server: http });
  sockets.on('connection', (client) => passSocket(client, server, frames));
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  scope.after(() => {
    for (const client of sockets.clients) client.terminate();
    http.closeAllConnections();
    http.close();
  });
  const { port } = http.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, swallowed: () => events.swallowed + frames.swallowed };
}
