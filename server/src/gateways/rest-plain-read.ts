import type { ServerResponse } from 'node:http';
import { formatPosition } from '@latchkey/client';
import { ANONYMOUS } from '../shared/access.ts';
import { formatMicros } from '../shared/timestamp.ts';
import type { StoredEntry, View } from '../view/view.ts';
import type { Core } from './gateway.ts';
import { JSON_TYPE } from './http-error.ts';
import { type PreparedAnswer, PreparedAnswers } from './prepared-answers.ts';
import { SANDBOX } from './rest-read.ts';

/** Up to here a value goes out in one write with its headers: copying it once more costs less than a second write. */
const ONE_WRITE_BYTES_MAX = 4096;
/** Of a value that is kept prepared: all of them together stay below 4 MiB. */
const PREPARED_BYTES_MAX = 1024;
/** Keys whose last read is remembered, so that only what is read again is prepared: else a walk over all keys would prepare each. */
const READ_ONCE_MAX = 4096;
/** One strong tag: it is the entry's, or the value is sent. */
const ONE_TAG = /^"[\x21\x23-\x7e]{0,100}"$/;

/**
 * `GET /v1/keys/{key}` as `KeyReader` answers it, for a value that lies ready in the store: its bytes go from there to the socket,
 * and everything else, refusals included, is left to `KeyReader`.
 */
export class PlainKeyReader {
  readonly #core: Core;
  readonly #keyBytesMax: number;
  readonly #prepared = new PreparedAnswers();
  /** Offsets of entries that were read, each at its own remainder. */
  readonly #readOnce = new Float64Array(READ_ONCE_MAX);
  #epoch = '';
  #head = -1;
  #position = '';

  constructor(core: Core) {
    this.#core = core;
    this.#keyBytesMax = core.settings.limits.keyBytesMax;
  }

  /** `key` is of printable ASCII. The status that was answered, undefined where nothing was. */
  handle(key: string, ifNoneMatch: string | undefined, response: ServerResponse): number | undefined {
    const { access, log } = this.#core;
    const { view } = log;
    if (key.length > this.#keyBytesMax || !access.allowed(ANONYMOUS, 'read', key)) return undefined;
    if (ifNoneMatch !== undefined && !ONE_TAG.test(ifNoneMatch)) return undefined;
    this.#moveTo(view);
    const prepared = this.#prepared.get(key);
    if (prepared?.head === this.#head) return answerPrepared(response, prepared, ifNoneMatch);
    const entry = view.stored?.(key);
    if (entry === undefined) return undefined;
    if (prepared?.offset === entry.offset) {
      prepared.headers[1] = this.#position;
      prepared.notModified[1] = this.#position;
      prepared.head = this.#head;
      return answerPrepared(response, prepared, ifNoneMatch);
    }
    return this.#answer(key, entry, ifNoneMatch, response);
  }

  /** The text of the position is one for all reads between two commits. */
  #moveTo(view: View): void {
    const head = view.head(0);
    const epoch = view.epochs.current;
    if (head === this.#head && epoch === this.#epoch && view.partitions === 1) return;
    // The same offset in another epoch is another change.
    if (epoch !== this.#epoch) this.#prepared.clear();
    this.#head = head;
    this.#epoch = epoch;
    this.#position = formatPosition(view.position());
  }

  #answer(key: string, entry: StoredEntry, ifNoneMatch: string | undefined, response: ServerResponse) {
    const { view } = this.#core.log;
    const { end, expires, start, validMicros } = entry;
    const isTimed = expires !== undefined || validMicros !== undefined;
    const nowMicros = isTimed ? view.nowMicros() : 0;
    if (expires !== undefined && expires <= nowMicros) return undefined;
    const version = view.epochs.versionText(entry);
    const etag = `"${version}"`;
    const headers = entryHeaders(entry, this.#position, etag, version, nowMicros);
    if (ifNoneMatch === etag) return answerNotModified(response, headers);
    if (!isTimed && end - start <= PREPARED_BYTES_MAX && view.partitions === 1 && this.#wasRead(entry.offset)) {
      const notModified = [...headers];
      addValueHeaders(headers, entry);
      const body = entry.record.toString('latin1', start, end);
      const prepared = { offset: entry.offset, etag, headers, notModified, body, head: this.#head };
      this.#prepared.set(key, prepared);
      return answerPrepared(response, prepared, ifNoneMatch);
    }
    addValueHeaders(headers, entry);
    response.writeHead(200, headers);
    // Latin-1 is each byte as it is, whatever it means. Node writes a text together with its headers.
    if (end - start <= ONE_WRITE_BYTES_MAX) response.end(entry.record.toString('latin1', start, end), 'latin1');
    else response.end(Buffer.copyBytesFrom(entry.record, start, end - start));
    return 200;
  }

  #wasRead(offset: number): boolean {
    const at = offset % READ_ONCE_MAX;
    if (this.#readOnce[at] === offset) return true;
    this.#readOnce[at] = offset;
    return false;
  }
}

function answerPrepared(response: ServerResponse, prepared: PreparedAnswer, ifNoneMatch: string | undefined): number {
  if (ifNoneMatch === prepared.etag) return answerNotModified(response, prepared.notModified);
  response.writeHead(200, prepared.headers);
  response.end(prepared.body, 'latin1');
  return 200;
}

function answerNotModified(response: ServerResponse, headers: string[]): number {
  response.writeHead(304, headers).end();
  return 304;
}

function entryHeaders(
  entry: StoredEntry,
  position: string,
  etag: string,
  version: string,
  nowMicros: number,
): string[] {
  const { expires, isStale, updatedMicros, updatedText, validMicros, validText } = entry;
  const headers = ['latchkey-position', position, 'etag', etag, 'cache-control', 'no-cache'];
  headers.push('latchkey-version', version, 'latchkey-updated', updatedText ?? formatMicros(updatedMicros));
  if (validMicros !== undefined) headers.push('latchkey-valid-until', validText ?? formatMicros(validMicros));
  if (expires !== undefined) headers.push('latchkey-expires', formatMicros(expires));
  if (isStale || (validMicros !== undefined && validMicros <= nowMicros)) headers.push('latchkey-stale', 'true');
  return headers;
}

function addValueHeaders(headers: string[], { contentType, end, kind, start }: StoredEntry): void {
  if (contentType !== undefined) {
    headers.push('x-content-type-options', 'nosniff');
    if (kind !== 'json') headers.push('content-security-policy', SANDBOX);
  }
  headers.push('content-type', contentType ?? JSON_TYPE, 'content-length', `${end - start}`);
}
