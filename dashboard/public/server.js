/** Calls to the server over its public protocol. Refusals and a server that is away are `ServerError`s with a sentence to show. */
import { parseExact } from './values.js';

const TIMEOUT_MS = 20_000;
/** A clock that is less off than this counts as right: the server tells whole seconds only. */
const SKEW_MIN_MS = 2000;

let skewMs = 0;

export class ServerError extends Error {
  /** 0: no answer came. */
  status;
  code;

  constructor(message, status, code) {
    super(message);
    this.name = 'ServerError';
    this.status = status;
    this.code = code;
  }

  /** The same request would be refused again. */
  get isRefusal() {
    return this.status >= 400 && this.status < 500 && this.status !== 429;
  }
}

/** The server's time: ages are counted by the clock that wrote the moments, whatever this machine's says. */
export function serverNow() {
  return Date.now() + skewMs;
}

/**
 * @param {string} path relative to the page
 * @param {{ method?: string, json?: unknown, body?: string, signal?: AbortSignal, as?: 'json' | 'text' }} [options]
 * @returns {Promise<any>} the answer's JSON, with exact numbers, or its text
 * @throws ServerError; what `signal` aborted throws its reason
 */
export async function call(path, { method = 'GET', json, body, signal, as = 'json' } = {}) {
  const limits = [AbortSignal.timeout(TIMEOUT_MS), ...(signal === undefined ? [] : [signal])];
  const askedMs = Date.now();
  let response;
  let text;
  try {
    response = await fetch(path, {
      method,
      cache: 'no-store',
      signal: AbortSignal.any(limits),
      ...(json === undefined ? {} : { body: JSON.stringify(json), headers: { 'content-type': 'application/json' } }),
      ...(body === undefined ? {} : { body }),
    });
    text = await response.text();
  } catch (error) {
    if (signal?.aborted === true) throw error;
    throw new ServerError('The server does not answer.', 0);
  }
  learnSkew(response, askedMs);
  if (!response.ok) throw errorOf(response, text);
  if (as === 'text') return text;
  try {
    return parseExact(text);
  } catch {
    throw new ServerError('Something between this page and the server answered in its place.', 0);
  }
}

function errorOf(response, text) {
  try {
    const { code, message } = JSON.parse(text).error;
    return new ServerError(message, response.status, code);
  } catch {
    return new ServerError(`The server answered ${response.status} without saying why.`, response.status);
  }
}

function learnSkew(response, askedMs) {
  const date = Date.parse(response.headers.get('date') ?? '');
  if (Number.isNaN(date)) return;
  const offMs = date + 500 - (askedMs + Date.now()) / 2;
  skewMs = Math.abs(offMs) < SKEW_MIN_MS ? 0 : offMs;
}

/** What is no answer of the server, and no lack of one, is a bug of this page: it goes on to the console. @param {unknown} error */
export function faultOf(error) {
  if (error instanceof ServerError) return error;
  throw error;
}

/** The path of a key; `.` and `..` have none that a browser would not take for a folder. @param {string} key */
export function keyPath(key) {
  return key === '.' || key === '..' ? undefined : `v1/keys/${encodeURIComponent(key)}`;
}

/** @param {string} key @param {AbortSignal} [signal] @returns {Promise<any>} the entry, or null */
export async function readEntry(key, signal) {
  // As a command: it takes every key, and a key without an entry is an answer, not an error.
  const answer = await call('v1/commands', { method: 'POST', json: { op: 'read', key }, signal });
  if (answer.outcome !== 'value') throw new ServerError(answer.message, 400, answer.code);
  return answer.entry ?? null;
}
