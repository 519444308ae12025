/**
 * The web server of an example: its page, the scripts that esbuild makes of TypeScript when it starts, and, under `/v1/`, the
 * Latchkey server. It stays up while that one restarts, as a site's own web server would.
 *
 * Invariant: what it serves of the disk was read at the start; no request names a file.
 */
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join } from 'node:path';
import type { Duplex } from 'node:stream';
import { build } from 'esbuild';
import { forward, forwardUpgrade } from './tunnel.ts';

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
};
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'";
const CONNECTIONS_MAX = 1000;

interface Asset {
  readonly bytes: Uint8Array;
  readonly contentType: string;
}

export interface PageServer {
  readonly url: string;
  close(): Promise<void>;
}

/** @throws Error where the port is taken or the page's script does not compile */
export async function servePage(folder: string, port: number, server: URL): Promise<PageServer> {
  const assets = new Map([
    ...filesIn(join(import.meta.dirname, 'page')),
    ...filesIn(folder),
    ...(await bundled(folder)),
  ]);
  const sockets = new Set<Duplex>();
  const http = createServer((request, response) => {
    const path = new URL(request.url ?? '/', 'http://page').pathname;
    if (path.startsWith('/v1/')) return forward(request, response, server);
    const asset = assets.get(path === '/' ? '/index.html' : path);
    response.setHeader('content-security-policy', POLICY);
    response.setHeader('x-content-type-options', 'nosniff');
    response.setHeader('cache-control', 'no-store');
    response.setHeader('content-type', asset?.contentType ?? 'text/plain');
    response.statusCode = asset === undefined ? 404 : 200;
    response.end(asset?.bytes ?? `There is no ${path} in this example; its page is /.\n`);
  });
  http.maxConnections = CONNECTIONS_MAX;
  http.on('upgrade', (request, socket, head) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    forwardUpgrade(request, socket, head, server);
  });
  http.listen(port, '127.0.0.1');
  // Rejects where it can't listen.
  await once(http, 'listening').catch((cause: NodeJS.ErrnoException) => {
    const why =
      cause.code === 'EADDRINUSE' ? 'is taken; give another --port, or none' : `can't be had: ${cause.message}`;
    throw new Error(`Port ${port} of 127.0.0.1 ${why}.`, { cause });
  });
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}/`;
  return { url, close: () => closed(http, sockets) };
}

async function closed(http: Server, sockets: ReadonlySet<Duplex>): Promise<void> {
  const gone = once(http, 'close');
  http.close();
  for (const socket of sockets) socket.destroy();
  http.closeAllConnections();
  await gone;
}

function filesIn(folder: string): readonly [string, Asset][] {
  return readdirSync(folder).flatMap((name): [string, Asset][] => {
    const contentType = CONTENT_TYPES[extname(name)];
    return contentType === undefined ? [] : [[`/${name}`, { bytes: readFileSync(join(folder, name)), contentType }]];
  });
}

/** `page.ts` or `page.tsx` as `/page.js`, in memory. */
async function bundled(folder: string): Promise<readonly [string, Asset][]> {
  const entry = readdirSync(folder).find((name) => /^page\.tsx?$/.test(name));
  if (entry === undefined) return [];
  const { outputFiles } = await build({
    entryPoints: [join(folder, entry)],
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    jsx: 'automatic',
    conditions: ['source'],
    define: { 'process.env.NODE_ENV': '"production"' },
  });
  const [file] = outputFiles;
  return file === undefined
    ? []
    : [['/page.js', { bytes: file.contents, contentType: CONTENT_TYPES['.js'] as string }]];
}
