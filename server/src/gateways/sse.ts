/**
 * `/v1/watch` as server-sent events: one watch per connection, which the feed's bytes go to as they are.
 *
 * The body is delimited by closing the connection, not chunked, so that the buffer a group shares is written to each socket
 * without a copy. The high-water mark is Node's own, 64 KiB: one chunk of the feed, so a member is at most one chunk ahead of
 * its socket. A client that vanished without a word is found by TCP keep-alive and by `progress` that nobody acknowledges.
 *
 * Invariant: a socket handed over here has exactly one open watch, and both end together.
 */
import type { Socket } from 'node:net';
import { LatchkeyError, quote } from '@latchkey/client';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Outlet, Watch } from '../feed/feed.ts';
import { STATUS_CODES } from '../shared/node-http.ts';
import { catchingUp } from './catching-up.ts';
import { detachSocket, readToEnd } from './detach.ts';
import type { Core, Gateway } from './gateway.ts';
import { principalOf } from './principal.ts';
import { bodyOf, headerOf } from './rest-request.ts';
import { sseCodec } from './sse-codec.ts';
import { type WatchQuery, watchBodyOf, watchQueryOf } from './watch-query.ts';

const RETRY_LEAST_MS = 1000;
const RETRY_SPREAD_MS = 2000;
/** Headers that this answer decides on itself. */
const OWN_HEADERS = new Set([
  'content-type',
  'cache-control',
  'x-accel-buffering',
  'connection',
  'content-length',
  'date',
]);

/** `random` spreads the clients that come back after a restart; 0 ≤ x < 1. */
export function makeSseGateway(random: () => number = Math.random): Gateway {
  return {
    name: 'sse',
    register(http, core) {
      registerRoutes(http, core, random);
    },
  };
}

function registerRoutes(http: FastifyInstance, core: Core, random: () => number): void {
  const queryOf = (request: FastifyRequest) => watchQueryOf(request.raw.url as string, lastEventIdOf(request));
  http.get('/v1/watch', { exposeHeadRoute: false }, (request, reply) =>
    watch(core, request, reply, queryOf(request), random),
  );
  http.head('/v1/watch', (request, reply) => {
    queryOf(request);
    // The length is not known before the stream ends, so none is named.
    return reply.headers(watchHeaders(reply)).removeHeader('content-length').send();
  });
  http.post('/v1/watch', (request, reply) => {
    refuseQuery(request.raw.url as string);
    return watch(core, request, reply, watchBodyOf(bodyOf(request), lastEventIdOf(request)), random);
  });
}

async function watch(
  core: Core,
  request: FastifyRequest,
  reply: FastifyReply,
  query: WatchQuery,
  random: () => number,
): Promise<FastifyReply> {
  if (!(await readToEnd(request.raw))) return reply.hijack();
  await reached(core, request.raw.socket, query.from);
  const retryMs = RETRY_LEAST_MS + Math.floor(random() * RETRY_SPREAD_MS);
  const connection = new SseConnection(request.raw.socket, `${headOf(reply, core)}retry: ${retryMs}\n\n`);
  // What the feed refuses is thrown before it wrote anything, and is answered like any other refusal.
  connection.watch = core.feed.watch({ ...query, principal: principalOf(request), codec: sseCodec }, connection);
  reply.hijack();
  detachSocket(request.raw, reply.raw);
  connection.listen();
  return reply;
}

/** @throws LatchkeyError `position-ahead`, `not-ready` */
async function reached(core: Core, socket: Socket, from: WatchQuery['from']): Promise<void> {
  const gone = new AbortController();
  const waiting = catchingUp(core.log, from, gone.signal);
  if (waiting === undefined) return;
  const leave = () => gone.abort();
  socket.once('close', leave);
  try {
    await waiting;
  } finally {
    socket.off('close', leave);
  }
}

class SseConnection implements Outlet {
  readonly id = '';
  readonly #socket: Socket;
  #head: string | undefined;
  #isFull = false;
  #isOver = false;
  watch: Watch | undefined;

  constructor(socket: Socket, head: string) {
    this.#socket = socket;
    this.#head = head;
  }

  write(bytes: Buffer): boolean {
    if (this.#isOver) return true;
    if (this.#head !== undefined) {
      this.#socket.write(this.#head, 'latin1');
      this.#head = undefined;
    }
    if (bytes.length === 0) return !this.#socket.writableNeedDrain;
    this.#isFull = !this.#socket.write(bytes);
    return !this.#isFull;
  }

  end(code: 'closing' | 'stalled'): void {
    this.#isOver = true;
    // Nothing that is queued for a stalled socket will be read; what its kernel holds already still arrives.
    if (code === 'stalled') this.#socket.destroy();
    else this.#socket.end();
  }

  listen(): void {
    const socket = this.#socket;
    socket.on('drain', () => this.#drained());
    // Without a listener the end of the stream would never be seen: nothing else reads it. What comes is thrown away.
    socket.on('data', () => {});
    socket.on('end', () => socket.destroy());
    // What broke is told by `close` as well; the reason concerns nobody.
    socket.on('error', () => {});
    socket.on('close', () => this.#close());
    socket.resume();
    if (socket.destroyed) this.#close();
  }

  #drained(): void {
    if (!this.#isFull || this.#isOver) return;
    this.#isFull = false;
    this.watch?.drained();
  }

  #close(): void {
    this.#isOver = true;
    this.watch?.close();
  }
}

function watchHeaders(reply: FastifyReply): Record<string, string> {
  const headers: Record<string, string> = {};
  // Whatever the listener's hooks decided, such as CORS.
  for (const [name, value] of Object.entries(reply.getHeaders())) {
    if (!OWN_HEADERS.has(name) && value !== undefined) headers[name] = String(value);
  }
  headers['content-type'] = 'text/event-stream';
  headers['cache-control'] = 'no-cache, no-transform';
  headers['x-accel-buffering'] = 'no';
  headers.connection = 'close';
  return headers;
}

function headOf(reply: FastifyReply, core: Core): string {
  const date = new Date(core.clock.nowMicros() / 1000).toUTCString();
  const lines = Object.entries({ ...watchHeaders(reply), date }).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 200 ${STATUS_CODES[200]}\r\n${lines.join('')}\r\n`;
}

function refuseQuery(url: string): void {
  const name = url.split('?')[1]?.split(/[=&]/, 1)[0];
  if (name === undefined || name === '') return;
  const message = `POST /v1/watch has no parameter ${quote(name)}; it takes keys, prefixes, patterns, from and values in its body.`;
  throw new LatchkeyError('unknown-field', message, { field: name });
}

function lastEventIdOf(request: FastifyRequest): string | undefined {
  return headerOf(request, 'last-event-id');
}
