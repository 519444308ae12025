import { accessSync, constants, existsSync, mkdirSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { LatchkeyError } from '@latchkey/client';
import { type Database, type GetOptions, open, type RootDatabase, type Transaction } from 'lmdb';
import type { Epoch } from '../shared/epochs.ts';
import { writeUtf8 } from '../shared/utf8.ts';
import { checkStoreFile, corrupt } from './store-file.ts';

/** The layout of the data directory. A newer one is refused; an older one is brought up to date at opening. */
export const FORMAT_VERSION = 1;

export const STORE_FILE = 'latchkey.mdb';
/** The longest key that LMDB takes with its pages of 4 KiB. */
export const KEY_BYTES_MAX = 1978;

/** A key is given as its bytes, or as the text that they are; what is read back are bytes. */
export type Bytes = Database<Buffer, Buffer> & {
  // lmdb's declarations leave out what it takes.
  getBinaryFast(key: Buffer, options?: GetOptions): Buffer | undefined;
};

/** @throws LatchkeyError `data-unwritable` */
export function prepareDirectory(directory: string): void {
  try {
    makeDirectories(resolve(directory));
    if (!statSync(directory).isDirectory()) throw notADirectory(directory);
    accessSync(directory, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    throw error instanceof LatchkeyError ? error : unusable(directory, error);
  }
}

export function unusable(directory: string, error: unknown): LatchkeyError {
  const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
  return new LatchkeyError(
    'data-unwritable',
    `The data directory ${resolve(directory)} cannot be used (${code}); check its path and permissions, or choose another --data.`,
    { field: 'data', cause: error },
  );
}

function notADirectory(path: string): LatchkeyError {
  return new LatchkeyError('data-unwritable', `${resolve(path)} is not a directory; choose another --data.`, {
    field: 'data',
  });
}

/** One at a time: Node's own recursive mkdir never returns where the kernel denies that the parent it shows is there (`/proc`). */
function makeDirectories(directory: string): void {
  if (existsSync(directory)) return;
  makeDirectories(dirname(directory));
  mkdirSync(directory);
}

export interface Environment {
  readonly root: RootDatabase<Buffer, Buffer>;
  readonly database: (name: string) => Bytes;
}

/**
 * LMDB prints failed commits to standard error, with a stack, beside rejecting them. They are told where they are handled.
 */
function silenceLmdb(): void {
  const { console: terminal } = globalThis;
  const print = terminal.error;
  terminal.error = (...printed: unknown[]) => {
    const [first] = printed;
    if (first instanceof Error && /[\\/]lmdb[\\/]/.test(first.stack ?? '')) return;
    print.apply(terminal, printed);
  };
}
let isSilenced = false;

/** A key that LMDB may be given as text: what it writes from, and reads with, is its own memory, so no buffer is made for it. */
export function textKey(text: string): Buffer {
  return text as unknown as Buffer;
}

/** As lmdb's own for binary keys, but for texts. One that LMDB would not take is told by its length, as with bytes. */
function writeKey(key: Buffer | string, target: Buffer, start: number): number {
  if (typeof key === 'string' && key.length * 3 <= KEY_BYTES_MAX) return writeUtf8(key, target, start);
  const bytes = typeof key === 'string' ? Buffer.from(key) : key;
  target.set(bytes, start);
  return start + bytes.length;
}

export interface EnvironmentOptions {
  readonly isReadOnly?: boolean;
  /** A commit is in the kernel's memory, and comes to the disk whenever: for what can be had again (`unflushed.ts`). */
  readonly isUnflushed?: boolean;
}

/** @throws LatchkeyError `data-corrupt` */
export function openEnvironment(directory: string, options: EnvironmentOptions = {}): Environment {
  const file = join(directory, STORE_FILE);
  checkStoreFile(file);
  if (!isSilenced) silenceLmdb();
  isSilenced = true;
  try {
    const root = open<Buffer, Buffer>({
      path: file,
      noSubdir: true,
      encoding: 'binary',
      keyEncoding: 'binary',
      maxDbs: 16,
      maxReaders: 126,
      // A commit answers when it is flushed, not before: what is shown is what survives.
      overlappingSync: false,
      noSync: options.isUnflushed ?? false,
      // Steps are batches already; LMDB's own would add a promise that nobody can handle when a commit fails.
      eventTurnBatching: false,
      readOnly: options.isReadOnly ?? false,
    });
    return {
      root,
      database: (name) =>
        Object.assign(root.openDB<Buffer, Buffer>({ name, encoding: 'binary', keyEncoding: 'binary' }), { writeKey }),
    };
  } catch (error) {
    throw corrupt(file, error instanceof Error ? error.message : 'it cannot be opened', error);
  }
}

/** A moment of the store that is held: reads that are handed it see nothing newer. It keeps the pages it shows from being used anew. */
export interface Moment {
  readonly transaction: Transaction;
}

export function holdNewest(root: RootDatabase<Buffer, Buffer>): Moment {
  // Else a transaction that was begun in this turn of the event loop would be taken again.
  root.resetReadTxn();
  return { transaction: root.useReadTransaction() };
}

export const FORMAT_KEY = Buffer.from('format');
export const EPOCHS_KEY = Buffer.from('epochs');

/** @throws LatchkeyError `data-newer`, `data-corrupt` */
export function checkFormat(meta: Bytes, directory: string): 'new' | 'known' {
  const stored = meta.get(FORMAT_KEY);
  if (stored === undefined) return 'new';
  const version = readJson<{ version: number }>(stored, directory).version;
  if (version > FORMAT_VERSION) {
    throw new LatchkeyError(
      'data-newer',
      `The data directory ${resolve(directory)} has format ${version}, written by a newer Latchkey; this one reads up to ${FORMAT_VERSION}. Start the newer version.`,
      { field: 'data' },
    );
  }
  return 'known';
}

export function readJson<T>(bytes: Buffer, directory: string): T {
  try {
    return JSON.parse(bytes.toString()) as T;
  } catch (error) {
    throw corrupt(join(directory, STORE_FILE), 'its own records cannot be read', error);
  }
}

export function readEpochs(meta: Bytes, directory: string): readonly Epoch[] {
  const stored = meta.get(EPOCHS_KEY);
  return stored === undefined ? [] : readJson<readonly Epoch[]>(stored, directory);
}
