/**
 * What goes out on one socket: replies, and messages to a subscriber. It stands between the connection and the socket, and knows when
 * the one has given more than the other takes.
 *
 * Invariant: a socket holds at most `OUTPUT_BYTES_MAX` and one reply, or `SUBSCRIBER_BYTES_MAX` and one message.
 */
import type { Socket } from 'node:net';
import type { Publication } from '../../shared/channels.ts';
import type { Client } from './client.ts';
import type { PublicationFrames } from './publication-frame.ts';
import type { ReplyWriter } from './reply-writer.ts';

/** No further request is taken from who leaves so much unread. */
const OUTPUT_BYTES_MAX = 1024 * 1024;
/** Who hears messages and reads none is cut off here, as by a Redis: there is no position that it could come back to. */
const SUBSCRIBER_BYTES_MAX = 8 * 1024 * 1024;
/** Up to here a text costs less than a buffer of its own. */
const TEXT_BYTES_MAX = 2048;

export class Output {
  readonly #socket: Socket;
  readonly #client: Client;
  readonly #frames: PublicationFrames;
  readonly #onSlow: () => void;
  #isCorked = false;

  constructor(socket: Socket, client: Client, frames: PublicationFrames, onSlow: () => void) {
    this.#socket = socket;
    this.#client = client;
    this.#frames = frames;
    this.#onSlow = onSlow;
  }

  /** Takes what was written so far; whether more may come. */
  write(writer: ReplyWriter): boolean {
    const socket = this.#socket;
    if (writer.length > 0) {
      if (!socket.writable) writer.clear();
      else if (writer.length <= TEXT_BYTES_MAX) socket.write(writer.takeLatin1(), 'latin1');
      else socket.write(writer.take());
    }
    if (socket.writableLength <= OUTPUT_BYTES_MAX) return true;
    return !socket.writableNeedDrain;
  }

  frame(publication: Publication): Buffer {
    return this.#frames.of(publication, this.#client.protocol);
  }

  push(publication: Publication): void {
    const socket = this.#socket;
    if (!socket.writable) return;
    if (socket.writableLength > SUBSCRIBER_BYTES_MAX) {
      this.#onSlow();
      socket.destroy();
      return;
    }
    // A step brings up to a thousand messages, which go out in one write.
    if (!this.#isCorked) {
      this.#isCorked = true;
      socket.cork();
      process.nextTick(() => {
        this.#isCorked = false;
        socket.uncork();
      });
    }
    socket.write(this.frame(publication));
  }
}
