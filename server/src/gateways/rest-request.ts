import { isUtf8 } from 'node:buffer';
import type { Socket } from 'node:net';
import { LatchkeyError, quote } from '@latchkey/client';
import type { FastifyRequest } from 'fastify';
import { refuseKey } from '../shared/key.ts';
import { pathOf } from './http-origin.ts';
import { refusalError } from './outcome-json.ts';

export type Query = ReadonlyMap<string, string>;

const NO_QUERY: Query = new Map();
const KEYS_PATH = '/v1/keys/';
const NON_ASCII = /[\x80-\xff]/;

/**
 * The query parameters of a request, each at most once.
 * @throws LatchkeyError `unknown-field` naming the ones that the route takes, `invalid-request` for one that is repeated
 */
export function queryOf(request: FastifyRequest, allowed: readonly string[]): Query {
  const url = request.raw.url as string;
  if (!url.includes('?')) return NO_QUERY;
  const query = new Map<string, string>();
  for (const [name, value] of Object.entries(request.query as Record<string, string | string[]>)) {
    if (!allowed.includes(name)) {
      const takes = allowed.length === 0 ? 'takes none' : `takes ${allowed.join(', ')}`;
      throw new LatchkeyError('unknown-field', `There is no query parameter ${quote(name)} here; the route ${takes}.`, {
        field: name,
      });
    }
    if (typeof value !== 'string') {
      throw new LatchkeyError('invalid-request', `${name} is given ${value.length} times; give it once.`, {
        field: name,
      });
    }
    query.set(name, value);
  }
  return query;
}

/** `true`, `false`, or the name alone, which means true. @throws LatchkeyError `invalid-request` */
export function flagOf(query: Query, name: string, absent = false): boolean {
  const text = query.get(name);
  if (text === undefined) return absent;
  if (text === 'true' || text === '') return true;
  if (text === 'false') return false;
  throw new LatchkeyError('invalid-request', `${name} takes true or false, but got ${quote(text)}.`, { field: name });
}

/** A whole number from `min` to `max`. @throws LatchkeyError `invalid-request` */
export function countOf(query: Query, name: string, absent: number, min: number, max: number): number {
  const text = query.get(name);
  if (text === undefined) return absent;
  const number = /^[0-9]{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (number >= min && number <= max) return number;
  throw new LatchkeyError(
    'invalid-request',
    `${name} takes a whole number from ${min} to ${max}, but got ${quote(text)}.`,
    {
      field: name,
      limit: max,
    },
  );
}

/** Seconds, fractions allowed, up to `max`, as milliseconds. @throws LatchkeyError `invalid-request` */
export function waitMsOf(query: Query, name: string, absentMs: number, max: number): number {
  const text = query.get(name);
  if (text === undefined) return absentMs;
  const seconds = /^[0-9]{1,6}(\.[0-9]{1,6})?$/.test(text) ? Number(text) : Number.NaN;
  if (seconds <= max) return seconds * 1000;
  throw new LatchkeyError('invalid-request', `${name} takes seconds from 0 to ${max}, but got ${quote(text)}.`, {
    field: name,
    limit: max,
  });
}

/** One header as text; a repeated one is joined by Node. */
export function headerOf(request: FastifyRequest, name: string): string | undefined {
  const value = request.raw.headers[name];
  return typeof value === 'string' ? value : value?.join(', ');
}

/** The body's bytes as they were sent; empty where there was none. */
export function bodyOf(request: FastifyRequest): Buffer {
  return Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
}

/**
 * For answers that stream: a client that takes nothing for this long is cut off by Node, which resets the timeout itself when
 * the answer has ended. Requests that tests inject have no socket that could wait.
 */
export function cutWhenStalled(request: FastifyRequest, stalledTimeoutMs: number): void {
  const socket: Partial<Socket> = request.raw.socket;
  socket.setTimeout?.(stalledTimeoutMs);
}

/**
 * The key is the rest of the path, percent-decoded once, from the raw URL: the router's own decoding would not tell `%252F` from
 * `%2F`. Bytes that a sender did not encode are taken as UTF-8.
 * @throws LatchkeyError `key-invalid`, `key-too-long`
 */
export function keyOf(request: FastifyRequest, keyBytesMax: number): string {
  const raw = pathOf(request.raw.url as string).slice(KEYS_PATH.length);
  const hash = raw.indexOf('#');
  const key = decoded(hash < 0 ? raw : raw.slice(0, hash));
  const refusal = refuseKey(key, keyBytesMax);
  if (refusal !== undefined) throw refusalError(refusal);
  return key;
}

function decoded(raw: string): string {
  let text = raw;
  if (NON_ASCII.test(raw)) {
    const bytes = Buffer.from(raw, 'latin1');
    if (!isUtf8(bytes)) throw keyInvalid(raw);
    text = bytes.toString('utf8');
  }
  if (!text.includes('%')) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    throw keyInvalid(raw);
  }
}

function keyInvalid(raw: string): LatchkeyError {
  const message = `The key ${quote(raw)} is not percent-encoded UTF-8; encode % itself as %25.`;
  return new LatchkeyError('key-invalid', message, { field: 'key' });
}
