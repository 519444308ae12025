import { Readable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { formatPosition, LatchkeyError, parsePosition, quote } from '@latchkey/client';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Principal } from '../shared/access.ts';
import { entryJson } from '../shared/encode-change.ts';
import { refuseKey, refusePattern, refusePrefix } from '../shared/key.ts';
import type { ListOptions, View } from '../view/view.ts';
import type { Core } from './gateway.ts';
import { JSON_TYPE } from './http-error.ts';
import { refusalError } from './outcome-json.ts';
import { principalOf } from './principal.ts';
import { NDJSON_TYPE } from './rest-commands.ts';
import { countOf, cutWhenStalled, flagOf, headerOf, type Query, queryOf } from './rest-request.ts';
import { answerOutcome, submit } from './rest-write.ts';

export const LIST_PARAMETERS = ['prefix', 'pattern', 'limit', 'cursor', 'values'] as const;
export const REMOVE_MATCHING_PARAMETERS = ['pattern', 'dryRun'] as const;

const LIMIT_DEFAULT = 100;
const LIMIT_MAX = 1000;
const PAGE_BYTES_MAX = 4 * 1024 * 1024;
/** Of a stream: about what one socket write should carry. */
const CHUNK_BYTES_MAX = 64 * 1024;

/** Where a list goes on, and the position of its first page: a watch from there misses nothing that any page showed. */
interface Cursor {
  readonly position: string;
  readonly after?: string;
}

interface Listing {
  readonly view: View;
  readonly options: Pick<ListOptions, 'prefix' | 'pattern'>;
  readonly withValues: boolean;
  readonly isAllowed: (key: string) => boolean;
}

/** `GET /v1/keys`: entries in the byte order of their keys, page by page, or all of them as NDJSON. */
export function listKeys(core: Core, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const query = queryOf(request, LIST_PARAMETERS);
  const { view } = core.log;
  const listing = listingOf(core, principalOf(request), query);
  const cursor = cursorOf(query, view);
  reply.header('cache-control', 'no-cache').header('latchkey-position', cursor.position);
  if (headerOf(request, 'accept')?.includes('ndjson') === true) {
    const limit = countOf(query, 'limit', Number.MAX_SAFE_INTEGER, 1, Number.MAX_SAFE_INTEGER);
    cutWhenStalled(request, core.settings.feed.stalledTimeoutMs);
    const stream = Readable.from(chunks(listing, cursor.after, limit), { objectMode: true, highWaterMark: 1 });
    return reply.header('content-type', NDJSON_TYPE).send(stream);
  }
  const limit = countOf(query, 'limit', LIMIT_DEFAULT, 1, LIMIT_MAX);
  const page = readPage(listing, cursor.after, limit, PAGE_BYTES_MAX);
  const next =
    page.next === undefined ? '' : `"cursor":"${cursorText({ position: cursor.position, after: page.next })}",`;
  const body = `{"entries":[${page.texts.join(',')}],${next}"position":"${cursor.position}"}`;
  return reply.header('content-type', JSON_TYPE).send(body);
}

/** `DELETE /v1/keys?pattern=`: as the command `removeMatching`. */
export async function removeKeys(core: Core, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const query = queryOf(request, REMOVE_MATCHING_PARAMETERS);
  const pattern = query.get('pattern');
  const refusal = refusePattern(pattern, core.settings.limits.keyBytesMax);
  if (refusal !== undefined) throw refusalError(refusal);
  const dryRun = flagOf(query, 'dryRun');
  const command = { op: 'removeMatching', pattern: pattern as string, ...(dryRun ? { dryRun } : {}) } as const;
  return answerOutcome(core, reply, await submit(core, request, [command]), false);
}

function listingOf(core: Core, principal: Principal, query: Query): Listing {
  const { keyBytesMax } = core.settings.limits;
  const prefix = query.get('prefix');
  const pattern = query.get('pattern');
  const refusal =
    (prefix === undefined ? undefined : refusePrefix(prefix, keyBytesMax)) ??
    (pattern === undefined ? undefined : refusePattern(pattern, keyBytesMax));
  if (refusal !== undefined) throw refusalError(refusal);
  return {
    view: core.log.view,
    options: { ...(prefix === undefined ? {} : { prefix }), ...(pattern === undefined ? {} : { pattern }) },
    withValues: flagOf(query, 'values', true),
    isAllowed: (key) => core.access.allowed(principal, 'read', key),
  };
}

function readPage(listing: Listing, after: string | undefined, limit: number, bytesMax: number) {
  const { isAllowed, options, view, withValues } = listing;
  const { entries, next } = view.list({ ...options, ...(after === undefined ? {} : { after }), limit, bytesMax });
  const now = view.nowMicros();
  const texts = entries
    .filter(({ key }) => isAllowed(key))
    .map((entry) => entryJson(entry, view.epochs, now, { withValues }));
  return { texts, next, count: entries.length };
}

// One page is read when the socket has taken the one before: nothing runs ahead of a slow reader.
async function* chunks(listing: Listing, after: string | undefined, limit: number): AsyncGenerator<Buffer> {
  let from = after;
  let left = limit;
  while (left > 0) {
    const { count, next, texts } = readPage(listing, from, Math.min(left, LIMIT_MAX), CHUNK_BYTES_MAX);
    if (texts.length > 0) yield Buffer.from(`${texts.join('\n')}\n`);
    if (next === undefined) return;
    // Nothing that a socket could wait for: a rare pattern would go through the whole store in this turn.
    if (texts.length === 0) await setImmediate();
    left -= count;
    from = next;
  }
}

function cursorText({ after, position }: Cursor): string {
  return Buffer.from(JSON.stringify([position, after])).toString('base64url');
}

/** @throws LatchkeyError `invalid-request` for a cursor that no answer of this route gave. */
function cursorOf(query: Query, view: View): Cursor {
  const text = query.get('cursor');
  if (text === undefined) return { position: formatPosition(view.position()) };
  try {
    const [position, after] = JSON.parse(Buffer.from(text, 'base64url').toString('utf8')) as [unknown, unknown];
    if (
      typeof position === 'string' &&
      typeof after === 'string' &&
      refuseKey(after, Number.MAX_SAFE_INTEGER) === undefined
    ) {
      parsePosition(position, 'cursor');
      return { position, after };
    }
  } catch {
    // Told below, the same for every way of being wrong.
  }
  const message = `cursor takes the "cursor" of the page before, but got ${quote(text)}; leave it out to start anew.`;
  throw new LatchkeyError('invalid-request', message, { field: 'cursor' });
}
