/**
 * Hands the requests of a page on to the server, and stands in for it while it is away. A browser prints a line in red for every
 * connection that fails, whatever the page's script makes of it; so a stream that can't be had is not left to fail, it is opened and
 * ended by the rules of its protocol, with the word that says "later". The page is told the same, and shows it.
 *
 * Invariant: nothing is made up: a stream that is opened here carries no event, and every other request is answered with 503.
 */
import { createHash } from 'node:crypto';
import { type IncomingMessage, type ServerResponse, request as sendRequest } from 'node:http';
import { connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';

const RETRY_AFTER_MS = 1000;
/** RFC 6455, section 1.3. */
const WEBSOCKET_GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
/** "Try again later", in the registry of close codes of RFC 6455. */
const TRY_AGAIN_LATER = 1013;

export function forward(request: IncomingMessage, response: ServerResponse, server: URL): void {
  const { headers, method, url } = request;
  const asked = sendRequest({ host: server.hostname, port: server.port, method, path: url, headers }, (answer) => {
    const isStream = /^text\/event-stream\b/.test(answer.headers['content-type'] ?? '');
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    response.flushHeaders();
    answer.on('data', (bytes: Buffer) => {
      if (response.write(bytes)) return;
      answer.pause();
      response.once('drain', () => answer.resume());
    });
    answer.on('end', () => response.end());
    // An event stream may end anywhere, and is resumed; any other body that breaks off must look broken.
    answer.on('error', () => (isStream ? response.end() : response.destroy()));
  });
  asked.on('error', () => {
    if (!response.headersSent) refuse(request, response);
  });
  response.on('close', () => asked.destroy());
  request.pipe(asked);
}

function refuse(request: IncomingMessage, response: ServerResponse): void {
  if (request.headers.accept?.includes('text/event-stream')) {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    response.end(`retry: ${RETRY_AFTER_MS}\n\n`);
    return;
  }
  const message = 'The server is away; ask again in a second.';
  response.writeHead(503, { 'content-type': 'application/json', 'retry-after': String(RETRY_AFTER_MS / 1000) });
  response.end(JSON.stringify({ error: { code: 'unavailable', message } }));
}

/** The same for a WebSocket: its bytes go through as they are. */
export function forwardUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer, server: URL): Socket {
  let isConnected = false;
  const upstream = connect(Number(server.port), server.hostname, () => {
    isConnected = true;
    const { method, rawHeaders, url } = request;
    const lines = Array.from(
      { length: rawHeaders.length / 2 },
      (_, at) => `${rawHeaders[at * 2]}: ${rawHeaders[at * 2 + 1]}`,
    );
    upstream.write(`${method} ${url} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`);
    upstream.write(head);
    upstream.pipe(socket);
    socket.pipe(upstream);
  });
  upstream.on('error', () => {
    if (isConnected) socket.end();
    else sayLater(request, socket);
  });
  socket.on('error', () => upstream.destroy());
  socket.on('close', () => upstream.destroy());
  return upstream;
}

function sayLater(request: IncomingMessage, socket: Duplex): void {
  const key = request.headers['sec-websocket-key'] ?? '';
  const accept = createHash('sha1').update(`${key}${WEBSOCKET_GUID}`).digest('base64');
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
  );
  const frame = Buffer.from([0x88, 2, 0, 0]);
  frame.writeUInt16BE(TRY_AGAIN_LATER, 2);
  socket.end(frame);
  socket.resume();
}
