import { statSync } from 'node:fs';
import { open } from 'node:fs/promises';

/** How far the file grows at a time, so that growing is rare beside writing. */
const GROWTH_BYTES = 4 * 1024 * 1024;
/** For what a step writes beside its changes: tables, the state, LMDB's own list of free pages. */
const MARGIN_BYTES = 2 * 1024 * 1024;

/**
 * Keeps the store's file longer than LMDB has got to, by zeros that the disk has already taken. It stands between a commit and the
 * disk because LMDB must not meet a full one: lmdb 3.5.6 answers a failed page write by overrunning a buffer of 100 bytes with its
 * message (`mdb_page_flush`), which may end the process.
 *
 * Invariant: zeros are only ever appended, and only while no transaction runs, so no page of LMDB's is written over.
 */
export class Room {
  readonly #file: string;
  readonly #usedBytes: () => number;
  /** At least so much lies between LMDB's last page and the end of the file. */
  #spareBytes = 0;

  /** `usedBytes` answers with the end of LMDB's last page. */
  constructor(file: string, usedBytes: () => number) {
    this.#file = file;
    this.#usedBytes = usedBytes;
  }

  /**
   * Resolves when a transaction can take so many bytes.
   * @throws Error of the disk, such as `ENOSPC`, when it gives no more; the file is then as good as before
   */
  async make(bytes: number): Promise<void> {
    const needed = bytes + MARGIN_BYTES;
    if (this.#spareBytes < needed) this.#spareBytes = this.#measure();
    if (this.#spareBytes < needed) await this.#grow(needed);
    this.#spareBytes -= bytes;
  }

  async #grow(needed: number): Promise<void> {
    const wanted = needed - this.#spareBytes + GROWTH_BYTES;
    const zeros = Buffer.alloc(Math.min(wanted, GROWTH_BYTES));
    const handle = await open(this.#file, 'a');
    try {
      for (let left = wanted; left > 0; left -= zeros.length) {
        await handle.appendFile(zeros.subarray(0, Math.min(left, zeros.length)));
      }
    } catch (error) {
      this.#spareBytes = this.#measure();
      // The last of the disk may be enough for now.
      if (this.#spareBytes < needed) throw error;
    } finally {
      await handle.close();
    }
    this.#spareBytes = this.#measure();
  }

  #measure(): number {
    return statSync(this.#file).size - this.#usedBytes();
  }
}
