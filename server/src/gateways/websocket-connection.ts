/**
 * One WebSocket connection of `/v1/watch`: reads frames, opens and closes watches, hands commands on, and writes all that goes
 * out to the raw socket. `ws` does the handshake, reads frames, answers pings and closes; it never writes data here.
 *
 * Invariant: while more than `UNREAD_BYTES_MAX` wait to be read by the client, or more commands than it may pipeline wait for
 * the log, nothing is read from the socket.
 */
import type { Socket } from 'node:net';
import { ERRORS, LatchkeyError } from '@latchkey/client';
import type { RawData, WebSocket } from 'ws';
import type { Outcome } from '../commands/command.ts';
import type { Principal } from '../shared/access.ts';
import { catchingUp } from './catching-up.ts';
import type { Core } from './gateway.ts';
import { outcomeJson } from './outcome-json.ts';
import { originOf } from './principal.ts';
import { filterOf, modeOf } from './watch-query.ts';
import { textFrame, websocketCodec } from './websocket-codec.ts';
import { type CommandSink, WAITING_MAX, WebsocketCommands } from './websocket-commands.ts';
import { type ClientFrame, readFrame } from './websocket-frame.ts';
import type { WebsocketPeer } from './websocket-peers.ts';
import { type FrameWriter, WebsocketWatches } from './websocket-watches.ts';

const UNREAD_BYTES_MAX = 1024 * 1024;
/** Reading pauses here; the packet that is already read may still bring the count up to `WAITING_MAX`. */
const WAITING_PAUSE = WAITING_MAX / 2;

export class WebsocketConnection implements WebsocketPeer, FrameWriter, CommandSink {
  readonly ws: WebSocket;
  readonly socket: Socket;
  readonly #core: Core;
  readonly #principal: Principal;
  readonly #watches: WebsocketWatches;
  readonly #isStopping: () => boolean;
  /** Made with the first command: most connections only watch. */
  #commands: WebsocketCommands | undefined;

  constructor(core: Core, ws: WebSocket, socket: Socket, principal: Principal, isStopping: () => boolean) {
    this.ws = ws;
    this.socket = socket;
    this.#core = core;
    this.#principal = principal;
    this.#isStopping = isStopping;
    this.#watches = new WebsocketWatches(this, core.feed);
    ws.on('message', (data, isBinary) => this.#message(data, isBinary));
    ws.on('close', () => this.#closed());
    socket.on('drain', () => this.#drained());
  }

  get origin(): string {
    return originOf(this.socket);
  }

  /** Nothing would be cut off if it were closed. */
  get isIdle(): boolean {
    return this.#watches.size === 0 && this.#commands?.isIdle !== false;
  }

  #message(data: RawData, isBinary: boolean): void {
    if (isBinary) {
      const message =
        'A binary frame; send JSON in text frames, and values that are not JSON with "encoding":"base64".';
      this.refuse(undefined, new LatchkeyError('frame-invalid', message));
    } else {
      const bytes = data as Buffer;
      const frame = readFrame(bytes.toString('utf8'), this.#core.formats.command);
      if (frame.kind === 'fault') this.refuse(frame.id, frame.error);
      else this.#take(frame, bytes.length);
    }
    this.#steer();
  }

  #take(frame: ClientFrame, bytes: number): void {
    try {
      if (frame.kind === 'watch') this.#watch(frame.id, frame.fields);
      else if (frame.kind === 'unwatch') this.#unwatch(frame.id);
      else if (frame.kind === 'ping') this.write(textFrame(`{"op":"pong"${idField(frame.id)}}`));
      else this.#command(frame.id, { id: frame.id, command: frame.command, bytes });
    } catch (error) {
      this.#fail(frame.id, error);
    }
  }

  #fail(id: string | undefined, error: unknown): void {
    if (!(error instanceof LatchkeyError)) this.#core.reportFault('gateways', error);
    const known = error instanceof LatchkeyError ? error : undefined;
    this.refuse(id, known ?? new LatchkeyError('internal', 'Latchkey failed on this frame; its log has the details.'));
  }

  #watch(id: string, fields: Readonly<Record<string, unknown>>): void {
    const { watchesPerConnectionMax } = this.#core.settings.limits;
    if (this.#watches.size >= watchesPerConnectionMax) {
      const message = `The connection has ${watchesPerConnectionMax} watches, its limits.watchesPerConnectionMax; unwatch some, or open another one.`;
      throw new LatchkeyError('too-many-watches', message, { limit: watchesPerConnectionMax });
    }
    const filter = filterOf(fields.filter);
    const mode = modeOf(fields.from, fields.values);
    const request = { filter, ...mode, principal: this.#principal, codec: websocketCodec };
    const gone = new AbortController();
    const reached = catchingUp(this.#core.log, mode.from, gone.signal);
    if (reached === undefined) this.#watches.open(id, request);
    else
      this.#watches.openWhen(id, request, reached, gone).catch((error: unknown) => {
        this.#fail(id, error);
      });
  }

  #unwatch(id: string): void {
    if (this.#watches.close(id)) {
      this.write(textFrame(`{"op":"unwatched","id":${id}}`));
      return;
    }
    throw new LatchkeyError('not-found', `This connection has no watch with the id ${id}.`, { field: 'id' });
  }

  #command(id: string, pending: Parameters<WebsocketCommands['push']>[0]): void {
    if (this.#watches.has(id)) {
      throw new LatchkeyError('invalid-request', `The id ${id} is a watch of this connection; use another one.`, {
        field: 'id',
      });
    }
    // Otherwise a client that never pauses would hold up the stop, and be cut off in the end.
    if (this.#isStopping()) {
      throw new LatchkeyError(
        'closing',
        'The server is stopping and did not take this command; come back and send it again.',
      );
    }
    const { log, reportFault } = this.#core;
    this.#commands ??= new WebsocketCommands(log, reportFault, this.#principal, this);
    if (this.#commands.push(pending)) return;
    const message = `${WAITING_MAX} commands of this connection wait for the log already; wait for outcomes before sending more.`;
    throw new LatchkeyError('overloaded', message, { limit: WAITING_MAX });
  }

  answer(id: string, outcome: Outcome): void {
    this.write(textFrame(`{"op":"outcome","id":${id},${outcomeJson(outcome, this.#core.log.view).slice(1)}`));
    this.#steer();
  }

  refuse(id: string | undefined, error: LatchkeyError): void {
    const { retryAfter } = error.details;
    const body = { ...error.toJSON().error, ...(retryAfter === undefined ? {} : { retryAfter }) };
    this.write(textFrame(`{"op":"error"${idField(id)},${JSON.stringify(body).slice(1)}`));
  }

  // Behind a close frame nothing may be sent.
  write(frame: Buffer): void {
    if (this.ws.readyState === this.ws.OPEN) this.socket.write(frame);
  }

  isFull(): boolean {
    return this.socket.writableNeedDrain;
  }

  hasRoom(): boolean {
    return this.socket.writableLength <= UNREAD_BYTES_MAX;
  }

  onTaken(): void {
    this.#steer();
  }

  #steer(): void {
    const bytes = this.#commands?.bytes ?? 0;
    const count = this.#commands?.count ?? 0;
    const isTooMuch = !this.hasRoom() || count >= WAITING_PAUSE || bytes > this.#core.settings.limits.bodyBytesMax;
    if (isTooMuch && !this.ws.isPaused) this.ws.pause();
    else if (!isTooMuch && this.ws.isPaused) this.ws.resume();
  }

  #drained(): void {
    this.#steer();
    this.#commands?.wake();
    this.#watches.drained();
  }

  onEnded(code: 'closing' | 'stalled'): void {
    // Each watch gets its own `bye` before the connection goes.
    if (code === 'closing' && !this.isIdle) return;
    this.end(code);
  }

  end(code: 'closing' | 'stalled'): void {
    if (this.ws.readyState === this.ws.OPEN) this.ws.close(ERRORS[code].close, code);
  }

  #closed(): void {
    this.#commands?.close();
    this.#watches.closeAll();
  }
}

function idField(id: string | undefined): string {
  return id === undefined ? '' : `,"id":${id}`;
}
