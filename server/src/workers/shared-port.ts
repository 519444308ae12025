import { lookup } from 'node:dns/promises';
import net from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { getSystemErrorName } from 'node:util';

/** Node's handle of a bound socket. It has no name of its own in Node's interface; `cluster` passes the same thing around. */
export interface PortHandle {
  getsockname(out: { address?: string; port?: number }): number;
  close(): void;
}

type MakeHandle = (address: string, port: number, family: 4 | 6, fd: undefined, flags: number) => PortHandle | number;

export interface SharedPort {
  readonly host: string;
  readonly port: number;
  readonly handle: PortHandle;
}

/** Workers of a server that was killed let go of its port within this time. */
const FREE_MS = 3000;
const TRY_MS = 50;

/**
 * Binds an address without listening on it: the workers do, on the one socket, so that whichever is free takes the next connection
 * and a worker that dies leaves the waiting ones to the others. This process keeps the socket, and accepts nothing.
 *
 * @throws Error with the system's `code`, such as `EADDRINUSE`
 */
export async function bindSharedPort(host: string, port: number): Promise<SharedPort> {
  const { address, family } = await lookup(host.replace(/^\[(.*)\]$/, '$1'));
  for (let waitedMs = 0; ; waitedMs += TRY_MS) {
    try {
      return bind(address, port, family === 6 ? 6 : 4);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE' || waitedMs >= FREE_MS) throw error;
    }
    await delay(TRY_MS);
  }
}

function bind(host: string, port: number, family: 4 | 6): SharedPort {
  const { _createServerHandle: make } = net as unknown as { _createServerHandle: MakeHandle };
  const handle = make(host, port, family, undefined, 0);
  if (typeof handle === 'number') throw systemError(handle);
  const bound: { port?: number } = {};
  const failed = handle.getsockname(bound);
  // libuv tells of an address in use only when it is listened on; until then the socket is bound to no port.
  if (failed !== 0 || bound.port === undefined || bound.port === 0 || (port !== 0 && bound.port !== port)) {
    handle.close();
    throw Object.assign(new Error(`bind ${host}:${port}`), { code: 'EADDRINUSE' });
  }
  return { host, port: bound.port, handle };
}

function systemError(errno: number): Error {
  const code = getSystemErrorName(errno);
  return Object.assign(new Error(`bind failed with ${code}`), { code });
}
