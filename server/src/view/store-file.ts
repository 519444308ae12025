import { closeSync, existsSync, fstatSync, openSync, readSync } from 'node:fs';
import { resolve } from 'node:path';
import { LatchkeyError } from '@latchkey/client';
import { faultInTree, TREE_BYTES } from './store-trees.ts';

const LMDB_MAGIC = 0xbeefc0de;
/** LMDB's usual one; a store of a machine with bigger pages says so in its first meta page. */
const PAGE_BYTES = 4096;
/** Both meta pages, where pages are as usual. */
const HEAD_BYTES = 2 * PAGE_BYTES;
/** How often a store is looked at anew that somebody writes to meanwhile. */
const LOOKS_MAX = 5;

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
 * here they are there, because `Room` keeps the file longer than LMDB has got to. Then its trees are looked at, as far as opening
 * them goes.
 *
 * @throws LatchkeyError `data-corrupt`
 */
export function checkStoreFile(file: string): void {
  if (!existsSync(file)) return;
  let transaction: number | undefined;
  for (let looks = 0; ; looks += 1) {
    const found = look(file);
    if (found === undefined) return;
    // Where somebody writes to it, pages of an older moment become those of a newer one; what can be written to can be read.
    if (found.transaction === transaction) throw corrupt(file, found.fault);
    if (looks >= LOOKS_MAX) return;
    transaction = found.transaction;
  }
}

/** What is wrong, and as of which of the store's transactions. */
function look(file: string): { readonly fault: string; readonly transaction: number } | undefined {
  let descriptor: number;
  try {
    descriptor = openSync(file, 'r');
  } catch (error) {
    throw unreadable(file, error);
  }
  try {
    return lookInto(file, descriptor);
  } catch (error) {
    throw error instanceof LatchkeyError ? error : unreadable(file, error);
  } finally {
    closeSync(descriptor);
  }
}

function unreadable(file: string, error: unknown): LatchkeyError {
  return corrupt(file, `it cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`, error);
}

function lookInto(
  file: string,
  descriptor: number,
): { readonly fault: string; readonly transaction: number } | undefined {
  const head = Buffer.alloc(HEAD_BYTES);
  const read = readSync(descriptor, head, 0, HEAD_BYTES, 0);
  // Asked after the head was read: a server that has the store open may let it grow in between.
  const { size } = fstatSync(descriptor);
  if (size === 0) return undefined;
  if (read < HEAD_BYTES) throw corrupt(file, 'it is shorter than its own head');
  const first = metaOf(head);
  const second = Buffer.alloc(PAGE_BYTES);
  readSync(descriptor, second, 0, PAGE_BYTES, first?.pageSize ?? PAGE_BYTES);
  const metas = [first, metaOf(second)].filter((meta) => meta !== undefined);
  const newest = metas.sort((a, b) => b.transaction - a.transaction)[0];
  if (newest === undefined) throw corrupt(file, 'its head is damaged');
  const { lastPage, pageSize, transaction } = newest;
  const expected = (lastPage + 1) * pageSize;
  if (size < expected) throw corrupt(file, `it has ${size} bytes where its head speaks of ${expected}`);
  const bytes = Buffer.alloc(pageSize);
  const pages = {
    pageSize,
    lastPage,
    read: (page: number) =>
      readSync(descriptor, bytes, 0, pageSize, page * pageSize) === pageSize ? bytes : undefined,
  };
  const fault = faultInTree(pages, newest.free, false) ?? faultInTree(pages, newest.main, true);
  return fault === undefined ? undefined : { fault, transaction };
}

interface Meta {
  readonly pageSize: number;
  readonly lastPage: number;
  readonly transaction: number;
  /** The tree of the free pages, and the one of all others. */
  readonly free: Buffer;
  readonly main: Buffer;
}

/** The fields of LMDB's `MDB_meta`, behind the page header of 24 bytes. */
function metaOf(page: Buffer): Meta | undefined {
  const at = 24;
  if (page.readUInt32LE(at) !== LMDB_MAGIC) return undefined;
  const trees = at + 24;
  const pageSize = page.readUInt32LE(trees);
  const tree = (index: number) =>
    Buffer.from(page.subarray(trees + index * TREE_BYTES, trees + (index + 1) * TREE_BYTES));
  return {
    pageSize: pageSize >= 512 && pageSize <= 65_536 ? pageSize : PAGE_BYTES,
    free: tree(0),
    main: tree(1),
    lastPage: Number(page.readBigUInt64LE(trees + 2 * TREE_BYTES)),
    transaction: Number(page.readBigUInt64LE(trees + 2 * TREE_BYTES + 8)),
  };
}
