import { formatPosition, LatchkeyError, parsePosition, parseVersion, quote, type Version } from '@latchkey/client';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { type Change, isLive, isStale, type Payload } from '../shared/change.ts';
import { changeJson, entryJson } from '../shared/encode-change.ts';
import { formatMicros } from '../shared/timestamp.ts';
import type { Core } from './gateway.ts';
import { JSON_TYPE, sendError } from './http-error.ts';
import type { KeyWaiters } from './key-waiters.ts';
import { principalOf } from './principal.ts';
import { isNotModified } from './rest-conditions.ts';
import { countOf, flagOf, headerOf, keyOf, queryOf, waitMsOf } from './rest-request.ts';

export const READ_PARAMETERS = ['meta', 'history', 'limit', 'after', 'wait', 'minPosition'] as const;

const WAIT_SECONDS_MAX = 300;
const REACH_WAIT_MS = 5000;
const HISTORY_DEFAULT = 100;
const HISTORY_MAX = 1000;
const HISTORY_BYTES_MAX = 4 * 1024 * 1024;
/** Of a key in a message, which goes into logs and terminals. */
const KEY_SHOWN_MAX = 200;
/** What a value is must not run in a page of this origin, whatever content type its sender gave it. */
export const SANDBOX = "default-src 'none'; sandbox";

/** `GET /v1/keys/{key}`. */
export class KeyReader {
  readonly #core: Core;
  readonly #waiters: KeyWaiters;

  constructor(core: Core, waiters: KeyWaiters) {
    this.#core = core;
    this.#waiters = waiters;
  }

  handle(request: FastifyRequest, reply: FastifyReply): FastifyReply | Promise<FastifyReply> {
    const { access, settings } = this.#core;
    const key = keyOf(request, settings.limits.keyBytesMax);
    if (!access.allowed(principalOf(request), 'read', key)) throw forbidden(key);
    const query = queryOf(request, READ_PARAMETERS);
    return query.size === 0 ? this.#answer(request, reply, key, false) : this.#answerQuery(request, reply, key, query);
  }

  async #answerQuery(request: FastifyRequest, reply: FastifyReply, key: string, query: ReadonlyMap<string, string>) {
    const { view } = this.#core.log;
    const isMeta = flagOf(query, 'meta');
    const isHistory = flagOf(query, 'history');
    const limit = countOf(query, 'limit', HISTORY_DEFAULT, 1, HISTORY_MAX);
    const after = query.get('after');
    const version = after === undefined ? undefined : parseVersion(after, 'after');
    const minPosition = query.get('minPosition');
    if (query.has('wait') && version === undefined && minPosition === undefined) {
      throw new LatchkeyError('invalid-request', 'wait needs after or minPosition, which say what to wait for.', {
        field: 'wait',
      });
    }
    if (query.has('limit') && !isHistory) {
      throw new LatchkeyError('invalid-request', 'limit belongs to history=true.', { field: 'limit' });
    }
    if (minPosition !== undefined) {
      const gone = new AbortController();
      reply.raw.once('close', () => gone.abort());
      const waitMs = waitMsOf(query, 'wait', REACH_WAIT_MS, WAIT_SECONDS_MAX);
      await view.reach(parsePosition(minPosition, 'minPosition'), waitMs, gone.signal);
    }
    if (isHistory) return this.#answerHistory(reply, key, version, limit);
    if (version !== undefined && !this.#isNewer(key, version)) {
      const waitMs = waitMsOf(query, 'wait', 0, WAIT_SECONDS_MAX);
      if (!(await this.#changed(reply, key, version, waitMs))) {
        return reply.code(204).header('cache-control', 'no-cache').send();
      }
    }
    return this.#answer(request, reply, key, isMeta);
  }

  // A wake-up is a hint: the same change can be waited past by another `after`.
  async #changed(reply: FastifyReply, key: string, after: Version, waitMs: number): Promise<boolean> {
    const { clock } = this.#core;
    const until = clock.monotonicMs() + waitMs;
    for (;;) {
      const left = until - clock.monotonicMs();
      if (left <= 0) return false;
      const woken = await this.#waiters.wait(key, left, reply.raw);
      if (woken === 'closed') return false;
      if (this.#isNewer(key, after)) return true;
    }
  }

  /** Whether the key changed after that version; one of a lost epoch is older than everything. */
  #isNewer(key: string, { epoch, offset, partition }: Version): boolean {
    const { view } = this.#core.log;
    const entry = view.get(key);
    if (entry === undefined) return false;
    return entry.partition !== partition || entry.offset > offset || !view.epochs.holds(epoch, partition, offset);
  }

  #answer(request: FastifyRequest, reply: FastifyReply, key: string, isMeta: boolean): FastifyReply {
    const { view } = this.#core.log;
    const now = view.nowMicros();
    const entry = view.get(key);
    const position = formatPosition(view.position());
    reply.header('latchkey-position', position);
    if (entry === undefined || !isLive(entry, now) || entry.value === undefined) {
      const message = `There is no entry under the key ${quote(key, KEY_SHOWN_MAX)} at this position.`;
      return sendError(reply, new LatchkeyError('not-found', message, { field: 'key' }));
    }
    const stale = isStale(entry, now);
    const etag = addEntryHeaders(reply, view.epochs.versionText(entry), entry, stale, isMeta);
    if (isNotModified(headerOf(request, 'if-none-match'), etag)) return reply.code(304).send();
    if (isMeta) {
      return reply.header('content-type', JSON_TYPE).send(entryJson(entry, view.epochs, now));
    }
    return sendValue(reply, entry.value);
  }

  #answerHistory(reply: FastifyReply, key: string, after: Version | undefined, limit: number): FastifyReply {
    const { view } = this.#core.log;
    const last = view.get(key);
    const position = formatPosition(view.position());
    reply.header('latchkey-position', position).header('cache-control', 'no-cache');
    if (last === undefined) {
      const message = `There is no change of the key ${quote(key, KEY_SHOWN_MAX)} in the window.`;
      return sendError(reply, new LatchkeyError('not-found', message, { field: 'key' }));
    }
    const holds = after !== undefined && view.epochs.holds(after.epoch, after.partition, after.offset);
    const offsets = view.chain(key, holds ? after.offset : 0, limit + 1);
    const texts: string[] = [];
    let bytes = 0;
    // Newest first, until the answer is big enough: then the newest are what is shown.
    for (const offset of offsets.slice(0, limit)) {
      const change = view.at(last.partition, offset);
      if (change === undefined || bytes > HISTORY_BYTES_MAX) break;
      const text = changeJson(change, view.epochs, true);
      bytes += text.length;
      texts.push(text);
    }
    const truncated = texts.length < offsets.length;
    const body = `{"changes":[${texts.reverse().join(',')}],"position":"${position}","truncated":${truncated}}`;
    return reply.header('content-type', JSON_TYPE).send(body);
  }
}

/** The headers of an entry; returns its ETag, which covers the representation: `-m` for the entry as JSON, `s` when that says stale. */
function addEntryHeaders(reply: FastifyReply, version: string, entry: Change, stale: boolean, isMeta: boolean): string {
  const etag = isMeta ? `"${version}-m${stale ? 's' : ''}"` : `"${version}"`;
  reply
    .header('etag', etag)
    .header('cache-control', 'no-cache')
    .header('latchkey-version', version)
    .header('latchkey-updated', entry.updated.text ?? formatMicros(entry.updated.micros));
  if (entry.valid !== undefined)
    reply.header('latchkey-valid-until', entry.valid.text ?? formatMicros(entry.valid.micros));
  if (entry.expires !== undefined) reply.header('latchkey-expires', formatMicros(entry.expires));
  if (stale) reply.header('latchkey-stale', 'true');
  return etag;
}

function sendValue(reply: FastifyReply, value: Payload): FastifyReply {
  // No browser takes plain JSON for anything else.
  if (value.contentType === undefined) return reply.header('content-type', JSON_TYPE).send(value.data);
  reply.header('x-content-type-options', 'nosniff');
  if (value.kind !== 'json') reply.header('content-security-policy', SANDBOX);
  // As bytes, because fastify adds a charset to text that has a type of its own.
  const bytes = typeof value.data === 'string' ? Buffer.from(value.data) : value.data;
  return reply.header('content-type', value.contentType).send(bytes);
}

export function forbidden(key: string): LatchkeyError {
  return new LatchkeyError('forbidden', `You may not do that with the key ${JSON.stringify(key)}.`, { field: 'key' });
}
