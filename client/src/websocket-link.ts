/**
 * One WebSocket and the watches that share it. It tells frames apart by `id`, and hands the frames of a group to those watches
 * that the server attached to it. It does not come back by itself, and it goes when its last watch went.
 *
 * Invariant: a channel is in `#channels` until it leaves or the socket is over, and is given the shared frames of exactly the
 * group that it was attached to last.
 */
import { LatchkeyError } from './error.ts';
import type { TransportRequest, TransportSetup } from './transport.ts';
import { WebsocketChannel } from './websocket-channel.ts';
import { closeError, frameError, parseFrame, type ServerFrame } from './websocket-frame.ts';

const HANDSHAKE_MAX_MS = 10_000;
/** A socket that may have died with its network has this long to show that it did not. */
const PROBE_MAX_MS = 5000;

export class WebsocketLink {
  readonly #setup: TransportSetup;
  readonly #socket: WebSocket | undefined;
  readonly #channels = new Map<number, WebsocketChannel>();
  readonly #stopListening: () => void;
  #error: LatchkeyError | undefined;
  #isOpen = false;
  #lastId = 0;
  #heardAtMs = performance.now();
  #silenceMaxMs: number;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(setup: TransportSetup, openSocket: (url: string) => WebSocket) {
    this.#setup = setup;
    this.#silenceMaxMs = Math.min(HANDSHAKE_MAX_MS, setup.silenceMaxMs);
    this.#stopListening = setup.wake(() => this.#probe());
    const url = new URL('v1/watch', setup.endpoint.base);
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    try {
      this.#socket = openSocket(url.href);
    } catch (cause) {
      // A page served over https may not open ws:, and says so here.
      this.#fail(new LatchkeyError('unavailable', `No WebSocket to ${url.origin} could be opened.`, { cause }));
      return;
    }
    this.#socket.onopen = () => this.#opened();
    this.#socket.onmessage = ({ data }) => this.#message(data);
    this.#socket.onclose = (close) => this.#fail(this.#isOpen ? closeError(url.origin, close) : this.#unreachable());
    this.#socket.onerror = () => {}; // `close` follows, and tells as much.
    this.#listen();
  }

  get isOver(): boolean {
    return this.#error !== undefined;
  }

  watch(request: TransportRequest): WebsocketChannel {
    this.#lastId += 1;
    const channel = new WebsocketChannel(this.#lastId, request, (left) => this.#left(left));
    if (this.#error !== undefined) {
      channel.end(this.#error);
      return channel;
    }
    this.#channels.set(channel.id, channel);
    if (this.#isOpen) this.#ask(channel);
    return channel;
  }

  #opened(): void {
    this.#isOpen = true;
    this.#heard();
    for (const channel of this.#channels.values()) this.#ask(channel);
  }

  #ask({ id, request }: WebsocketChannel): void {
    const { filter, from, values } = request;
    const { keys = [], patterns = [], prefixes = [] } = filter;
    this.#send({ op: 'watch', id, filter: { keys, prefixes, patterns }, from, values });
  }

  #left(channel: WebsocketChannel): void {
    if (!this.#channels.delete(channel.id)) return;
    if (this.#isOpen) this.#send({ op: 'unwatch', id: channel.id });
    // Not at once: whoever leaves a watch often begins another one.
    if (this.#channels.size === 0) setTimeout(() => this.#endIfIdle(), 0);
  }

  #endIfIdle(): void {
    if (this.#channels.size === 0) this.#fail(new LatchkeyError('closing', 'The last watch of this connection ended.'));
  }

  #message(data: unknown): void {
    this.#heard();
    try {
      this.#route(parseFrame(data, this.#setup.endpoint.reviver), (data as string).length);
    } catch (error) {
      this.#fail(error as LatchkeyError);
    }
  }

  #route(frame: ServerFrame, length: number): void {
    const { changes, id, op, ref } = frame;
    if (changes !== undefined && ref !== undefined) {
      for (const channel of this.#channels.values()) if (channel.ref === ref) channel.take(frame, length);
      return;
    }
    const channel = id === undefined ? undefined : this.#channels.get(id);
    if (op === 'error') this.#refused(frame, channel);
    else if (op === 'behind') {
      if (channel !== undefined) channel.ref = undefined;
    } else if (op !== 'watching' && op !== 'unwatched' && op !== 'pong') {
      if (channel === undefined) return;
      if (op === 'synced') channel.ref = ref;
      channel.take(frame, length);
    }
  }

  #refused(frame: ServerFrame, channel: WebsocketChannel | undefined): void {
    // Without an id it was no answer to a watch of ours; one that just left may have been refused, and nobody minds.
    if (channel === undefined) return;
    this.#channels.delete(channel.id);
    channel.end(frameError(frame));
    if (this.#channels.size === 0) setTimeout(() => this.#endIfIdle(), 0);
  }

  #heard(): void {
    this.#heardAtMs = performance.now();
    this.#silenceMaxMs = this.#setup.silenceMaxMs;
  }

  #probe(): void {
    if (!this.#isOpen || this.#error !== undefined) return;
    this.#heardAtMs = performance.now();
    this.#silenceMaxMs = Math.min(PROBE_MAX_MS, this.#setup.silenceMaxMs);
    this.#send({ op: 'ping' });
    this.#listen();
  }

  // One timer that looks back, not one for each frame.
  #listen(): void {
    clearTimeout(this.#timer);
    const leftMs = this.#silenceMaxMs - (performance.now() - this.#heardAtMs);
    if (leftMs > 0) this.#timer = setTimeout(() => this.#listen(), Math.ceil(leftMs));
    else if (this.#isOpen) {
      const message = `The connection to ${this.#setup.endpoint.base.origin} was silent for ${this.#silenceMaxMs} ms.`;
      this.#fail(new LatchkeyError('unavailable', message));
    } else this.#fail(this.#unreachable());
  }

  #unreachable(): LatchkeyError {
    return new LatchkeyError(
      'unavailable',
      `No WebSocket to ${this.#setup.endpoint.base.origin}: no Latchkey server runs there, or what is between does not let it through.`,
    );
  }

  #send(frame: Readonly<Record<string, unknown>>): void {
    // A socket that is closing takes nothing, and needs nothing.
    if (this.#socket?.readyState === 1) this.#socket.send(JSON.stringify(frame));
  }

  #fail(error: LatchkeyError): void {
    if (this.#error !== undefined) return;
    this.#error = error;
    clearTimeout(this.#timer);
    this.#stopListening();
    const socket = this.#socket;
    if (socket !== undefined) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
    }
    const channels = [...this.#channels.values()];
    this.#channels.clear();
    for (const channel of channels) channel.end(error);
  }
}
