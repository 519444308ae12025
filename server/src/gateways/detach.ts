import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/**
 * Takes a socket away from Node's HTTP server, whose request was read to its end and whose response has not begun: from here on
 * the caller reads, writes and ends it. What the client still sends is no request any more.
 *
 * Node lets go of a request only when its response ends, and a watch's never does: 9 of the 20 KiB that an idle one takes
 * (Node 24). Its own listener for a closed socket frees the parser and the request, so it is called now; where a Node names it
 * otherwise it stays, and frees them at the end.
 */
export function detachSocket(request: IncomingMessage, response: ServerResponse): Socket {
  const { socket } = request;
  response.detachSocket(socket);
  // The first listener for data stops the parser from reading the handle; only then may Node's own listeners go.
  socket.on('data', ignore);
  const closers = socket.rawListeners('close') as (() => void)[];
  const freeing = closers.find(({ name }) => name === 'bound socketOnClose');
  // All at once: taking single events out would leave a table of 1 KiB behind.
  socket.removeAllListeners();
  for (const closer of closers) if (closer !== freeing) socket.on('close', closer);
  freeing?.();
  socket.setTimeout(0);
  return socket;
}

/** Resolves when the request was read to its end and what of its body nobody wanted is gone; false where it broke off before. */
export function readToEnd(request: IncomingMessage): Promise<boolean> {
  if (request.readableEnded) return Promise.resolve(true);
  return new Promise((resolve) => {
    request.once('end', () => resolve(true));
    request.once('close', () => resolve(request.readableEnded));
    request.resume();
  });
}

function ignore(): void {}
