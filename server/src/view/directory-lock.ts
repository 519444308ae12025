import { createHash, randomBytes } from 'node:crypto';
import { closeSync, openSync, readdirSync, readlinkSync, rmSync, symlinkSync } from 'node:fs';
import { createConnection, createServer, type Server } from 'node:net';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { LatchkeyError } from '@latchkey/client';

/**
 * Stands between two processes and one data directory. The lock is a listening socket, so the kernel releases it when its holder
 * dies, however it dies. It is published as `lock.N`, a link to a socket that listens already: a `lock.N` that nobody answers has
 * died, and stays dead. Who finds only dead ones publishes the next number, which the file system gives to one; then it looks
 * again, and yields to anybody alive whom it had overlooked.
 *
 * Invariant: while `release` was not called, this process is the only one that holds the directory.
 */
export interface DirectoryLock {
  release(): Promise<void>;
}

const PUBLISHED = /^lock\.(\d{1,15})$/;
const SOCKET = /^lock-[0-9a-f]{16}$/;
const ATTEMPTS_MAX = 5;
const YIELD_MS = 20;

/** @throws LatchkeyError `data-in-use`, `data-unwritable` */
export async function lockDirectory(directory: string): Promise<DirectoryLock> {
  if (process.platform === 'win32') return lockPipe(directory);
  const folder = socketFolder(directory);
  try {
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
      const held = await tryLock(directory, folder);
      if (held === 'in use') break;
      if (held !== 'overtaken') return held;
      await delay(Math.random() * YIELD_MS);
    }
  } catch (error) {
    folder.release();
    throw unlockable(directory, error);
  }
  folder.release();
  throw inUse(directory);
}

interface SocketFolder {
  path(name: string): string;
  release(): void;
}

/** Socket paths hold about 100 bytes; a directory's path may be longer, so Linux reaches it through its file descriptor. */
function socketFolder(directory: string): SocketFolder {
  if (process.platform !== 'linux') return { path: (name) => join(directory, name), release: () => undefined };
  const descriptor = openSync(directory, 'r');
  return { path: (name) => `/proc/self/fd/${descriptor}/${name}`, release: () => closeSync(descriptor) };
}

async function tryLock(directory: string, folder: SocketFolder): Promise<DirectoryLock | 'in use' | 'overtaken'> {
  const found = publishedIn(directory);
  for (const name of found) if (await isHeld(folder.path(name))) return 'in use';
  const own = `lock.${Math.max(0, ...found.map(numberOf)) + 1}`;
  const socket = `lock-${randomBytes(8).toString('hex')}`;
  const server = await listen(folder.path(socket));
  if (server === undefined) return 'overtaken';
  const withdraw = async () => {
    await new Promise<void>((done) => server.close(() => done()));
    rmSync(join(directory, socket), { force: true });
    return 'overtaken' as const;
  };
  try {
    symlinkSync(socket, join(directory, own));
  } catch (error) {
    await withdraw();
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return 'overtaken';
    throw error;
  }
  for (const name of publishedIn(directory)) {
    if (name === own || !(await isHeld(folder.path(name)))) continue;
    rmSync(join(directory, own), { force: true });
    return withdraw();
  }
  await removeDead(directory, folder, own, socket);
  return {
    release: async () => {
      rmSync(join(directory, own), { force: true });
      await withdraw();
      folder.release();
    },
  };
}

function publishedIn(directory: string): readonly string[] {
  return readdirSync(directory).filter((name) => PUBLISHED.test(name));
}

function numberOf(name: string): number {
  return Number(PUBLISHED.exec(name)?.[1] ?? 0);
}

/** Only the holder does this. A starter that loses its socket by it was to yield anyway. */
async function removeDead(directory: string, folder: SocketFolder, ...own: readonly string[]): Promise<void> {
  for (const name of readdirSync(directory)) {
    if (own.includes(name) || !(PUBLISHED.test(name) || SOCKET.test(name))) continue;
    if (await isHeld(folder.path(name))) continue;
    try {
      rmSync(join(directory, name), { force: true });
    } catch {
      // A directory of that name, say: it is in nobody's way.
    }
  }
}

async function lockPipe(directory: string): Promise<DirectoryLock> {
  const digest = createHash('sha256').update(resolve(directory).toLowerCase()).digest('hex').slice(0, 32);
  const server = await listen(`\\\\.\\pipe\\latchkey-${digest}`);
  if (server === undefined) throw inUse(directory);
  return { release: () => new Promise<void>((done) => server.close(() => done())) };
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

/** In a copy of a directory that is in use, some tools make the link lead back to the original's socket: nobody holds the copy. */
async function isHeld(path: string): Promise<boolean> {
  try {
    if (!SOCKET.test(readlinkSync(path))) return false;
  } catch {
    // No link, or gone by now: asking tells.
  }
  return isAnswered(path);
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

function inUse(directory: string): LatchkeyError {
  return new LatchkeyError(
    'data-in-use',
    `The data directory ${resolve(directory)} is in use by another Latchkey process; stop it, or choose another --data.`,
    { field: 'data' },
  );
}

function unlockable(directory: string, error: unknown): LatchkeyError {
  const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
  return new LatchkeyError(
    'data-unwritable',
    `The data directory ${resolve(directory)} cannot be locked (${code}); its file system must take sockets and links. Choose another --data.`,
    { field: 'data', cause: error },
  );
}
