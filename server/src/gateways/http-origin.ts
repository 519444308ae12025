import { isIP } from 'node:net';
import { LatchkeyError, quote } from '@latchkey/client';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Settings } from '../config/settings.ts';
import { bareHost, hostOfAuthority, isLoopback } from '../shared/loopback.ts';

type Rules = Pick<Settings, 'http' | 'presets'>;

/** The routes of the kv-store dialect, which its preset opens to every origin. */
const KV_STORE_PATHS: ReadonlySet<string> = new Set(['/set', '/get', '/getall', '/subscribe']);

const METHODS = 'GET, HEAD, PUT, PATCH, POST, DELETE';
const REQUEST_HEADERS =
  'Accept, Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID, ' +
  'Latchkey-Source, Latchkey-Expected-Offset, Latchkey-Next-Offset';
const EXPOSED_HEADERS =
  'ETag, Retry-After, Latchkey-Version, Latchkey-Position, Latchkey-Updated, Latchkey-Valid-Until, Latchkey-Expires, Latchkey-Stale';
const PREFLIGHT_SECONDS = '600';

/**
 * Whether a `Host` header names this server: loopback, the host it listens on, one of `http.trustedHosts` (`*` means any), or,
 * where it listens beyond loopback, any IP address. A page can rebind only a *name* to this machine, never an address.
 */
export function isHostAllowed(host: string, rules: Rules): boolean {
  const name = hostOfAuthority(host);
  if (isLoopback(name) || name === '0.0.0.0' || name === '::') return true;
  const { http } = rules;
  if (name === bareHost(http.host) && name !== '') return true;
  if (isIP(name) !== 0 && !isLoopback(http.host)) return true;
  return http.trustedHosts.some((trusted) => trusted === '*' || hostOfAuthority(trusted) === name);
}

/**
 * Whether a request with this `Origin` may go on: none at all (not a page's cross-origin request), the server's own, or one of
 * `http.corsOrigins` (`*` means any; `null` only where listed). The kv-store preset opens its four routes to all.
 */
export function isOriginAllowed(
  origin: string | undefined,
  host: string | undefined,
  path: string,
  rules: Rules,
): boolean {
  if (origin === undefined) return true;
  return isSameOrigin(origin, host) || allowedOrigin(origin, path, rules) !== undefined;
}

/** Answers preflights and adds the CORS headers. @throws LatchkeyError `host-refused`, `origin-refused`, `invalid-request` */
export function checkOrigin(request: FastifyRequest, reply: FastifyReply, rules: Rules): boolean {
  const { headers } = request;
  checkHost(headers.host, request.raw.httpVersionMinor, rules);
  const { origin } = headers;
  if (origin === undefined) return true;
  const path = pathOf(request.raw.url ?? '/');
  const allowed = allowedOrigin(origin, path, rules);
  if (allowed === undefined) {
    if (isSameOrigin(origin, headers.host)) return true;
    throw originRefused(origin);
  }
  reply.header('access-control-allow-origin', allowed);
  if (allowed !== '*') reply.header('vary', 'Origin');
  if (request.method !== 'OPTIONS' || headers['access-control-request-method'] === undefined) {
    reply.header('access-control-expose-headers', EXPOSED_HEADERS);
    return true;
  }
  reply.header('access-control-allow-methods', METHODS);
  reply.header('access-control-allow-headers', REQUEST_HEADERS);
  reply.header('access-control-max-age', PREFLIGHT_SECONDS);
  if (headers['access-control-request-private-network'] === 'true')
    reply.header('access-control-allow-private-network', 'true');
  reply.code(204).send();
  return false;
}

/** HTTP/1.0 knows no Host, and no browser speaks it. @throws LatchkeyError `host-refused`, `invalid-request` */
export function checkHost(host: string | undefined, httpVersionMinor: number, rules: Rules): void {
  if (host === undefined) {
    if (httpVersionMinor === 0) return;
    throw new LatchkeyError('invalid-request', 'The request has no Host header; HTTP/1.1 asks for one.', {
      field: 'host',
    });
  }
  if (isHostAllowed(host, rules)) return;
  throw new LatchkeyError(
    'host-refused',
    `The Host header ${quote(host)} names neither loopback nor a host of http.trustedHosts; add it there if it is yours.`,
    { field: 'host' },
  );
}

export function originRefused(origin: string): LatchkeyError {
  return new LatchkeyError(
    'origin-refused',
    `The origin ${quote(origin)} is not listed in http.corsOrigins; add it there if its pages may use this server.`,
    { field: 'origin' },
  );
}

/** What stands before the query, undecoded. */
export function pathOf(url: string): string {
  const end = url.indexOf('?');
  return end < 0 ? url : url.slice(0, end);
}

/** The text for `Access-Control-Allow-Origin`. */
function allowedOrigin(origin: string, path: string, rules: Rules): string | undefined {
  if (rules.presets.includes('kv-store') && KV_STORE_PATHS.has(path)) return '*';
  const { corsOrigins } = rules.http;
  if (corsOrigins.includes(origin)) return origin;
  return corsOrigins.includes('*') ? '*' : undefined;
}

function isSameOrigin(origin: string, host: string | undefined): boolean {
  if (host === undefined) return false;
  const [scheme, authority] = origin.toLowerCase().split('://');
  if (authority === undefined || (scheme !== 'http' && scheme !== 'https')) return false;
  const defaultPort = scheme === 'http' ? ':80' : ':443';
  const same = host.toLowerCase();
  return authority === same || `${authority}${defaultPort}` === same;
}
