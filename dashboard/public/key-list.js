/** Reads a page of the list of keys, however rare what is looked for. */
import { call } from './server.js';

const PAGE_SIZE = 100;
/** A rare glob makes the server go through many keys for few: what was found by then is shown. */
const GATHER_MAX_MS = 10_000;

/**
 * @param {{ kind: 'key' | 'prefix' | 'pattern', term: string }} filter
 * @param {string | undefined} from the cursor where the page begins
 * @param {AbortSignal} signal
 * @returns {Promise<{ entries: any[], cursor?: string, position: string }>} a watch from `position` misses nothing of the page
 * @throws ServerError
 */
export async function readPage({ kind, term }, from, signal) {
  // In the order of the store an exact key is the first of those that begin with it.
  if (kind === 'key' && term !== '') {
    const { entries, position } = await call(`v1/keys?${new URLSearchParams({ prefix: term, limit: '1' })}`, {
      signal,
    });
    return { entries: entries.filter(({ key }) => key === term), position };
  }
  const untilMs = performance.now() + GATHER_MAX_MS;
  const entries = [];
  let cursor = from;
  let position;
  do {
    const query = new URLSearchParams(term === '' ? {} : { [kind]: term });
    query.set('limit', String(PAGE_SIZE - entries.length));
    if (cursor !== undefined) query.set('cursor', cursor);
    const page = await call(`v1/keys?${query}`, { signal });
    entries.push(...page.entries);
    cursor = page.cursor;
    // Of the first answer: what a later one shows, the watch may tell again.
    position ??= page.position;
  } while (cursor !== undefined && entries.length < PAGE_SIZE && performance.now() < untilMs);
  return { entries, cursor, position };
}
