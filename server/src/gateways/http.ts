/**
 * The one HTTP listener that every gateway hangs its routes on. It checks Host, Origin and sizes before any handler runs, and
 * turns whatever a handler throws into the documented error. It holds no state of the data and knows no route itself.
 *
 * Invariant: nothing is listened on before every gateway has registered, and after `close` no socket of it is open.
 */
import type { AddressInfo } from 'node:net';
import { LatchkeyError, quote } from '@latchkey/client';
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify';
import { isLoopback } from '../shared/loopback.ts';
import type { Core, Gateway } from './gateway.ts';
import { asLatchkeyError, logInternal, sendError } from './http-error.ts';
import { checkOrigin, pathOf } from './http-origin.ts';
import { RouteTable } from './http-routes.ts';
import { HTTP_TIMEOUTS, HttpSockets, type HttpTimeouts, linger, URL_LENGTH_MAX, uriTooLong } from './http-sockets.ts';
import { type ListenerState, PlainGets } from './plain-gets.ts';
import { RequestDurations } from './request-durations.ts';

/** What `net.Server.listen` takes of a socket that is bound already. */
export type BoundSocket = object;

export interface HttpListener {
  readonly app: FastifyInstance;
  /** What every gateway registered, for the check that `/openapi.json` is complete. */
  readonly routes: RouteTable;
  /** Open connections, upgraded ones included. */
  connections(): number;
  /**
   * `bound`: a socket that another process bound and shares, instead of the address in the settings.
   * @throws LatchkeyError `address-in-use`, `address-refused`, `insecure-listen`
   */
  listen(bound?: BoundSocket): Promise<{ readonly host: string; readonly port: number }>;
  /** Takes no new connection; requests under way go on, and idle connections are closed. Idempotent. */
  stopAccepting(): Promise<void>;
  /** Waits up to `deadlineMs` for requests under way, then cuts what is left. Idempotent. */
  close(deadlineMs?: number): Promise<void>;
}

/** Most requests name one of few hosts; who names many others is checked each time. */
const ALLOWED_HOSTS_MAX = 16;

interface MutableState extends ListenerState {
  isStopping: boolean;
  readonly allowedHosts: Set<string>;
}

const refuseSchema = () => {
  throw new Error('no route has a schema: formats read bodies, and answers are written as text');
};
/** What fastify would check bodies and write answers with takes 30 ms of CPU to load. */
const WITHOUT_SCHEMAS = { buildValidator: refuseSchema, buildSerializer: refuseSchema };

const CLOSE_DEADLINE_MS = 5000;
const IDLE_SWEEP_MS = 50;

/** Builds the listener and registers the gateways; nothing is listened on before `listen`. */
export async function makeHttp(
  core: Core,
  gateways: readonly Gateway[],
  timeouts: HttpTimeouts = HTTP_TIMEOUTS,
): Promise<HttpListener> {
  const { settings } = core;
  const { bodyBytesMax } = settings.limits;
  let sockets: HttpSockets | undefined;
  let plainGets: PlainGets | undefined;
  let requests = 0;
  const app = fastify({
    logger: false,
    schemaController: { compilersFactory: WITHOUT_SCHEMAS },
    bodyLimit: bodyBytesMax,
    genReqId: () => `${core.log.node}-${(requests++).toString(36)}`,
    requestIdHeader: false,
    return503OnClosing: false,
    routerOptions: { maxParamLength: URL_LENGTH_MAX },
    clientErrorHandler: (error, socket) => sockets?.onClientError(error, socket),
    frameworkErrors: (error, request, reply) => {
      sendError(reply as FastifyReply, answerable(core, error, request as FastifyRequest));
    },
    serverFactory: (handler) => {
      sockets = new HttpSockets(settings, timeouts, (request, response) => {
        if (plainGets?.answer(request, response) !== true) handler(request, response);
      });
      return sockets.server;
    },
  });
  if (sockets === undefined) throw new Error('fastify made no server');
  const made = sockets;
  app.setErrorHandler((error, request, reply) => {
    const known = answerable(core, error, request);
    if (known.code === 'body-too-big') {
      // Closing at once, as fastify would, resets the connection under the sender before it has read why.
      reply.removeHeader('connection');
      linger(request.raw, timeouts.lingerMs);
    }
    return sendError(reply, known);
  });
  // Bodies are decoded by formats, which see the very bytes.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
  app.decorate('onUpgrade', (path, handler) => made.onUpgrade(path, handler));
  const state: MutableState = { isStopping: false, allowedHosts: new Set() };
  const durations = new RequestDurations(app, core.metrics);
  const plain = new PlainGets(state, durations);
  plainGets = plain;
  app.decorate('onPlainGet', (prefix, route, handler) => plain.register(prefix, route, handler));
  addChecks(app, core, state, durations);
  const routes = new RouteTable(app);
  app.setNotFoundHandler((request, reply) => {
    const refusal = routes.refusalOf(request.method, pathOf(request.raw.url ?? '/'));
    if (refusal.allow !== undefined) reply.header('allow', refusal.allow);
    return sendError(reply, refusal.error);
  });
  for (const gateway of gateways) await gateway.register(app, core);
  await app.ready();
  return new Listener(app, routes, core, made, state);
}

function answerable(core: Core, error: unknown, request: FastifyRequest): LatchkeyError {
  const known = asLatchkeyError(error, request, core.settings.limits.bodyBytesMax);
  if (known.code === 'internal') logInternal(core.logger, known, request);
  return known;
}

function addChecks(app: FastifyInstance, core: Core, state: MutableState, durations: RequestDurations): void {
  const { settings } = core;
  app.addHook('onRequest', (request, reply, done) => {
    durations.start(reply.raw);
    try {
      const { raw } = request;
      const { host, origin } = raw.headers;
      if (host === undefined || !state.allowedHosts.has(host) || origin !== undefined) {
        if (!checkOrigin(request, reply, settings)) return;
        if (host !== undefined && state.allowedHosts.size < ALLOWED_HOSTS_MAX) state.allowedHosts.add(host);
      }
      if ((raw.url as string).length > URL_LENGTH_MAX) throw uriTooLong();
      const encoding = raw.headers['content-encoding'];
      if (encoding !== undefined && encoding.toLowerCase() !== 'identity') {
        reply.header('accept-encoding', 'identity');
        throw encodingRefused(encoding);
      }
      if (state.isStopping) reply.header('connection', 'close');
      done();
    } catch (error) {
      done(error as Error);
    }
  });
}

// Kept as it came it would be taken for the value itself, and unpacking would let a small body become a huge one.
function encodingRefused(encoding: string): LatchkeyError {
  const message = `The body has the Content-Encoding ${quote(encoding)}; send it as it is, without compression.`;
  return new LatchkeyError('content-type-unsupported', message, { field: 'content-encoding' });
}

class Listener implements HttpListener {
  readonly app: FastifyInstance;
  readonly routes: RouteTable;
  readonly #core: Core;
  readonly #sockets: HttpSockets;
  readonly #state: { isStopping: boolean };
  #stopped: Promise<void> | undefined;
  #closed: Promise<void> | undefined;

  constructor(
    app: FastifyInstance,
    routes: RouteTable,
    core: Core,
    sockets: HttpSockets,
    state: { isStopping: boolean },
  ) {
    this.app = app;
    this.routes = routes;
    this.#core = core;
    this.#sockets = sockets;
    this.#state = state;
  }

  connections(): number {
    return this.#sockets.connections;
  }

  async listen(bound?: BoundSocket): Promise<{ readonly host: string; readonly port: number }> {
    const { http, insecure } = this.#core.settings;
    if (!insecure && !isLoopback(http.host)) {
      throw new LatchkeyError(
        'insecure-listen',
        `http.host is ${http.host}, beyond loopback, and no authentication is configured; add --insecure if everybody there may read and write.`,
        { field: 'http.host' },
      );
    }
    const { server } = this.#sockets;
    await new Promise<void>((resolve, reject) => {
      const onError = (error: Error) => reject(listenError(error, http.host, http.port));
      server.once('error', onError);
      server.listen(bound ?? { host: http.host, port: http.port }, () => {
        server.removeListener('error', onError);
        resolve();
      });
    });
    // Such as EMFILE on accept: the listener goes on, the operator is told.
    server.on('error', (error) => this.#core.reportFault('gateways', error));
    const { address, port } = server.address() as AddressInfo;
    return { host: address, port };
  }

  stopAccepting(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async close(deadlineMs = CLOSE_DEADLINE_MS): Promise<void> {
    this.#closed ??= this.#close(deadlineMs);
    await this.#closed;
  }

  async #stop(): Promise<void> {
    this.#state.isStopping = true;
    this.#sockets.server.close();
    this.#sockets.closeIdle();
  }

  async #close(deadlineMs: number): Promise<void> {
    await this.stopAccepting();
    // First, because its hooks release whoever waits; their answers go out before the connections do.
    await this.app.close();
    const gone = this.#sockets.whenEmpty();
    // A connection whose answer was under way becomes idle later, and keep-alive would hold it.
    const sweep = setInterval(() => this.#sockets.closeIdle(), IDLE_SWEEP_MS);
    const deadline = setTimeout(() => this.#sockets.destroyAll(), deadlineMs);
    await gone;
    clearInterval(sweep);
    clearTimeout(deadline);
  }
}

export function listenError(error: NodeJS.ErrnoException, host: string, port: number): LatchkeyError {
  const place = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  if (error.code === 'EADDRINUSE') {
    const message = `Another process listens on ${place}; stop it, or choose another --port.`;
    return new LatchkeyError('address-in-use', message, { field: 'http.port', cause: error });
  }
  const reason =
    error.code === 'EACCES'
      ? 'this user may not listen on that port; choose one above 1023'
      : error.code === 'EADDRNOTAVAIL'
        ? 'this machine has no such address'
        : error.code === 'ENOTFOUND' || error.code === 'EAI_AGAIN'
          ? 'that host name cannot be resolved'
          : `the system says ${error.code ?? 'no reason'}`;
  const message = `${place} cannot be listened on: ${reason}. Check http.host and http.port.`;
  return new LatchkeyError('address-refused', message, { field: 'http.host', cause: error });
}
