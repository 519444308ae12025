/**
 * Stands between the sockets and the HTTP server: counts connections, refuses those past the limit, answers what is not HTTP,
 * and hands upgrades to the gateways that registered for their path. It knows nothing of routes or data.
 *
 * Invariant: every socket in `#sockets` is open, and there are at most `connectionsMax` of them.
 */
import type { IncomingMessage, RequestListener, Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { LatchkeyError, quote } from '@latchkey/client';
import type { Settings } from '../config/settings.ts';
import { createServer } from '../shared/node-http.ts';
import type { UpgradeHandler } from './gateway.ts';
import { rawAnswer } from './http-error.ts';
import { checkHost, isOriginAllowed, originRefused, pathOf } from './http-origin.ts';

export interface HttpTimeouts {
  /** Until the headers of a request are complete; also for a connection that never sends one. */
  readonly headersMs: number;
  /** Until the whole request, body included, is there. */
  readonly requestMs: number;
  /** How often both are looked at. */
  readonly checkMs: number;
  /** An idle connection is kept for the next request. */
  readonly keepAliveMs: number;
  /** A refused connection, or the rest of a refused body, is read and thrown away this long, so that the answer arrives. */
  readonly lingerMs: number;
}

export const HTTP_TIMEOUTS: HttpTimeouts = {
  headersMs: 10_000,
  requestMs: 120_000,
  checkMs: 1000,
  keepAliveMs: 75_000,
  lingerMs: 2000,
};

/** Request line and headers together; Node's parser stops there. Less than what one read of a socket brings: see `clientError`. */
const HEADER_BYTES_MAX = 32 * 1024;
/** A key is at most 1 KiB, thrice that when encoded; more in a URL is a filter, which can be posted. */
export const URL_LENGTH_MAX = 16 * 1024;
/** Refused connections that may still linger; past it they are cut without an answer. */
const REFUSED_MAX = 256;
const TCP_KEEP_ALIVE_MS = 60_000;

/** What Node's parser reports; `rawPacket` is the packet in which it gave up. */
interface ParserError {
  readonly code?: string;
  readonly rawPacket?: unknown;
}

export class HttpSockets {
  readonly server: Server;
  readonly #settings: Settings;
  readonly #timeouts: HttpTimeouts;
  readonly #sockets = new Set<Socket>();
  readonly #upgrades = new Map<string, UpgradeHandler>();
  /** Sockets that have been given their last answer. */
  readonly #ending = new WeakSet<Duplex>();
  #refused = 0;

  constructor(settings: Settings, timeouts: HttpTimeouts, listener: RequestListener) {
    this.#settings = settings;
    this.#timeouts = timeouts;
    this.server = createServer(
      {
        headersTimeout: timeouts.headersMs,
        requestTimeout: timeouts.requestMs,
        connectionsCheckingInterval: timeouts.checkMs,
        keepAliveTimeout: timeouts.keepAliveMs,
        maxHeaderSize: HEADER_BYTES_MAX,
        // The Host check refuses a missing one itself, in our form of an error.
        requireHostHeader: false,
        // Finds watchers whose machine went without a word.
        keepAlive: true,
        keepAliveInitialDelay: TCP_KEEP_ALIVE_MS,
        noDelay: true,
        // `curl --http2` offers h2c, which a server may ignore.
        shouldUpgradeCallback: (request) => request.headers.upgrade?.toLowerCase() === 'websocket',
      },
      (request, response) => {
        // Node gives the socket to one answer at a time. A pipelined request waits for its own: it sees what the one before wrote,
        // and a thousand of them, sent in one packet by a client that reads nothing, do not hold a thousand big answers.
        if (response.socket !== null) listener(request, response);
        else response.once('socket', () => listener(request, response));
      },
    );
    this.#guardConnections();
    this.server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head));
    this.server.on('checkContinue', (request, response) => {
      // Who asks before sending a body that is too big is told before it is sent.
      if (!(Number(request.headers['content-length']) > settings.limits.bodyBytesMax)) response.writeContinue();
      this.server.emit('request', request, response);
    });
  }

  get connections(): number {
    return this.#sockets.size;
  }

  onUpgrade(path: string, handler: UpgradeHandler): void {
    if (this.#upgrades.has(path)) throw new Error(`two gateways registered for upgrades of ${path}`);
    this.#upgrades.set(path, handler);
  }

  /** For sockets on which Node's parser gave up. */
  onClientError(error: ParserError, socket: Duplex): void {
    // The parser gives up again on whatever else comes while the answer is on its way.
    if (this.#ending.has(socket)) return;
    if (error.code === 'ECONNRESET' || !socket.writable || hasAnswerUnderWay(socket)) {
      socket.destroy();
      return;
    }
    this.#endWith(socket, rawAnswer(clientError(error, this.#timeouts)));
  }

  /** Resolves once no connection is open; new ones MUST NOT be accepted any more. */
  async whenEmpty(): Promise<void> {
    for (const socket of this.#sockets) {
      await new Promise<void>((resolve) => socket.once('close', () => resolve()));
    }
  }

  /** Closes connections without a request under way, those included that never sent a byte, which Node counts as busy. */
  closeIdle(): void {
    this.server.closeIdleConnections();
    for (const socket of this.#sockets) if (socket.bytesRead === 0) socket.destroy();
  }

  destroyAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  // Node's own maxConnections drops without a word; its listener is wrapped so that a refused socket never reaches the parser,
  // which could still carry out a request from it.
  #guardConnections(): void {
    const listeners = this.server.listeners('connection') as ((socket: Socket) => void)[];
    this.server.removeAllListeners('connection');
    const { connectionsMax } = this.#settings.limits;
    const forget = (socket: Socket) => this.#sockets.delete(socket);
    this.server.on('connection', (socket: Socket) => {
      if (this.#sockets.size >= connectionsMax) {
        this.#refuseConnection(socket);
        return;
      }
      this.#sockets.add(socket);
      socket.once('close', () => forget(socket));
      for (const listener of listeners) listener.call(this.server, socket);
    });
  }

  #refuseConnection(socket: Socket): void {
    if (this.#refused >= REFUSED_MAX) {
      socket.destroy();
      return;
    }
    this.#refused += 1;
    socket.once('close', () => {
      this.#refused -= 1;
    });
    const { connectionsMax } = this.#settings.limits;
    const message = `The server holds ${connectionsMax} connections, its limits.connectionsMax; come back later.`;
    this.#endWith(socket, rawAnswer(new LatchkeyError('too-many-connections', message, { limit: connectionsMax })));
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => socket.destroy());
    const refusal = this.#upgradeRefusal(request);
    if (refusal !== undefined) this.#endWith(socket, rawAnswer(refusal));
    else (this.#upgrades.get(pathOf(request.url ?? '/')) as UpgradeHandler)(request, socket, head);
  }

  #upgradeRefusal(request: IncomingMessage): LatchkeyError | undefined {
    const { host, origin } = request.headers;
    const path = pathOf(request.url ?? '/');
    try {
      checkHost(host, request.httpVersionMinor, this.#settings);
    } catch (error) {
      return error as LatchkeyError;
    }
    if (!isOriginAllowed(origin, host, path, this.#settings)) return originRefused(origin as string);
    if ((request.url ?? '').length > URL_LENGTH_MAX) return uriTooLong();
    if (this.#upgrades.has(path)) return undefined;
    const known = [...this.#upgrades.keys()].join(', ');
    return new LatchkeyError(
      'not-found',
      `There is no WebSocket at ${quote(path)}; there is one at: ${known || 'no path'}.`,
    );
  }

  // A socket closed with unread bytes resets the connection and may take the answer with it, so what comes is read for a while.
  #endWith(socket: Duplex, answer: string): void {
    this.#ending.add(socket);
    socket.on('error', () => socket.destroy());
    socket.resume();
    socket.end(answer);
    const timer = setTimeout(() => socket.destroy(), this.#timeouts.lingerMs);
    socket.once('close', () => clearTimeout(timer));
  }

  /** Asserted by tests. */
  checkInvariants(): void {
    if (this.#sockets.size > this.#settings.limits.connectionsMax)
      throw new Error('more connections than connectionsMax');
    for (const socket of this.#sockets) if (socket.destroyed) throw new Error('a closed socket is still counted');
  }
}

/** Reads and throws away what still comes of a refused body, for a while, then cuts the connection. */
export function linger(request: IncomingMessage, lingerMs = HTTP_TIMEOUTS.lingerMs): void {
  if (request.complete) return;
  const timer = setTimeout(() => request.socket.destroy(), lingerMs);
  const stop = (): void => clearTimeout(timer);
  request.once('end', stop);
  request.socket.once('close', stop);
  request.resume();
}

export function uriTooLong(): LatchkeyError {
  const message = `The path and query are longer than ${URL_LENGTH_MAX} characters; POST a long filter to /v1/watch as JSON instead.`;
  return new LatchkeyError('uri-too-long', message, { limit: URL_LENGTH_MAX });
}

function clientError(error: ParserError, timeouts: HttpTimeouts): LatchkeyError {
  if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    const message = `The request did not arrive in time: headers have ${timeouts.headersMs} ms, the whole has ${timeouts.requestMs} ms.`;
    return new LatchkeyError('request-timeout', message);
  }
  if (error.code === 'HPE_HEADER_OVERFLOW') {
    // The parser does not say whether it was still in the request line; a packet that starts one and never ends it was.
    const packet = error.rawPacket;
    if (Buffer.isBuffer(packet) && packet.indexOf(10) < 0 && /^[A-Z]{3,10} /.test(packet.toString('latin1', 0, 12))) {
      return uriTooLong();
    }
    const message = `The request line and headers are bigger than ${HEADER_BYTES_MAX} bytes together; send smaller headers.`;
    return new LatchkeyError('headers-too-big', message, { limit: HEADER_BYTES_MAX });
  }
  return new LatchkeyError(
    'invalid-request',
    `What arrived is not HTTP/1.1 (${error.code ?? 'unknown'}); check what sends it.`,
  );
}

// Bytes of an error in the middle of an answer would corrupt it, a watch above all. Node keeps the answer under way only here.
function hasAnswerUnderWay(socket: Duplex): boolean {
  const answer = (socket as { _httpMessage?: { headersSent?: boolean } | null })._httpMessage;
  return answer?.headersSent === true;
}
