import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Gateway } from './gateway.ts';
import { headerOf } from './rest-request.ts';

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** What stored values could do in this page, should one ever find a way to be taken for markup: nothing. */
const SECURITY_HEADERS = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; " +
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=()',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
} as const;

interface Asset {
  readonly bytes: Buffer;
  readonly contentType: string;
  readonly etag: string;
}

/** The page at `/`, and what it is made of under `/dashboard/`. Only files that were there at the start are ever served. */
export const dashboardGateway: Gateway = {
  name: 'dashboard',
  register(http) {
    const assets = readAssets(dirname(fileURLToPath(import.meta.resolve('@latchkey/dashboard/index.html'))));
    for (const [name, asset] of assets) {
      const path = name === 'index.html' ? '/' : `/dashboard/${name}`;
      http.get(path, (request, reply) => send(request, reply, asset));
    }
  },
};

function send(request: FastifyRequest, reply: FastifyReply, asset: Asset): FastifyReply {
  reply.headers(SECURITY_HEADERS).header('etag', asset.etag).header('cache-control', 'no-cache');
  const known = headerOf(request, 'if-none-match');
  const isKnown = known?.split(',').some((etag) => etag.trim().replace(/^W\//, '') === asset.etag) ?? false;
  if (isKnown) return reply.code(304).send();
  return reply.header('content-type', asset.contentType).send(asset.bytes);
}

function readAssets(folder: string): ReadonlyMap<string, Asset> {
  const assets = new Map<string, Asset>();
  for (const name of readdirSync(folder)) {
    const contentType = CONTENT_TYPES[extname(name)];
    if (contentType === undefined) continue;
    const bytes = readFileSync(join(folder, name));
    const digest = createHash('sha256').update(bytes).digest('base64url').slice(0, 22);
    assets.set(name, { bytes, contentType, etag: `"${digest}"` });
  }
  return assets;
}
