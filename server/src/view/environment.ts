import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  readSync,
  statSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { LatchkeyError } from '@latchkey/client';
import { type Database, type GetOptions, open, type RootDatabase, type Transaction } from 'lmdb';
import type { Epoch } from '../shared/epochs.ts';
import { writeUtf8 } from '../shared/utf8.ts';

/** The layout of the data directory. A newer one is refused; an older one is brought up to date at opening. */
export const FORMAT_VERSION = 1;

export const STORE_FILE = 'latchkey.mdb';
/** The longest key that LMDB takes with its pages of 4 KiB. */
export const KEY_BYTES_MAX = 1978;
const LMDB_MAGIC = 0xbeefc0de;
/** Two meta pages, for LMDB's usual page size. */
const HEAD_BYTES = 8192;

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
    if (error instanceof LatchkeyError) throw error;
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
    throw new LatchkeyError(
      'data-unwritable',
      `The data directory ${resolve(directory)} cannot be used (${code}); check its path and permissions, or choose another --data.`,
      { field: 'data', cause: error },
    );
  }
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

export function corrupt(file: string, what: string, cause?: unknown): LatchkeyError {
  return new LatchkeyError(
    'data-corrupt',
    `${resolve(file)} is not a readable Latchkey store: ${what}. It was left as it is; restore a backup, or choose another --data.`,
    { field: 'data', cause },
  );
}

/**
 * LMDB maps its file into memory: a file cut short would kill the process at the first page that is not there, so the pages that
 * its two meta pages speak of are counted first. LMDB by itself leaves pages out that it took and freed at the end of its file;
 * here they are there, because `Room` keeps the file longer than LMDB has got to.
 *
 * @throws LatchkeyError `data-corrupt`
 */
export function checkStoreFile(file: string): void {
  if (!existsSync(file)) return;
  const { pages, size } = readHead(file);
  if (size === 0) return;
  if (pages.length < HEAD_BYTES) throw corrupt(file, 'it is shorter than its own head');
  const metas = [metaOf(pages, 0)];
  const pageSize = metas[0]?.pageSize ?? 4096;
  if (pageSize === 4096) metas.push(metaOf(pages, 4096));
  const newest = metas.filter((meta) => meta !== undefined).sort((a, b) => b.transaction - a.transaction)[0];
  if (newest === undefined) throw corrupt(file, 'its head is damaged');
  const expected = (newest.lastPage + 1) * newest.pageSize;
  if (size < expected) throw corrupt(file, `it has ${size} bytes where its head speaks of ${expected}`);
}

/** The size is asked after the head was read: a server that has the store open may let it grow in between. */
function readHead(file: string): { readonly pages: Buffer; readonly size: number } {
  try {
    const pages = Buffer.alloc(HEAD_BYTES);
    const descriptor = openSync(file, 'r');
    try {
      const read = readSync(descriptor, pages, 0, pages.length, 0);
      return { pages: pages.subarray(0, read), size: fstatSync(descriptor).size };
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    throw corrupt(file, `it cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`, error);
  }
}

interface Meta {
  readonly pageSize: number;
  readonly lastPage: number;
  readonly transaction: number;
}

/** The fields of LMDB's `MDB_meta` behind the 16-byte (or, in newer layouts, 24-byte) page header. */
function metaOf(pages: Buffer, page: number): Meta | undefined {
  for (const header of [16, 24]) {
    const at = page + header;
    if (pages.readUInt32LE(at) !== LMDB_MAGIC) continue;
    const tables = at + 24;
    const pageSize = pages.readUInt32LE(tables);
    return {
      pageSize: pageSize >= 512 && pageSize <= 65_536 ? pageSize : 4096,
      lastPage: Number(pages.readBigUInt64LE(tables + 96)),
      transaction: Number(pages.readBigUInt64LE(tables + 104)),
    };
  }
  return undefined;
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

/** @throws LatchkeyError `data-corrupt` */
export function openEnvironment(directory: string, options: { readonly isReadOnly?: boolean } = {}): Environment {
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
