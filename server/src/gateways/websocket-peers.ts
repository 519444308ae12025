/**
 * The open WebSocket connections of a gateway: makes them from handshakes, finds those whose other end went without a word, and
 * closes what is idle when the server stops. It reads no messages and writes none.
 *
 * One timer serves all: each turn it looks at one slice of them, so that pings are spread over `PING_SLICES` turns.
 *
 * Invariant: every connection is in exactly one slice until it is closed; its timer stands only while there are any.
 */
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { ERRORS, LatchkeyError } from '@latchkey/client';
import type { FastifyInstance } from 'fastify';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Clock } from '../shared/clock.ts';
import type { ReportFault } from '../shared/logger.ts';
import { PING_FRAME } from './websocket-codec.ts';

export interface WebsocketPeer {
  readonly ws: WebSocket;
  readonly socket: Socket;
  readonly isIdle: boolean;
  end(code: 'closing' | 'stalled'): void;
}

export interface WebsocketPeersSetup {
  readonly http: FastifyInstance;
  readonly clock: Clock;
  readonly reportFault: ReportFault;
  /** A frame bigger than this closes the connection with 1009. */
  readonly frameBytesMax: number;
  /** A peer that neither says nor takes anything for this long is gone. */
  readonly silenceMaxMs: number;
  /** Each connection is pinged every `PING_SLICES` times this. Default 1,000. */
  readonly turnMs?: number;
}

const PING_SLICES = 30;
const CLOSE_TIMEOUT_MS = 5000;

/** What was read of a peer's socket when it was last looked at, and when that last changed. */
interface Seen {
  bytesRead: number;
  unread: number;
  changedAtMs: number;
}

export class WebsocketPeers {
  readonly #setup: WebsocketPeersSetup;
  readonly #server: WebSocketServer;
  readonly #slices: readonly Map<WebsocketPeer, Seen>[] = Array.from({ length: PING_SLICES }, () => new Map());
  #timer: NodeJS.Timeout | undefined;
  #turn = 0;
  #added = 0;
  #count = 0;

  constructor(setup: WebsocketPeersSetup) {
    this.#setup = setup;
    this.#server = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      // Shared frames could not be shared if each connection compressed them for itself.
      perMessageDeflate: false,
      maxPayload: setup.frameBytesMax,
      closeTimeout: CLOSE_TIMEOUT_MS,
    } as ConstructorParameters<typeof WebSocketServer>[0]);
  }

  get count(): number {
    return this.#count;
  }

  /** The listener stopped accepting: what was taken is finished, and nothing more is taken. */
  get isStopping(): boolean {
    return !this.#setup.http.server.listening;
  }

  /** Answers the handshake; `open` makes the connection. A handshake that is none is answered 400 by `ws`. */
  accept(
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    open: (ws: WebSocket, socket: Socket) => WebsocketPeer,
  ): void {
    this.#server.handleUpgrade(request, socket, head, (ws) => {
      // A frame that breaks the protocol: `ws` closes with the code for it, and `close` follows.
      ws.on('error', ignore);
      let peer: WebsocketPeer;
      try {
        peer = open(ws, socket as Socket);
      } catch (error) {
        if (!(error instanceof LatchkeyError)) this.#setup.reportFault('gateways', error);
        const code = error instanceof LatchkeyError ? error.code : 'internal';
        ws.close(ERRORS[code].close, code);
        return;
      }
      const slice = this.#slices[this.#added % PING_SLICES] as Map<WebsocketPeer, Seen>;
      this.#added += 1;
      slice.set(peer, { bytesRead: 0, unread: 0, changedAtMs: this.#setup.clock.monotonicMs() });
      this.#count += 1;
      this.#timer ??= setInterval(() => this.#next(), this.#setup.turnMs ?? 1000).unref();
      ws.on('close', () => this.#forget(slice, peer));
    });
  }

  #forget(slice: Map<WebsocketPeer, Seen>, peer: WebsocketPeer): void {
    if (!slice.delete(peer)) return;
    this.#count -= 1;
    if (this.#count > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #next(): void {
    // Watches are ended by the feed, each in its own time; the others have nothing to wait for.
    const { isStopping } = this;
    this.#turn = (this.#turn + 1) % PING_SLICES;
    for (const [index, slice] of this.#slices.entries()) {
      if (index === this.#turn) for (const [peer, seen] of slice) this.#probe(peer, seen);
      if (isStopping) for (const peer of slice.keys()) if (peer.isIdle) peer.end('closing');
    }
  }

  // Counters of the socket tell as much as listeners would, and cost an idle connection nothing.
  #probe({ socket, ws }: WebsocketPeer, seen: Seen): void {
    const nowMs = this.#setup.clock.monotonicMs();
    const { bytesRead, writableLength: unread, writableNeedDrain: isFull } = socket;
    // Paused by us, with room to write: it waits for the log, and what it says can't be heard.
    const isHeld = ws.isPaused && !isFull;
    if (isHeld || bytesRead !== seen.bytesRead || unread < seen.unread) seen.changedAtMs = nowMs;
    seen.bytesRead = bytesRead;
    seen.unread = unread;
    if (nowMs - seen.changedAtMs > this.#setup.silenceMaxMs) ws.terminate();
    else if (!isFull && ws.readyState === ws.OPEN) socket.write(PING_FRAME);
  }
}

function ignore(): void {}
