import { Readable } from 'node:stream';
import { LatchkeyError } from '@latchkey/client';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { isLive, type Payload } from '../shared/change.ts';
import { METHODS } from '../shared/node-http.ts';
import type { Core, Gateway } from './gateway.ts';
import { asLatchkeyError, logInternal, retryAfterOf } from './http-error.ts';
import { linger } from './http-sockets.ts';
import { refusalError } from './outcome-json.ts';
import { principalOf } from './principal.ts';
import { forbidden } from './rest-read.ts';
import { cutWhenStalled } from './rest-request.ts';
import { submit } from './rest-write.ts';

const JSON_TYPE = 'application/json';
const TEXT_TYPE = 'text/plain; charset=utf-8';
const NOT_PRESENT = 'The given key is not present in the data store.';
const PAGE_KEYS = 1000;
const PAGE_BYTES_MAX = 256 * 1024;

/** The kv-store dialect: `/set`, `/get`, `/getall`. Its clients are answered in text and status codes of their own. */
export const kvStoreGateway: Gateway = {
  name: 'kv-store',
  register(http: FastifyInstance, core: Core): void {
    const errorHandler = (error: unknown, request: FastifyRequest, reply: FastifyReply) =>
      answerText(core, error, request, reply);
    // Bodies are JSON whatever the header says, also where it says nothing that is a media type.
    const onRequest = (request: FastifyRequest, _reply: FastifyReply, done: () => void): void => {
      request.raw.headers['content-type'] = 'application/json';
      done();
    };
    for (const method of METHODS) {
      if (method !== 'CONNECT' && !http.supportedMethods.includes(method))
        http.addHttpMethod(method, { hasBody: true });
    }
    const options = { errorHandler, onRequest };
    http.route({
      method: http.supportedMethods,
      url: '/set',
      ...options,
      handler: (request, reply) => set(core, request, reply),
    });
    http.route({
      method: http.supportedMethods,
      url: '/get',
      ...options,
      handler: (request, reply) => get(core, request, reply),
    });
    http.route({
      method: ['GET', 'POST'],
      url: '/getall',
      ...options,
      handler: (request, reply) => getAll(core, request, reply),
    });
  },
};

async function set(core: Core, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const body = await bodyOfAnyMethod(request, core.settings.limits.bodyBytesMax);
  const { outcomes } = await submit(core, request, core.formats.kvStore.decode({ body }));
  for (const outcome of outcomes) if (outcome.outcome === 'refused') throw refusalError(outcome);
  return reply.header('content-type', JSON_TYPE).send('"SUCCESS"\n');
}

async function get(core: Core, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const body = await bodyOfAnyMethod(request, core.settings.limits.bodyBytesMax);
  const command = core.formats.kvStore.decodeGet(body);
  if ('outcome' in command) throw refusalError(command);
  const { key } = command;
  if (!core.access.allowed(principalOf(request), 'read', key)) throw forbidden(key);
  const { view } = core.log;
  const entry = view.get(key);
  if (entry?.value === undefined || !isLive(entry, view.nowMicros())) {
    return reply.code(500).header('content-type', TEXT_TYPE).send(NOT_PRESENT);
  }
  const value = core.formats.kvStore.shownValue(entry.value);
  return reply.header('content-type', JSON_TYPE).send(`{"Key":${jsonString(key)},"Value":${jsonString(value)}}\n`);
}

function getAll(core: Core, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const principal = principalOf(request);
  const pages = allPages(core, (key) => core.access.allowed(principal, 'read', key));
  const first = pages.next();
  reply.header('content-type', JSON_TYPE);
  // A store of one page is answered with its length, as the original does.
  const second = pages.next();
  if (second.done === true) return reply.send(first.value);
  cutWhenStalled(request, core.settings.feed.stalledTimeoutMs);
  return reply.send(
    Readable.from(chain(first.value as string, second.value, pages), { objectMode: true, highWaterMark: 1 }),
  );
}

function* chain(first: string, second: string, rest: Iterable<string>): Generator<Buffer> {
  yield Buffer.from(first);
  yield Buffer.from(second);
  for (const text of rest) yield Buffer.from(text);
}

/** The object in pieces; its keys are sorted because the view's are. */
function* allPages({ formats, log: { view } }: Core, isAllowed: (key: string) => boolean): Generator<string, void> {
  let text = '{';
  let isFirst = true;
  let after: string | undefined;
  for (;;) {
    const { entries, next } = view.list({
      ...(after === undefined ? {} : { after }),
      limit: PAGE_KEYS,
      bytesMax: PAGE_BYTES_MAX,
    });
    for (const { key, value } of entries) {
      if (!isAllowed(key)) continue;
      text += `${isFirst ? '' : ','}${jsonString(key)}:${jsonString(formats.kvStore.shownValue(value as Payload))}`;
      isFirst = false;
    }
    if (next === undefined) {
      yield `${text}}\n`;
      return;
    }
    after = next;
    if (text.length < PAGE_BYTES_MAX) continue;
    yield text;
    text = '';
  }
}

const ESCAPED = /[<>&\u2028\u2029]/g;

/** As Go's encoder writes strings, so that answers keep their bytes. */
export function jsonString(text: string): string {
  return JSON.stringify(text).replace(ESCAPED, (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** Fastify reads no body of GET, HEAD and TRACE; this dialect takes one with any method. */
async function bodyOfAnyMethod(request: FastifyRequest, bytesMax: number): Promise<Buffer> {
  if (Buffer.isBuffer(request.body)) return request.body;
  const { raw } = request;
  return await new Promise<Buffer>((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const take = (chunk: Buffer): void => {
      bytes += chunk.length;
      chunks.push(chunk);
      if (bytes <= bytesMax) return;
      raw.removeListener('data', take);
      const message = `The body is bigger than limits.bodyBytesMax, ${bytesMax} bytes; send it in parts.`;
      reject(new LatchkeyError('body-too-big', message, { limit: bytesMax }));
    };
    raw.on('data', take);
    raw.once('end', () => resolve(Buffer.concat(chunks)));
    raw.once('error', reject);
  });
}

function answerText(core: Core, error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const known = asLatchkeyError(error, request, core.settings.limits.bodyBytesMax);
  if (known.code === 'internal') logInternal(core.logger, known, request);
  if (known.code === 'body-too-big') {
    reply.removeHeader('connection');
    linger(request.raw);
  }
  const retryAfter = retryAfterOf(known);
  if (retryAfter !== undefined) reply.header('retry-after', String(retryAfter));
  return reply.code(known.row.status).header('content-type', TEXT_TYPE).send(known.message);
}
