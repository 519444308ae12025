import { Waiting } from './waiting.ts';
/** A WebSocket by Node's built-in client that keeps every frame and can wait for one. */
export type Frame = Readonly<Record<string, unknown>>;

const WAIT_MS = 20_000;

export class WebSocketClient {
  readonly frames: Frame[] = [];
  readonly texts: string[] = [];
  readonly #socket: WebSocket;
  readonly #waiting = new Waiting(
    WAIT_MS,
    () => JSON.stringify([this.#closed, this.frames.length, this.frames.slice(-5)]).slice(0, 2000),
    () => (this.#closed === undefined ? undefined : 'Closed'),
  );
  readonly #closing = Promise.withResolvers<{ readonly code: number; readonly reason: string }>();
  #closed: { readonly code: number; readonly reason: string } | undefined;

  private constructor(socket: WebSocket, onFrame: ((frame: Frame) => void) | undefined, keepsFrames: boolean) {
    this.#socket = socket;
    socket.addEventListener('message', ({ data }) => {
      const text = typeof data === 'string' ? data : Buffer.from(data as ArrayBuffer).toString();
      const frame = JSON.parse(text) as Frame;
      if (keepsFrames) {
        this.texts.push(text);
        this.frames.push(frame);
      }
      onFrame?.(frame);
      this.#waiting.wake();
    });
    socket.addEventListener('close', ({ code, reason }) => {
      this.#closed = { code, reason };
      this.#closing.resolve(this.#closed);
      this.#waiting.wake();
    });
    socket.addEventListener('error', () => {}); // 'close' follows and carries the code.
  }

  /** With `keepsFrames: false` a frame is only shown to `onFrame`. */
  static open(
    httpUrl: string,
    path = '/v1/watch',
    onFrame?: (frame: Frame) => void,
    { keepsFrames = true } = {},
  ): Promise<WebSocketClient> {
    const socket = new WebSocket(`${httpUrl.replace(/^http/, 'ws')}${path}`);
    const client = new WebSocketClient(socket, onFrame, keepsFrames);
    return new Promise((done, fail) => {
      socket.addEventListener('open', () => done(client), { once: true });
      socket.addEventListener(
        'close',
        ({ code }) => fail(new Error(`WebSocket closed with ${code} before it opened`)),
        {
          once: true,
        },
      );
    });
  }

  get closed(): { readonly code: number; readonly reason: string } | undefined {
    return this.#closed;
  }

  send(frame: unknown): void {
    this.#socket.send(typeof frame === 'string' ? frame : JSON.stringify(frame));
  }

  close(): void {
    this.#socket.close();
  }

  /** Resolves with the first frame, past or future, for which it holds; rejects when the socket closes or time is up. */
  async until(what: string, holds: (frame: Frame) => boolean): Promise<Frame> {
    await this.#waiting.until(what, () => this.frames.some(holds));
    return this.frames.find(holds) as Frame;
  }

  /** Sends a frame with an `id` and resolves with the outcome (or error) of that id. */
  async ask(frame: Frame): Promise<Frame> {
    this.send(frame);
    return this.until(
      `answer to ${JSON.stringify(frame)}`,
      ({ op, id }) => id === frame.id && (op === 'outcome' || op === 'error'),
    );
  }

  /** Every change of a watch so far, from its own frames and those of the group it joined. */
  changes(id: number | string): readonly Frame[] {
    const ref = this.frames.find((frame) => frame.op === 'watching' && frame.id === id)?.ref;
    return this.frames
      .filter(
        (frame) => Array.isArray(frame.changes) && (frame.id === id || (frame.id === undefined && frame.ref === ref)),
      )
      .flatMap((frame) => frame.changes as Frame[]);
  }

  async changeCount(id: number | string, count: number): Promise<readonly Frame[]> {
    await this.#waiting.until(`${count} changes of watch ${id}`, () => this.changes(id).length >= count);
    return this.changes(id);
  }

  /** Waits as long as it takes. */
  untilClosed(): Promise<{ readonly code: number; readonly reason: string }> {
    return this.#closing.promise;
  }
}
