import type { Socket } from 'node:net';
import { deserialize, serialize } from 'node:v8';

/**
 * Frames between two processes over a socket that only these two have: u32 length, little endian, then a list of frames as V8
 * writes it, which keeps buffers and what is undefined. It stands between the socket and whoever knows what the frames mean; it
 * repeats and reorders nothing.
 *
 * Invariant: what is sent in one turn of the event loop is written once, as one list, in the order of the calls: V8 takes longer to
 * begin than to write a small frame.
 */
export class Channel<Incoming, Outgoing> {
  readonly #socket: Socket;
  readonly #onFrame: (frame: Incoming) => void;
  #chunks: Buffer[] = [];
  #bytes = 0;
  /** Of the list that is arriving; undefined until its length is there. */
  #wanted: number | undefined;
  #turn: Outgoing[] = [];

  /** `onClose` is called once, when the other process is gone or closed its end. */
  constructor(socket: Socket, onFrame: (frame: Incoming) => void, onClose: () => void) {
    this.#socket = socket;
    this.#onFrame = onFrame;
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    // The other process may be killed at any moment; that it is gone is told by `close`.
    socket.on('error', () => undefined);
    socket.once('close', onClose);
  }

  /** So much waits for the other process that `onDrain` calls back once all of it was taken. */
  get isFull(): boolean {
    return this.#socket.writableNeedDrain;
  }

  /** Dropped where the other process is gone. */
  send(frame: Outgoing): void {
    this.#turn.push(frame);
    if (this.#turn.length === 1) process.nextTick(() => this.#write());
  }

  /** Calls back when the channel was full and the other process has taken all that waited. */
  onDrain(listener: () => void): void {
    this.#socket.on('drain', listener);
  }

  /** Resolves when the other process has taken what was sent, or is gone. */
  end(): Promise<void> {
    return new Promise((resolve) => {
      this.#socket.once('close', () => resolve());
      this.#write();
      this.#socket.end(resolve);
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #write(): void {
    const frames = this.#turn;
    this.#turn = [];
    if (frames.length === 0 || !this.#socket.writable) return;
    const body = serialize(frames);
    const head = Buffer.allocUnsafe(4);
    head.writeUInt32LE(body.length, 0);
    this.#socket.cork();
    this.#socket.write(head);
    this.#socket.write(body);
    this.#socket.uncork();
  }

  #take(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    for (;;) {
      if (this.#wanted === undefined) {
        if (this.#bytes < 4) return;
        this.#wanted = this.#cut(4).readUInt32LE(0);
      }
      if (this.#bytes < this.#wanted) return;
      const body = this.#cut(this.#wanted);
      this.#wanted = undefined;
      for (const frame of deserialize(body) as Incoming[]) this.#onFrame(frame);
    }
  }

  #cut(length: number): Buffer {
    const all = this.#chunks.length === 1 ? (this.#chunks[0] as Buffer) : Buffer.concat(this.#chunks, this.#bytes);
    this.#bytes -= length;
    this.#chunks = this.#bytes === 0 ? [] : [all.subarray(length)];
    return all.subarray(0, length);
  }
}
