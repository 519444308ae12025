/**
 * The Redis protocol in front of any log: one listener, and what its connections share. It stands beside the HTTP listener, in the
 * process that owns the log.
 *
 * Invariant: `#connections` holds exactly the sockets that are open, at most `limits.connectionsMax`.
 */
import { type AddressInfo, createServer, isIPv6, type Server, type Socket } from 'node:net';
import { LatchkeyError } from '@latchkey/client';
import { Counter, Gauge } from 'prom-client';
import { ANONYMOUS } from '../../shared/access.ts';
import { listenAddressOf } from '../../shared/running-server.ts';
import type { Client } from './client.ts';
import { Connection } from './connection.ts';
import { IndexSets } from './index-sets.ts';
import { publishKeyspaceEvents } from './keyspace-events.ts';
import { Output } from './output.ts';
import { PublicationFrames } from './publication-frame.ts';
import { ReplyWriter } from './reply-writer.ts';
import type { RequestLimits } from './request-reader.ts';
import type { RespCore, RespParts, RespStats } from './resp-core.ts';
import { ScanCursors } from './scan-cursors.ts';
import { Subscriptions } from './subscriptions.ts';
import { ValueReplies } from './value-replies.ts';

export type { RespParts } from './resp-core.ts';

/** Whose commands are spoken here: the oldest that Latchkey works with. */
const REDIS_VERSION = '6.2.0';
const KEEP_ALIVE_MS = 300_000;
const ARGUMENTS_MAX = 1024 * 1024;
/** As a Redis: what somebody may send who has not said the password. */
const UNAUTHENTICATED: RequestLimits = { argumentsMax: 10, requestBytesMax: 16_384, fault: 'unauthenticated' };

export class RespGateway {
  readonly #parts: RespParts;
  readonly #core: RespCore;
  readonly #server: Server;
  readonly #connections = new Map<number, { readonly connection: Connection; readonly socket: Socket }>();
  readonly #clients = new Map<number, Client>();
  readonly #writer = new ReplyWriter();
  readonly #frames = new PublicationFrames();
  readonly #limits: { readonly open: RequestLimits; readonly unauthenticated: RequestLimits };
  readonly #stopEvents: () => void;
  readonly #stats: RespStats = { connections: 0, commands: 0, errors: 0, refused: 0, slowSubscribers: 0 };
  #inputBytes = 0;
  #lastId = 0;
  #isClosing = false;
  #closed: Promise<void> | undefined;

  constructor(parts: RespParts) {
    this.#parts = parts;
    const { bodyBytesMax } = parts.settings.limits;
    this.#limits = {
      open: { argumentsMax: ARGUMENTS_MAX, requestBytesMax: bodyBytesMax, fault: 'invalid' },
      unauthenticated: UNAUTHENTICATED,
    };
    this.#core = {
      ...parts,
      values: new ValueReplies(parts.log.view),
      indexSets: new IndexSets(parts.settings.sinks),
      cursors: new ScanCursors(),
      stats: this.#stats,
      clients: this.#clients,
      redisVersion: REDIS_VERSION,
      startedAtMs: parts.clock.monotonicMs(),
      address: () => this.address(),
    };
    this.#stopEvents = publishKeyspaceEvents(parts.log.view, parts.channels);
    this.#server = createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS }, (socket) =>
      this.#accept(socket),
    );
    this.#addMetrics();
  }

  connections(): number {
    return this.#connections.size;
  }

  /** @throws LatchkeyError `address-in-use`, `address-refused` */
  async listen(): Promise<{ readonly host: string; readonly port: number }> {
    const { listen } = this.#parts.settings.resp;
    const { host, port } = listenAddressOf(listen);
    await new Promise<void>((resolve, reject) => {
      const onError = (error: NodeJS.ErrnoException) => reject(listenError(error, listen));
      this.#server.once('error', onError);
      this.#server.listen({ host, port }, () => {
        this.#server.removeListener('error', onError);
        resolve();
      });
    });
    // Such as EMFILE on accept: the listener goes on, the operator is told.
    this.#server.on('error', (error) => this.#parts.reportFault('gateways', error));
    return this.address();
  }

  /** Takes no new connection, answers what is under way, and ends the rest; what is still open at the deadline is cut. Idempotent. */
  close(deadlineMs: number): Promise<void> {
    this.#closed ??= this.#close(deadlineMs);
    return this.#closed;
  }

  async #close(deadlineMs: number): Promise<void> {
    this.#isClosing = true;
    this.#stopEvents();
    const gone = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    const deadline = setTimeout(() => {
      for (const { socket } of this.#connections.values()) socket.destroy();
    }, deadlineMs);
    await Promise.all([...this.#connections.values()].map(({ connection }) => connection.close()));
    await gone;
    clearTimeout(deadline);
    this.#core.values.close();
  }

  /** Where it listens. */
  address(): { readonly host: string; readonly port: number } {
    const bound = this.#server.address() as AddressInfo | null;
    return { host: bound?.address ?? '', port: bound?.port ?? 0 };
  }

  #accept(socket: Socket): void {
    socket.on('error', (error) => {
      this.#parts.logger.debug({ err: error }, 'resp: a connection broke');
    });
    if (this.#connections.size >= this.#parts.settings.limits.connectionsMax || this.#isClosing) {
      this.#stats.refused += 1;
      socket.end('-ERR max number of clients reached\r\n');
      return;
    }
    this.#stats.connections += 1;
    const client = this.#makeClient(socket, (publication) => connection.deliver(publication));
    const output = new Output(socket, client, this.#frames, () => this.#tellSlow(client));
    const connection = new Connection({
      core: this.#core,
      client,
      socket,
      output,
      writer: this.#writer,
      limits: this.#limits,
      input: { add: (bytes) => this.#addInput(bytes) },
    });
    this.#connections.set(client.id, { connection, socket });
    this.#clients.set(client.id, client);
    socket.once('close', () => {
      this.#connections.delete(client.id);
      this.#clients.delete(client.id);
    });
  }

  #makeClient(socket: Socket, deliver: ConstructorParameters<typeof Subscriptions>[1]): Client {
    const { channels, clock, settings } = this.#parts;
    this.#lastId += 1;
    const address = placeOf(socket.remoteAddress, socket.remotePort);
    const nowMs = clock.monotonicMs();
    return {
      id: this.#lastId,
      address,
      localAddress: placeOf(socket.localAddress, socket.localPort),
      principal: ANONYMOUS,
      origin: `resp:${address}`,
      connectedAtMs: nowMs,
      subscriptions: new Subscriptions(channels, deliver),
      protocol: 2,
      isAuthenticated: settings.resp.password === '',
      name: '',
      libraryName: '',
      libraryVersion: '',
      lastCommand: 'NULL',
      lastAtMs: nowMs,
      queue: undefined,
      watched: new Map(),
    };
  }

  /** Whether all unfinished requests together stay within their bound. */
  #addInput(bytes: number): boolean {
    this.#inputBytes += bytes;
    return bytes <= 0 || this.#inputBytes <= this.#parts.settings.limits.pendingBytesMax;
  }

  #tellSlow({ address, name }: Client): void {
    this.#stats.slowSubscribers += 1;
    this.#parts.logger.warn(
      { address, name },
      'resp: a subscriber was cut off because it does not read what is published; it has missed messages',
    );
  }

  #addMetrics(): void {
    const { metrics } = this.#parts;
    const connections = this.#connections;
    new Gauge({
      name: 'latchkey_resp_connections',
      help: 'Open connections of the Redis protocol gateway.',
      registers: [metrics],
      collect() {
        this.set(connections.size);
      },
    });
    const count = (name: string, help: string, read: () => number): void => {
      const counter: Counter = new Counter({
        name,
        help,
        registers: [metrics],
        collect() {
          counter.reset();
          counter.inc(read());
        },
      });
    };
    const stats = this.#stats;
    count('latchkey_resp_commands_total', 'Commands of Redis clients.', () => stats.commands);
    count('latchkey_resp_errors_total', 'Error replies to Redis clients.', () => stats.errors);
    count(
      'latchkey_resp_slow_subscribers_total',
      'Redis subscribers that were cut off because they did not read.',
      () => stats.slowSubscribers,
    );
  }
}

function placeOf(address = 'unknown', port = 0): string {
  const bare = address.startsWith('::ffff:') ? address.slice(7) : address;
  return `${isIPv6(bare) ? `[${bare}]` : bare}:${port}`;
}

function listenError(error: NodeJS.ErrnoException, listen: string): LatchkeyError {
  const details = { field: 'resp.listen', cause: error };
  if (error.code === 'EADDRINUSE') {
    const message = `Another process listens on ${listen}, perhaps a Redis; stop it, or choose another --resp.`;
    return new LatchkeyError('address-in-use', message, details);
  }
  const message = `${listen} can't be listened on for Redis clients (${error.code ?? 'no reason'}); check resp.listen.`;
  return new LatchkeyError('address-refused', message, details);
}
