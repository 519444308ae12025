import { createHash } from 'node:crypto';
import { closeSync, openSync, renameSync, statSync, unlinkSync } from 'node:fs';
import { createConnection, createServer, type Server } from 'node:net';
import { join, resolve } from 'node:path';
import { LatchkeyError } from '@latchkey/client';

/**
 * Stands between two processes and one data directory. The lock is a listening socket, so the kernel releases it when its holder
 * dies, however it dies; a file that nobody listens on is stale and is taken over.
 *
 * Invariant: while `release` was not called, this process is the only one that answers on the directory's lock.
 */
export interface DirectoryLock {
  release(): Promise<void>;
}

/** @throws LatchkeyError `data-in-use` */
export async function lockDirectory(directory: string): Promise<DirectoryLock> {
  const file = join(directory, 'lock');
  const address = socketAddress(directory, file);
  for (let attempt = 0; attempt < 5; attempt += 1) {
    const server = await listen(address.path);
    if (server !== undefined) {
      return {
        release: async () => {
          await new Promise<void>((done) => server.close(() => done()));
          address.release();
        },
      };
    }
    if (await isAnswered(address.path)) break;
    if (!takeAwayStale(file)) break;
  }
  address.release();
  throw new LatchkeyError(
    'data-in-use',
    `The data directory ${resolve(directory)} is in use by another Latchkey process; stop it, or choose another --data.`,
    { field: 'data' },
  );
}

/** Socket paths hold about 100 bytes; a directory's path may be longer, so Linux reaches it through its file descriptor. */
function socketAddress(directory: string, file: string): { path: string; release(): void } {
  if (process.platform === 'win32') {
    const digest = createHash('sha256').update(resolve(directory).toLowerCase()).digest('hex').slice(0, 32);
    return { path: `\\\\.\\pipe\\latchkey-${digest}`, release: () => undefined };
  }
  if (process.platform !== 'linux') return { path: file, release: () => undefined };
  const descriptor = openSync(directory, 'r');
  return { path: `/proc/self/fd/${descriptor}/lock`, release: () => closeSync(descriptor) };
}

function listen(path: string): Promise<Server | undefined> {
  return new Promise((done, fail) => {
    const server = createServer((socket) => socket.destroy());
    server.unref();
    server.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' ? done(undefined) : fail(error),
    );
    server.listen({ path }, () => done(server));
  });
}

function isAnswered(path: string): Promise<boolean> {
  return new Promise((done) => {
    const socket = createConnection({ path });
    socket.once('connect', () => {
      socket.destroy();
      done(true);
    });
    // Anything but a refusal (a full backlog, no permission) means that somebody may be there.
    socket.once('error', (error: NodeJS.ErrnoException) =>
      done(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT'),
    );
  });
}

/** Two starters may find the same stale file: only the one that moves away that very file goes on. */
function takeAwayStale(file: string): boolean {
  try {
    const stale = statSync(file).ino;
    const aside = `${file}.${process.pid}`;
    renameSync(file, aside);
    if (statSync(aside).ino !== stale) {
      renameSync(aside, file);
      return false;
    }
    unlinkSync(aside);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT';
  }
}
