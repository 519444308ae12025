/**
 * What the watch has told so far, folded: the last change of every key. It knows nothing of the page.
 *
 * Invariant: it holds at most `KEYS_MAX` keys; `left out` counts what came beyond them.
 */

export const KEYS_MAX = 100_000;

/** What is kept of an entry. `data` is the change's own text, so that numbers are shown as they were sent. */
/** @typedef {{ key: string, data: string, version: string, updated: string, valid?: string, isStale: boolean }} Held */

export class Entries {
  /** Keys in the order of their last change. @type {Map<string, Held>} */
  #held = new Map();
  #leftOut = 0;
  /** Grows whenever a key came or went. */
  generation = 0;

  get size() {
    return this.#held.size;
  }

  get leftOut() {
    return this.#leftOut;
  }

  get(key) {
    return this.#held.get(key);
  }

  /** Takes a change's JSON text. Answers with the key, and whether a row of it would look different. */
  take(data) {
    const { key, op, updated, valid, version } = JSON.parse(data);
    const known = this.#held.has(key);
    if (op === 'remove') {
      if (known) {
        this.#held.delete(key);
        this.generation += 1;
      }
      return key;
    }
    if (!known && this.#held.size >= KEYS_MAX) {
      this.#leftOut += 1;
      return key;
    }
    // Deleted first, so that the map's own order is that of the last changes.
    this.#held.delete(key);
    this.#held.set(key, { key, data, version, updated, valid, isStale: op === 'stale' });
    if (!known) this.generation += 1;
    return key;
  }

  clear() {
    this.#held.clear();
    this.#leftOut = 0;
    this.generation += 1;
  }

  /** Up to `max` keys: by key, or the ones that changed last first. */
  keys(order, max) {
    const keys = [...this.#held.keys()];
    if (order === 'recent') return keys.slice(-max).reverse();
    return keys.sort().slice(0, max);
  }

  countStale(nowMs) {
    let count = 0;
    for (const held of this.#held.values()) if (isStale(held, nowMs)) count += 1;
    return count;
  }
}

/** @param {{ isStale: boolean, valid?: string }} held @param {number} nowMs */
export function isStale({ isStale: wasSaid, valid }, nowMs) {
  return wasSaid || (valid !== undefined && Date.parse(valid) <= nowMs);
}

/** The value of a change as text; numbers keep the digits they were sent with where the browser can tell them. */
export function valueText(data, indent) {
  const exact = typeof JSON.rawJSON === 'function';
  const change = JSON.parse(data, (_name, value, context) =>
    exact && typeof value === 'number' && context?.source !== undefined ? JSON.rawJSON(context.source) : value,
  );
  if (!('value' in change)) return undefined;
  const { contentType, value } = change;
  // Text is shown as the text it is; a JSON string keeps its quotes.
  if (typeof value === 'string' && contentType !== undefined && !/json/i.test(contentType)) return value;
  return JSON.stringify(value, undefined, indent);
}

/** `4 s`, `12 min`, `3 h`, `5 d`: how long ago. */
export function ageText(updated, nowMs) {
  const ms = nowMs - Date.parse(updated);
  if (Number.isNaN(ms)) return '—';
  const seconds = Math.floor(Math.max(0, ms) / 1000);
  if (seconds < 1) return 'now';
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}
