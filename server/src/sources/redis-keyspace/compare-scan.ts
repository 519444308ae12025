/**
 * Finds what may differ between a Redis and the entries of its keys, page by page: first every key that is there, then the entries whose
 * keys are not. It stands between the connection and the view, and reads no value: whoever asks for a page reads its keys.
 *
 * Invariant: once `next` answers `undefined`, every followed key that was there throughout, and every entry that is this source's whose
 * key was gone throughout, was in a page.
 */

import type { Change } from '../../shared/change.ts';
import type { RedisConnection } from '../../shared/redis/connection.ts';
import { listOfReply, textOfReply } from '../../shared/redis/reply.ts';
import type { View } from '../../view/view.ts';
import type { Selected, Selection } from './selection.ts';

export interface CompareScanSetup {
  /** Binary. */
  readonly connection: Pick<RedisConnection, 'send'>;
  readonly selection: Selection;
  readonly view: Pick<View, 'list'>;
  /** Whether an entry whose key is not there is to go. */
  readonly isOwn: (entry: Change) => boolean;
  /** A key that no entry can be called by. */
  readonly onUnfit: () => void;
}

const COUNT = '500';
const ENTRIES_MAX = 500;

export class CompareScan {
  readonly #setup: CompareScanSetup;
  #pattern = 0;
  #cursor = '0';
  #isAmongEntries = false;
  #after: string | undefined;
  #seen = 0;

  constructor(setup: CompareScanSetup) {
    this.#setup = setup;
  }

  /** Keys that were found there. */
  get seen(): number {
    return this.#seen;
  }

  /** Whether all that is there was found, and entries are looked at that may have no key. */
  get isAmongEntries(): boolean {
    return this.#isAmongEntries;
  }

  /** The keys of the next page, which may be none; undefined once there is no more. */
  async next(): Promise<readonly Selected[] | undefined> {
    if (this.#pattern === this.#setup.selection.patterns.length) {
      if (this.#isAmongEntries) return undefined;
      this.#isAmongEntries = true;
      this.#pattern = 0;
    }
    return this.#isAmongEntries ? await this.#entries() : await this.#keys();
  }

  async #keys(): Promise<readonly Selected[]> {
    const { connection, onUnfit, selection } = this.#setup;
    const index = this.#pattern;
    const pattern = selection.patterns[index] as string;
    const reply = listOfReply(await connection.send(['SCAN', this.#cursor, 'MATCH', pattern, 'COUNT', COUNT]));
    this.#cursor = textOfReply(reply[0]) ?? '0';
    if (this.#cursor === '0') this.#pattern += 1;
    const found: Selected[] = [];
    for (const name of listOfReply(reply[1])) {
      const selected = selection.of(Buffer.isBuffer(name) ? name : String(name));
      if (selected === 'unfit') onUnfit();
      else if (selected !== undefined && !selection.isEarlier(selected.redisKey, index)) found.push(selected);
    }
    this.#seen += found.length;
    return found;
  }

  /** Entries of a page of the view whose keys are not there now. */
  async #entries(): Promise<readonly Selected[]> {
    const { isOwn, selection, view } = this.#setup;
    const index = this.#pattern;
    const after = this.#after === undefined ? {} : { after: this.#after };
    const page = view.list({ prefix: selection.entryPrefix(index), limit: ENTRIES_MAX, ...after });
    this.#after = page.next;
    if (page.next === undefined) this.#pattern += 1;
    const own = page.entries.flatMap((entry) => {
      const selected = selection.ofEntry(entry.key);
      if (selected === undefined || selection.isEarlier(selected.redisKey, index) || !isOwn(entry)) return [];
      return [selected];
    });
    return this.#absent(own);
  }

  /** Those that are not there. Most often all are, which one answer tells. */
  async #absent(keys: readonly Selected[]): Promise<readonly Selected[]> {
    if (keys.length === 0) return [];
    const names = keys.map(({ redisKey }) => redisKey);
    const there = Number(await this.#setup.connection.send(['EXISTS', ...names]));
    if (there === keys.length) return [];
    if (there === 0) return keys;
    const half = Math.ceil(keys.length / 2);
    return [...(await this.#absent(keys.slice(0, half))), ...(await this.#absent(keys.slice(half)))];
  }
}
