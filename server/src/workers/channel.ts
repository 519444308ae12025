import type { Socket } from 'node:net';
import { deserialize, serialize } from 'node:v8';

/**
 * Frames between two processes over a socket that only these two have: u32 length, little endian, then a value as V8 writes it,
 * which keeps buffers and what is undefined. It stands between the socket and whoever knows what the frames mean; it repeats and
 * reorders nothing.
 *
 * Invariant: what is sent in one turn of the event loop goes to the socket in one piece, in the order of the calls.
 */
export class Channel<Incoming, Outgoing> {
  readonly #socket: Socket;
  readonly #onFrame: (frame: Incoming) => void;
  #chunks: Buffer[] = [];
  #bytes = 0;
  /** Of the frame that is arriving; undefined until its length is there. */
  #wanted: number | undefined;
  #isCorked = false;

  /** `onClose` is called once, when the other process is gone or closed its end. */
  constructor(socket: Socket, onFrame: (frame: Incoming) => void, onClose: () => void) {
    this.#socket = socket;
    this.#onFrame = onFrame;
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    // The other process may be killed at any moment; that it is gone is told by `close`.
    socket.on('error', () => undefined);
    socket.once('close', onClose);
  }

  /** Bytes that the other process has not taken yet. */
  get waitingBytes(): number {
    return this.#socket.writableLength;
  }

  /** Dropped where the other process is gone. */
  send(frame: Outgoing): void {
    if (!this.#socket.writable) return;
    if (!this.#isCorked) {
      this.#isCorked = true;
      this.#socket.cork();
      process.nextTick(() => {
        this.#isCorked = false;
        this.#socket.uncork();
      });
    }
    const body = serialize(frame);
    const head = Buffer.allocUnsafe(4);
    head.writeUInt32LE(body.length, 0);
    this.#socket.write(head);
    this.#socket.write(body);
  }

  /** Calls back when the other process has taken all that waits. */
  onDrain(listener: () => void): void {
    this.#socket.on('drain', listener);
  }

  /** Resolves when the other process has taken what was sent, or is gone. */
  end(): Promise<void> {
    return new Promise((resolve) => {
      this.#socket.once('close', () => resolve());
      process.nextTick(() => this.#socket.end(resolve));
    });
  }

  close(): void {
    this.#socket.destroy();
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
      this.#onFrame(deserialize(body) as Incoming);
    }
  }

  #cut(length: number): Buffer {
    const all = this.#chunks.length === 1 ? (this.#chunks[0] as Buffer) : Buffer.concat(this.#chunks, this.#bytes);
    this.#bytes -= length;
    this.#chunks = this.#bytes === 0 ? [] : [all.subarray(length)];
    return all.subarray(0, length);
  }
}
