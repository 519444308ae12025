import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, extname, join, sep } from 'node:path';
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

/** Files of the page's dependencies, served beside its own, as they are in their packages. */
const FOREIGN: Readonly<Record<string, string>> = {
  'uplot/uPlot.esm.js': 'uplot/dist/uPlot.esm.js',
  'uplot/uPlot.min.css': 'uplot/dist/uPlot.min.css',
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
    const page = fileURLToPath(import.meta.resolve('@latchkey/dashboard/index.html'));
    for (const [name, asset] of readAssets(page)) {
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

function readAssets(page: string): ReadonlyMap<string, Asset> {
  const assets = new Map<string, Asset>();
  const folder = dirname(page);
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    const asset = readAsset(join(folder, name));
    if (asset !== undefined) assets.set(name.replaceAll(sep, '/'), asset);
  }
  // Found from the page's own package, which depends on them: npm may put them beside it or below it.
  const { resolve } = createRequire(page);
  for (const [name, specifier] of Object.entries(FOREIGN)) {
    const asset = readAsset(resolve(specifier));
    if (asset !== undefined) assets.set(name, asset);
  }
  return assets;
}

function readAsset(path: string): Asset | undefined {
  const contentType = CONTENT_TYPES[extname(path)];
  if (contentType === undefined) return undefined;
  const bytes = readFileSync(path);
  const digest = createHash('sha256').update(bytes).digest('base64url').slice(0, 22);
  return { bytes, contentType, etag: `"${digest}"` };
}
