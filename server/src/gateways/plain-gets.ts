/**
 * Stands between the HTTP server and fastify: most requests of a busy server are GETs of one value with nothing unusual about them,
 * and what a framework does for every request costs more than the value. It answers nothing by itself, and whatever is not
 * certainly plain goes on to fastify.
 *
 * Invariant: a request that is answered here has passed, by what it does not have, every check of the listener's hooks.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { PlainGet } from './gateway.ts';
import type { RequestDurations, RouteDurations } from './request-durations.ts';

/** What the listener's hooks have found. */
export interface ListenerState {
  readonly isStopping: boolean;
  /** What was allowed before is allowed again. */
  readonly allowedHosts: ReadonlySet<string>;
}

interface Registered {
  readonly prefix: string;
  readonly durations: RouteDurations;
  readonly handler: PlainGet;
}

/** Longer ones are rare, and their limits are fastify's to check. */
const URL_PLAIN_MAX = 512;
/** Names and values. */
const HEADERS_PLAIN_MAX = 64;
/** No escape, query, fragment, space, control character or byte beyond ASCII. */
const PLAIN_PATH = /^[!"$&->@-~]+$/;
const NOT_PLAIN = Symbol('not plain');

export class PlainGets {
  readonly #state: ListenerState;
  readonly #durations: RequestDurations;
  #registered: Registered | undefined;

  constructor(state: ListenerState, durations: RequestDurations) {
    this.#state = state;
    this.#durations = durations;
  }

  register(prefix: string, route: string, handler: PlainGet): void {
    if (this.#registered !== undefined) throw new Error(`two gateways registered for plain GETs, one for ${prefix}`);
    this.#registered = { prefix, durations: this.#durations.of(route), handler };
  }

  /** Whether it answered. */
  answer(request: IncomingMessage, response: ServerResponse): boolean {
    const registered = this.#registered;
    if (registered === undefined || request.method !== 'GET' || this.#state.isStopping) return false;
    const { durations, handler, prefix } = registered;
    const url = request.url as string;
    if (url.length > URL_PLAIN_MAX || !url.startsWith(prefix)) return false;
    const path = url.slice(prefix.length);
    if (!PLAIN_PATH.test(path)) return false;
    const ifNoneMatch = plainHeaders(request.rawHeaders, this.#state.allowedHosts);
    if (ifNoneMatch === NOT_PLAIN) return false;
    const started = performance.now();
    const status = tried(handler, path, ifNoneMatch, response);
    if (status === undefined) return false;
    // Nearly always the kernel has taken the answer by now; a listener would cost as much as the rest of this.
    if (response.writableLength === 0) durations.observe('GET', status, (performance.now() - started) / 1000);
    else response.once('finish', () => durations.observe('GET', status, (performance.now() - started) / 1000));
    return true;
  }
}

/** Thrown from here, a fault would end the process: the route meets it again, tells its client and logs it. */
function tried(handler: PlainGet, path: string, ifNoneMatch: string | undefined, response: ServerResponse) {
  try {
    return handler(path, ifNoneMatch, response);
  } catch (error) {
    if (response.headersSent) throw error;
    return undefined;
  }
}

/**
 * `If-None-Match`, if the host is the allowed one and nothing else matters among the headers: no origin to be checked, no body, no
 * credentials.
 */
function plainHeaders(
  headers: readonly string[],
  allowedHosts: ReadonlySet<string>,
): string | undefined | typeof NOT_PLAIN {
  if (headers.length > HEADERS_PLAIN_MAX) return NOT_PLAIN;
  let host: string | undefined;
  let ifNoneMatch: string | undefined;
  for (let at = 0; at < headers.length; at += 2) {
    const name = headers[at] as string;
    // Only the names of these lengths have to be looked at.
    switch (name.length) {
      case 4:
        if (name.toLowerCase() !== 'host') break;
        if (host !== undefined) return NOT_PLAIN;
        host = headers[at + 1];
        break;
      case 13:
        if (name.toLowerCase() !== 'if-none-match') {
          if (isUnusual(name)) return NOT_PLAIN;
          break;
        }
        if (ifNoneMatch !== undefined) return NOT_PLAIN;
        ifNoneMatch = headers[at + 1];
        break;
      case 6:
      case 14:
      case 16:
      case 17:
        if (isUnusual(name)) return NOT_PLAIN;
    }
  }
  return host !== undefined && allowedHosts.has(host) ? ifNoneMatch : NOT_PLAIN;
}

function isUnusual(name: string): boolean {
  switch (name.toLowerCase()) {
    case 'origin':
    case 'authorization':
    case 'content-length':
    case 'content-encoding':
    case 'transfer-encoding':
      return true;
    default:
      return false;
  }
}
