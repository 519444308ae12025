import assert from 'node:assert/strict';
import { once } from 'node:events';
import { WebSocket } from 'ws';
import { LiveStream } from './live-stream.ts';

export type Json = Readonly<Record<string, unknown>>;

/**
 * Several watches over one WebSocket, read by the letter of the protocol: frames with a `ref` are for the watches that are attached
 * to it. Unlike the built-in client it can stop reading, and sends what it is told to.
 */
export class WebSocketWatcher {
  readonly ws: WebSocket;
  readonly frames: Json[] = [];
  readonly streams = new Map<unknown, LiveStream>();
  readonly #attached = new Map<unknown, string>();

  constructor(url: string) {
    this.ws = new WebSocket(`${url.replace('http', 'ws')}/v1/watch`, { perMessageDeflate: false });
    this.ws.on('message', (data) => this.#take(String(data)));
    this.ws.on('close', () => {
      for (const stream of this.streams.values()) stream.ended();
    });
    this.ws.on('error', () => {});
  }

  static async open(url: string): Promise<WebSocketWatcher> {
    const client = new WebSocketWatcher(url);
    await once(client.ws, 'open');
    return client;
  }

  watch(id: unknown, filter: unknown = {}, more: Json = {}): LiveStream {
    const stream = new LiveStream({
      pause: () => this.ws.pause(),
      resume: () => this.ws.resume(),
      cut: () => this.ws.terminate(),
    });
    this.streams.set(id, stream);
    this.ws.send(JSON.stringify({ op: 'watch', id, filter, ...more }));
    return stream;
  }

  #take(text: string): void {
    const frame = JSON.parse(text) as Json;
    this.frames.push(frame);
    const { changes, id, op, position, ref } = frame;
    if (op === 'synced') this.#attached.set(id, ref as string);
    if (op === 'behind') {
      assert.ok(this.#attached.delete(id), 'only an attached watch falls behind');
      return;
    }
    if (changes === undefined) {
      if (op !== 'watching' && op !== 'outcome' && op !== 'pong') this.#give(id, { ...frame, text });
      return;
    }
    const own = id === undefined ? [] : [id];
    const to = ref === undefined ? own : [...this.#attached].filter(([, group]) => group === ref).map(([each]) => each);
    assert.ok(to.length > 0, `nobody is attached to ${text}`);
    if (ref === undefined) assert.equal(this.#attached.has(id), false, 'an attached watch gets no frames of its own');
    for (const each of to) {
      for (const [index, change] of (changes as Json[]).entries()) {
        const isLast = index === (changes as Json[]).length - 1;
        this.#give(each, { ...change, position: isLast ? position : undefined, text });
      }
    }
  }

  #give(id: unknown, event: Json): void {
    this.streams.get(id)?.take(event as unknown as Parameters<LiveStream['take']>[0]);
  }
}
