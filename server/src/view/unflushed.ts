import { existsSync, readFileSync } from 'node:fs';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { LatchkeyError } from '@latchkey/client';
import type { ReportFault } from '../shared/logger.ts';
import { STORE_FILE, unusable } from './environment.ts';
import { belongsToAnother, claimDirectory, LOCAL_OWNER } from './start-epoch.ts';
import { Store } from './store.ts';
import { corrupt } from './store-file.ts';

export const MARK_FILE = 'latchkey.unflushed';
/** LMDB makes it anew; the readers that it lists are of the store that goes. */
const LOCK_FILE = `${STORE_FILE}-lock`;
const BOOT_FILE = '/proc/sys/kernel/random/boot_id';
/** Of a store that the disk would not take. */
const NO_BOOT = '';
const BOOT = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

interface Mark {
  readonly boot: string;
  readonly owner: string;
}

export interface FlushOptions {
  readonly directory: string;
  /** Which log the directory belongs to; `local` where it is left out. That of another is refused. */
  readonly owner?: string | undefined;
  /** What is flushed: each step, as where it is left out, or, where the log elsewhere is what is durable, the store when it is closed. */
  readonly flushes?: 'step' | 'close' | undefined;
  /** Told why, where an unflushed store could not be trusted and is a new one now. */
  readonly onEmptied?: ((why: string) => void) | undefined;
  /** In place of `bootId`, for tests. */
  readonly boot?: (() => string | undefined) | undefined;
  readonly reportFault: ReportFault;
}

/** The present run of this machine; undefined where the system does not tell: Linux alone does. */
export function bootId(): string | undefined {
  try {
    const text = readFileSync(BOOT_FILE, 'utf8').trim();
    return BOOT.test(text) ? text : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Stands between a store whose steps are not flushed and whoever opens it next. What a killed process wrote is in the kernel's memory and
 * comes to the disk; when the machine itself stops, any of the pages may be missing, and nothing in the file tells. So a file beside it
 * says in which run of the machine it was opened. It does not know what is in the store.
 *
 * Invariant: whenever the disk may hold other pages than were written, the mark is durable there.
 */
export class UnflushedMark {
  readonly #directory: string;
  readonly #owner: string;
  readonly #reportFault: ReportFault;

  private constructor({ directory, owner = LOCAL_OWNER, reportFault }: FlushOptions) {
    this.#directory = directory;
    this.#owner = owner;
    this.#reportFault = reportFault;
  }

  /**
   * Before the store is opened to be written, while the directory is locked: takes what is there for good, flushes or empties it. The mark
   * of a store that is to be opened unflushed; undefined: its steps are to be flushed.
   * @throws LatchkeyError `config-invalid` for the directory of another log, `data-corrupt`, `data-newer`, `data-unwritable`
   */
  static async settle(options: FlushOptions): Promise<UnflushedMark | undefined> {
    try {
      return (await UnflushedMark.#isSet(options)) ? new UnflushedMark(options) : undefined;
    } catch (error) {
      throw error instanceof LatchkeyError ? error : unusable(options.directory, error);
    }
  }

  static async #isSet(options: FlushOptions): Promise<boolean> {
    const { directory, flushes = 'step', onEmptied, owner = LOCAL_OWNER, reportFault } = options;
    const boot = (options.boot ?? bootId)();
    const found = readMark(directory);
    if (found !== undefined) {
      checkHolder(found, directory, owner);
      const why = await distrust(found, boot, directory);
      if (why !== undefined && (await empty(directory))) onEmptied?.(why);
    }
    if (flushes === 'step' || boot === undefined) {
      if (found !== undefined) await removeMark(directory);
      return false;
    }
    if (found !== undefined && found !== 'unreadable' && found.boot === boot) return true;
    await checkOwner(directory, owner);
    try {
      await writeMark(directory, { boot, owner });
      return true;
    } catch (error) {
      // A disk that is full, say: the store may have room of its own, and flushing needs no mark.
      reportFault('view', error);
      await rm(join(directory, MARK_FILE), { force: true });
      return false;
    }
  }

  /** After the store was closed: it is flushed, and as good as any other. Never rejects. */
  async end(): Promise<void> {
    const directory = this.#directory;
    try {
      if (existsSync(join(directory, STORE_FILE))) await sync(join(directory, STORE_FILE), 'r+');
      await removeMark(directory);
    } catch (error) {
      this.#reportFault('view', error);
      // The kernel tells once that pages were lost; the next start would find none the wiser.
      await writeMark(directory, { boot: NO_BOOT, owner: this.#owner }).catch(() => undefined);
    }
  }
}

/** Of whoever only reads the directory. @throws LatchkeyError `data-corrupt` where the store can't be trusted */
export function refuseUntrusted(directory: string): void {
  const found = readMark(directory);
  if (found === undefined || (found !== 'unreadable' && found.boot === bootId())) return;
  throw corrupt(
    join(directory, STORE_FILE),
    'it was not flushed before its machine stopped, or was copied from another; a server that is started on it fills it anew from its log',
  );
}

function readMark(directory: string): Mark | 'unreadable' | undefined {
  const file = join(directory, MARK_FILE);
  if (!existsSync(file)) return undefined;
  try {
    const { boot, owner } = JSON.parse(readFileSync(file, 'utf8')) as Partial<Mark>;
    return typeof boot === 'string' && typeof owner === 'string' ? { boot, owner } : 'unreadable';
  } catch {
    return 'unreadable';
  }
}

/** @throws LatchkeyError `config-invalid` */
function checkHolder(found: Mark | 'unreadable', directory: string, owner: string): void {
  // Whose a mark is that can't be read nobody knows, but that `local` writes none.
  const isOther = found === 'unreadable' ? owner === LOCAL_OWNER : found.owner !== owner;
  if (isOther) throw belongsToAnother(directory, found === 'unreadable' ? 'redis' : found.owner, owner);
}

/** Undefined: all that was written to it is there. */
async function distrust(
  found: Mark | 'unreadable',
  boot: string | undefined,
  directory: string,
): Promise<string | undefined> {
  const file = join(directory, STORE_FILE);
  if (found === 'unreadable') return 'nothing tells whether it was flushed';
  if (found.boot === NO_BOOT) return 'it could not be flushed';
  if (boot === undefined) return 'it was not flushed, and this system does not tell whether it restarted since';
  if (found.boot !== boot) return 'it was not flushed before its machine stopped, or it comes from another machine';
  if (!existsSync(file)) return undefined;
  try {
    // The kernel has all of it, unless the disk refused some meanwhile: then it says so here.
    await sync(file, 'r+');
    return undefined;
  } catch (error) {
    return `it could not be flushed (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`;
  }
}

/** Whether there was a store. */
async function empty(directory: string): Promise<boolean> {
  const isThere = existsSync(join(directory, STORE_FILE));
  for (const name of [STORE_FILE, LOCK_FILE]) await rm(join(directory, name), { force: true });
  // Before any other mark, or none, says that what is there is good.
  await syncDirectory(directory);
  return isThere;
}

/** A store that was flushed up to now: what another log keeps there must not get a mark, which could cost it everything. */
async function checkOwner(directory: string, owner: string): Promise<void> {
  if (!existsSync(join(directory, STORE_FILE))) return;
  const store = new Store(directory);
  try {
    claimDirectory(store, owner);
  } finally {
    await store.close();
  }
}

/** Durable when it resolves. One that was cut short can't be read, which is as good as one of another run. */
async function writeMark(directory: string, mark: Mark): Promise<void> {
  const handle = await open(join(directory, MARK_FILE), 'w');
  try {
    await handle.writeFile(`${JSON.stringify(mark)}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await syncDirectory(directory);
}

async function removeMark(directory: string): Promise<void> {
  // The store's own name in the directory, where it is a new one.
  await syncDirectory(directory);
  await rm(join(directory, MARK_FILE), { force: true });
}

async function syncDirectory(directory: string): Promise<void> {
  // Windows flushes no directories, and keeps the order in which their names change.
  if (process.platform !== 'win32') await sync(directory, 'r');
}

async function sync(path: string, flags: 'r' | 'r+'): Promise<void> {
  const handle: FileHandle = await open(path, flags);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
