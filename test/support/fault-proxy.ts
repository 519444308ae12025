/**
 * A TCP proxy that breaks what goes through it. Stands between clients, which keep its address, and one server, whose port may go
 * away and come back. A fault holds for all connections until `heal`.
 *
 * Invariant: bytes that are let through are the peer's, in order and without holes; a fault only ends, stops or slows them.
 */
import { once } from 'node:events';
import { type AddressInfo, createConnection, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export type Weather =
  | { readonly kind: 'fair' }
  /** Not one byte, either way; or one way alone, such as requests that arrive (`up`) whose answers (`down`) do not. */
  | { readonly kind: 'stalled'; readonly only?: Way }
  /** Nobody hears that the other side ended or broke the connection. */
  | { readonly kind: 'half-open' }
  /** Each direction of a connection. */
  | { readonly kind: 'slow'; readonly bytesPerSecond: number }
  | { readonly kind: 'delayed'; readonly delayMs: number };

const SLICES_PER_SECOND = 50;

type Way = 'up' | 'down';

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
}

export class FaultProxy {
  readonly #listener: Server;
  readonly #pairs = new Set<Pair>();
  #serverPort: number;
  #weather: Weather = { kind: 'fair' };
  #healed = Promise.withResolvers<void>();
  #cutAfterBytes: (() => number) | undefined;
  #bites = 0;
  #bitten = Promise.withResolvers<void>();

  private constructor(serverPort: number) {
    this.#serverPort = serverPort;
    this.#listener = createServer({ allowHalfOpen: true, noDelay: true }, (client) => this.#accept(client));
  }

  /** On a port of its own, in front of `127.0.0.1:serverPort`. */
  static async start(serverPort: number): Promise<FaultProxy> {
    const proxy = new FaultProxy(serverPort);
    proxy.#listener.listen(0, '127.0.0.1');
    await once(proxy.#listener, 'listening');
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get port(): number {
    return (this.#listener.address() as AddressInfo).port;
  }

  get connections(): number {
    return this.#pairs.size;
  }

  /** How often a fault did something: broke a connection, held, slowed or cut a piece, kept an ending to itself. */
  get bites(): number {
    return this.#bites;
  }

  /** Resolves when a fault does something the next time. */
  nextBite(): Promise<void> {
    return this.#bitten.promise;
  }

  /** Where new connections lead. */
  leadTo(serverPort: number): void {
    this.#serverPort = serverPort;
  }

  /** Breaks every connection, both ways, at once. */
  cut(): void {
    for (const pair of this.#pairs) {
      this.#bite();
      this.#break(pair);
    }
  }

  /** Breaks each connection within the next piece that its server sends, after so many bytes of that piece. */
  cutWithin(afterBytes: () => number): void {
    this.#cutAfterBytes = afterBytes;
  }

  set(weather: Weather): void {
    this.heal();
    this.#weather = weather;
  }

  /** Back to fair. Connections of which one side is gone are broken now. */
  heal(): void {
    const wasHalfOpen = this.#weather.kind === 'half-open';
    this.#weather = { kind: 'fair' };
    this.#cutAfterBytes = undefined;
    this.#healed.resolve();
    this.#healed = Promise.withResolvers();
    if (!wasHalfOpen) return;
    for (const pair of this.#pairs) if (isGone(pair.client) || isGone(pair.server)) this.#break(pair);
  }

  async close(): Promise<void> {
    this.heal();
    this.#listener.close();
    this.cut();
    if (this.#listener.listening) await once(this.#listener, 'close');
  }

  #accept(client: Socket): void {
    const server = createConnection({ host: '127.0.0.1', port: this.#serverPort, allowHalfOpen: true, noDelay: true });
    const pair = { client, server };
    this.#pairs.add(pair);
    this.#pump(pair, client, server, 'up');
    this.#pump(pair, server, client, 'down');
  }

  #pump(pair: Pair, from: Socket, to: Socket, way: Way): void {
    from.on('data', (bytes) => {
      from.pause();
      void this.#forward(pair, to, bytes, way).then(() => from.resume());
    });
    from.on('end', () => {
      if (this.#weather.kind === 'half-open') this.#bite();
      else to.end();
    });
    from.on('error', () => {}); // 'close' follows.
    from.on('close', () => {
      if (this.#weather.kind === 'half-open') this.#bite();
      else this.#break(pair);
    });
  }

  async #forward(pair: Pair, to: Socket, bytes: Buffer, way: Way): Promise<void> {
    const touches = () => this.#weather.kind !== 'stalled' || (this.#weather.only ?? way) === way;
    if (this.#weather.kind !== 'fair' && this.#weather.kind !== 'half-open' && touches()) this.#bite();
    while (this.#weather.kind === 'stalled' && touches()) await this.#healed.promise;
    if (this.#weather.kind === 'delayed') await sleep(this.#weather.delayMs);
    if (way === 'down' && this.#cutAfterBytes !== undefined) {
      this.#bite();
      await write(to, bytes.subarray(0, Math.min(this.#cutAfterBytes(), bytes.length - 1)));
      this.#break(pair);
      return;
    }
    let rest = bytes;
    while (this.#weather.kind === 'slow' && rest.length > 0) {
      const slice = Math.max(1, Math.floor(this.#weather.bytesPerSecond / SLICES_PER_SECOND));
      await write(to, rest.subarray(0, slice));
      rest = rest.subarray(slice);
      await sleep(1000 / SLICES_PER_SECOND);
    }
    await write(to, rest);
  }

  #bite(): void {
    this.#bites += 1;
    this.#bitten.resolve();
    this.#bitten = Promise.withResolvers();
  }

  #break(pair: Pair): void {
    this.#pairs.delete(pair);
    pair.client.destroy();
    pair.server.destroy();
  }
}

function isGone(socket: Socket): boolean {
  return socket.destroyed || socket.readableEnded;
}

/** Resolves when the socket takes more, or is gone. */
async function write(to: Socket, bytes: Buffer): Promise<void> {
  if (to.destroyed || to.writableEnded || bytes.length === 0 || to.write(bytes)) return;
  await new Promise<void>((done) => {
    const settle = () => {
      to.off('drain', settle);
      to.off('close', settle);
      done();
    };
    to.on('drain', settle);
    to.on('close', settle);
  });
}
