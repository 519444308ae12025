/**
 * `/subscribe` of the kv-store dialect: a WebSocket that shows every put, by any route, from now on. What a client sends is
 * accepted and ignored. It is a watch like any other; only its frames are the dialect's.
 *
 * Invariant: all subscribers share one codec and one count of puts, so they are one group and see the same numbers.
 */
import type { Socket } from 'node:net';
import { ERRORS } from '@latchkey/client';
import type { WebSocket } from 'ws';
import type { Codec, Outlet, Watch } from '../feed/feed.ts';
import { ANONYMOUS } from '../shared/access.ts';
import type { Change, Payload } from '../shared/change.ts';
import type { Core, Gateway } from './gateway.ts';
import { jsonString } from './kv-store.ts';
import { PutNumbers } from './put-numbers.ts';
import { textFrame } from './websocket-codec.ts';
import { type WebsocketPeer, WebsocketPeers } from './websocket-peers.ts';

const EMPTY = Buffer.alloc(0);
/** A keep-alive line; nobody needs more here. */
const FRAME_BYTES_MAX = 64 * 1024;

export function makeKvStoreSubscribeGateway(options: { readonly turnMs?: number } = {}): Gateway {
  return {
    name: 'kv-store',
    register(http, core) {
      const { feed } = core.settings;
      const peers = new WebsocketPeers({
        http,
        clock: core.clock,
        reportFault: core.reportFault,
        frameBytesMax: FRAME_BYTES_MAX,
        silenceMaxMs: feed.stalledTimeoutMs,
        ...options,
      });
      const numbers = new PutNumbers();
      const stop = core.log.view.onDurable((changes) => numbers.see(changes));
      http.addHook('onClose', async () => stop());
      const codec = commandLogCodec(numbers, core.formats.kvStore.shownValue);
      http.onUpgrade('/subscribe', (request, socket, head) => {
        peers.accept(request, socket, head, (ws, raw) => new Subscriber(core, codec, ws, raw));
      });
    },
  };
}

/** The frames of the original, whose subscribers read its Kafka topic. */
export function commandLogCodec(numbers: PutNumbers, shownValue: (payload: Payload) => string): Codec {
  const frames = (changes: readonly Change[]): Buffer => {
    const puts = changes.filter(({ op, value }) => op === 'put' && value !== undefined);
    return Buffer.concat(puts.map((put) => textFrame(commandLogText(put, numbers.of(put), shownValue))));
  };
  return {
    name: 'kv-store',
    isShared: true,
    live: frames,
    behind: (_memberId, changes) => frames(changes),
    control: () => EMPTY,
  };
}

function commandLogText(put: Change, number: number, shownValue: (payload: Payload) => string): string {
  const key = `Client address=${(put.origin ?? 'unknown').replace(/^http:/, '')}`;
  const value = `${put.key}: ${shownValue(put.value as Payload)}`;
  return `{"Topic":"command-log","Partition":0,"Offset":${number},"Key":${jsonString(key)},"Value":${jsonString(value)}}`;
}

class Subscriber implements Outlet, WebsocketPeer {
  readonly id = '';
  readonly ws: WebSocket;
  readonly socket: Socket;
  readonly #watch: Watch;
  #isFull = false;

  constructor(core: Core, codec: Codec, ws: WebSocket, socket: Socket) {
    this.ws = ws;
    this.socket = socket;
    ws.on('message', () => {});
    socket.on('drain', () => this.#drained());
    const watch = core.feed.watch({ filter: {}, principal: ANONYMOUS, from: 'now', withValues: true, codec }, this);
    this.#watch = watch;
    ws.on('close', () => watch.close());
  }

  /** The feed ends it. */
  get isIdle(): boolean {
    return false;
  }

  write(bytes: Buffer): boolean {
    if (bytes.length > 0 && this.ws.readyState === this.ws.OPEN) this.socket.write(bytes);
    this.#isFull = this.socket.writableNeedDrain;
    return !this.#isFull;
  }

  end(code: 'closing' | 'stalled'): void {
    if (this.ws.readyState === this.ws.OPEN) this.ws.close(ERRORS[code].close, code);
  }

  #drained(): void {
    if (!this.#isFull) return;
    this.#isFull = false;
    this.#watch.drained();
  }
}
