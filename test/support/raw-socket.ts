/** A TCP connection that says exactly what a test wants, HTTP or not, and keeps what it hears. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { Scope } from './server-process.ts';

export class RawSocket {
  readonly socket: Socket;
  readonly #ended: Promise<void>;
  #chunks: Buffer[] = [];

  private constructor(socket: Socket) {
    this.socket = socket;
    this.#ended = new Promise((resolve) => socket.once('close', () => resolve()));
    socket.on('error', () => {}); // A reset is what many of these tests are about; 'close' follows.
    socket.on('data', (chunk) => this.#chunks.push(chunk));
  }

  /** Gone with the test at the latest. */
  static async open(port: number, scope?: Scope): Promise<RawSocket> {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    scope?.after(() => socket.destroy());
    const raw = new RawSocket(socket);
    await once(socket, 'connect');
    return raw;
  }

  get heard(): string {
    return Buffer.concat(this.#chunks).toString('latin1');
  }

  /** Of the first answer; NaN before there is one. */
  get status(): number {
    return Number(/^HTTP\/1\.1 (\d{3})/.exec(this.heard)?.[1]);
  }

  write(text: string | Buffer): boolean {
    return typeof text === 'string' ? this.socket.write(text, 'latin1') : this.socket.write(text);
  }

  /** Resolves once everything before it was taken by the kernel, or the connection is gone. */
  async drained(): Promise<void> {
    if (!this.socket.writableNeedDrain || this.socket.destroyed) return;
    await Promise.race([new Promise<void>((resolve) => this.socket.once('drain', () => resolve())), this.#ended]);
  }

  /** Resolves with all that was heard until it contains the text; rejects when the connection ends before. */
  async until(text: string): Promise<string> {
    while (!this.heard.includes(text)) {
      if (this.socket.destroyed) throw new Error(`The connection ended before ${JSON.stringify(text)}: ${this.heard}`);
      await Promise.race([new Promise<void>((resolve) => this.socket.once('data', () => resolve())), this.#ended]);
    }
    return this.heard;
  }

  /** Resolves with all that was heard once the other end closed, or the connection broke. */
  async end(): Promise<string> {
    this.socket.once('end', () => this.socket.end());
    if (this.socket.readableEnded) this.socket.end();
    await this.#ended;
    return this.heard;
  }
}
