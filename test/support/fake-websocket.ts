/** The far end of a client's WebSockets, played by a test: it sees what was sent, and says what it likes, when it likes. */
import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';

export type Sent = Readonly<Record<string, unknown>>;

export class FakeWebSocket {
  readonly url: string;
  readonly sent: Sent[] = [];
  readyState = 0;
  onopen: (() => void) | null = null;
  onmessage: ((message: { data: unknown }) => void) | null = null;
  onclose: ((close: { code: number; reason: string }) => void) | null = null;
  onerror: (() => void) | null = null;

  constructor(url: string) {
    this.url = url;
  }

  /** Called by the client. */
  send(text: string): void {
    assert.equal(this.readyState, 1, 'a frame was sent over a socket that is not open');
    this.sent.push(JSON.parse(text) as Sent);
  }

  /** Called by the client. */
  close(): void {
    this.readyState = 3;
  }

  get isClosed(): boolean {
    return this.readyState === 3;
  }

  open(): void {
    this.readyState = 1;
    this.onopen?.();
  }

  give(...frames: readonly (Sent | string)[]): void {
    for (const frame of frames) this.onmessage?.({ data: typeof frame === 'string' ? frame : JSON.stringify(frame) });
  }

  cut(code = 1006, reason = ''): void {
    this.readyState = 3;
    this.onclose?.({ code, reason });
  }

  /** The ids of the watches that it was asked for, in order. */
  get watches(): readonly Sent[] {
    return this.sent.filter(({ op }) => op === 'watch');
  }
}

export class FakeServer {
  readonly sockets: FakeWebSocket[] = [];
  /** Whether new sockets are opened; else they fail. */
  isUp = true;

  /** For `ConnectionOptions.openWebSocket`. */
  readonly open = (url: string): WebSocket => {
    const socket = new FakeWebSocket(url);
    this.sockets.push(socket);
    const isUp = this.isUp;
    queueMicrotask(() => {
      if (socket.isClosed) return;
      if (isUp) socket.open();
      else socket.cut();
    });
    return socket as unknown as WebSocket;
  };

  /** Resolves when the client has come back, with one socket more than it had, and asked for a watch. */
  async next(): Promise<void> {
    const had = this.sockets.length;
    await until('next socket', () => this.sockets.length > had && this.socket.watches.length > 0);
  }

  get socket(): FakeWebSocket {
    return this.sockets.at(-1) as FakeWebSocket;
  }
}

/** Lets everything that was set going come to rest; timers of more than 0 ms are not waited for. */
export async function settle(): Promise<void> {
  for (let turns = 0; turns < 8; turns += 1) await turn();
}

/** Resolves when it holds; for what hangs on a timer, however short. @throws Error after 5 s */
export async function until(what: string, holds: () => boolean): Promise<void> {
  const deadline = AbortSignal.timeout(5000);
  while (!holds()) {
    if (deadline.aborted) throw new Error(`No ${what} within 5 s`);
    await turn();
  }
}

export const HASH = 'abc123';

/** A change as the server puts it into frames. */
export function changed(offset: number, more: Sent = {}): Sent {
  return { op: 'put', key: `k${offset}`, value: offset, version: `aaaa.${offset}`, updated: 'x', ...more };
}

export function opened(id: number, offset: number, more: Sent = {}): Sent {
  return { op: 'opened', id, position: `aaaa.${offset};${HASH}`, epoch: 'aaaa', node: 'n', ...more };
}

export function synced(id: number, offset: number, ref = 'g1'): Sent {
  return { op: 'synced', ref, id, position: `aaaa.${offset};${HASH}` };
}

/** Frames of changes: of one watch by its id, or of a group by its name. */
export function frame(to: number | string, ...offsets: readonly number[]): Sent {
  const address = typeof to === 'number' ? { id: to } : { ref: to };
  return { ...address, changes: offsets.map((offset) => changed(offset)), position: `aaaa.${offsets.at(-1)};${HASH}` };
}
