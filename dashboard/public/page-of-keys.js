/**
 * One page of the list of keys, kept up by the changes that a watch tells. It stands between the list that was read and the rows on
 * the screen, and knows neither the server nor the page.
 *
 * Invariant: it holds at most `KEYS_MAX` entries, in the order of the store, all within the range of the page.
 */
import { contentOf, keyOfChange, parseExact, previewText } from './values.js';
import { compareKeys, isNewer } from './versions.js';

export const KEYS_MAX = 250;
const PREVIEW_LENGTH_MAX = 300;
/** Changes of keys that are not on the page are remembered for pages that are read meanwhile. */
const RECENT_MAX = 1000;
const RECENT_LENGTH_MAX = 8_000_000;

/** What is kept of an entry: enough for its row. */
/** @typedef {{ key: string, version: string, updated: string, valid?: string, expires?: string, stale?: boolean, preview: string, kind: string }} Row */

export class PageOfKeys {
  /** @type {Map<string, Row>} */
  #rows = new Map();
  #keys = [];
  #after;
  #until;
  /** The last change of keys, by key, oldest first. @type {Map<string, string>} */
  #recent = new Map();
  #recentLength = 0;
  /** Keys that came while the page was full. */
  leftOut = 0;

  get keys() {
    return this.#keys;
  }

  /** @param {string} key @returns {Row | undefined} */
  get(key) {
    return this.#rows.get(key);
  }

  /**
   * Shows another page: keys beyond `after` up to its last one, or all the rest where it is the last.
   * @param {{ entries: any[], after?: string, isLast: boolean }} page
   */
  show({ after, entries, isLast }) {
    this.#after = after;
    this.#until = isLast ? undefined : (entries.at(-1)?.key ?? after ?? '');
    this.#rows = new Map(entries.map((entry) => [entry.key, rowOf(entry)]));
    this.#keys = entries.map(({ key }) => key);
    this.leftOut = 0;
    // The page may have been read elsewhere than the watch, a little earlier.
    for (const data of this.#recent.values()) this.#fold(data, keyOfChange(data));
  }

  /** Forgets what the watch told: another one begins. */
  forget() {
    this.#recent.clear();
    this.#recentLength = 0;
  }

  /**
   * Takes a change's JSON text.
   * @param {string} data @returns {{ key: string, is: 'changed' | 'moved' | 'elsewhere' }} `moved`: a row came or went
   */
  take(data) {
    const key = keyOfChange(data);
    this.#remember(key, data);
    return { key, is: this.#fold(data, key) };
  }

  #remember(key, data) {
    this.#recentLength += data.length - (this.#recent.get(key)?.length ?? 0);
    this.#recent.delete(key);
    this.#recent.set(key, data);
    for (const [oldest, { length }] of this.#recent) {
      if (this.#recent.size <= RECENT_MAX && this.#recentLength <= RECENT_LENGTH_MAX) return;
      this.#recent.delete(oldest);
      this.#recentLength -= length;
    }
  }

  #fold(data, key) {
    const row = this.#rows.get(key);
    if (row === undefined && !this.#isInRange(key)) return 'elsewhere';
    const change = parseExact(data);
    if (row !== undefined && !isNewer(change.version, row.version)) return 'elsewhere';
    if (change.op === 'remove') return this.#remove(key);
    if (row === undefined && this.#rows.size >= KEYS_MAX) {
      this.leftOut += 1;
      return 'elsewhere';
    }
    this.#rows.set(key, rowOf({ ...change, stale: change.op === 'stale' }));
    if (row !== undefined) return 'changed';
    this.#keys.splice(this.#placeOf(key), 0, key);
    return 'moved';
  }

  #remove(key) {
    if (!this.#rows.delete(key)) return 'elsewhere';
    this.#keys.splice(this.#placeOf(key), 1);
    return 'moved';
  }

  #isInRange(key) {
    if (this.#after !== undefined && compareKeys(key, this.#after) <= 0) return false;
    return this.#until === undefined || compareKeys(key, this.#until) <= 0;
  }

  /** Where the key is, or belongs. */
  #placeOf(key) {
    let low = 0;
    let high = this.#keys.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (compareKeys(this.#keys[middle], key) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function rowOf(entry) {
  const content = contentOf(entry);
  const { expires, key, stale, updated, valid, version } = entry;
  return {
    key,
    version,
    updated,
    valid,
    expires,
    stale,
    preview: previewText(content, PREVIEW_LENGTH_MAX),
    kind: content.kind,
  };
}
