/** The bytes that open a watch, or a subscription to a Redis, over a raw socket. */

export type Transport = 'sse' | 'websocket' | 'pubsub';

const LONG_LENGTH = 126;

/** A masked text frame, as clients must send them; the mask is zero. */
export function clientFrame(text: string): Buffer {
  const payload = Buffer.from(text);
  if (payload.length > 0xffff)
    throw new RangeError(`A frame of the load takes 65,535 bytes, but got ${payload.length}.`);
  const isShort = payload.length < LONG_LENGTH;
  const length = isShort ? [0x80 | payload.length] : [0x80 | LONG_LENGTH, payload.length >> 8, payload.length & 0xff];
  return Buffer.concat([Buffer.from([0x81, ...length, 0, 0, 0, 0]), payload]);
}

export function getRequest(path: string, headers: string): Buffer {
  return Buffer.from(`GET ${path} HTTP/1.1\r\nhost: localhost\r\n${headers}\r\n`);
}

/** What is sent first. A WebSocket then says by a frame what it watches; of a subscription `path` is the channel. */
export function watchRequest(transport: Transport, path: string): Buffer {
  if (transport === 'pubsub') return Buffer.from(`SUBSCRIBE ${path}\r\n`);
  if (transport === 'sse') return getRequest(path, 'accept: text/event-stream\r\n');
  const upgrade = 'connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n';
  return getRequest(path, `${upgrade}sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n`);
}
