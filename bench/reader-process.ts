/**
 * Watchers in a process of their own: raw sockets that count bytes; a few of them also count events and read the moment that a
 * value carries. Started and asked by `readers.ts` over the channel of `fork`.
 */
import { connect, type Socket } from 'node:net';
import { sharedMs } from './load.ts';
import { clientFrame, type Transport, watchRequest } from './watch-request.ts';

export interface OpenRequest {
  readonly op: 'open';
  readonly port: number;
  readonly count: number;
  readonly transport: Transport;
  /** Path and query of the watch. */
  readonly path: string;
  /** How many of them also count events. */
  readonly sampled: number;
}

export interface Report {
  readonly bytes: number;
  readonly sampledBytes: number;
  readonly sampledEvents: number;
  /** When the last bytes came, by the clock of `sharedMs`. */
  readonly lastMs: number;
  /** Microseconds from the moment in each value to its arrival. */
  readonly latencies: readonly number[];
}

const sockets: Socket[] = [];
let bytes = 0;
let sampledBytes = 0;
let sampledEvents = 0;
let lastMs = 0;
let latencies: number[] = [];

interface Arrival {
  readonly sample: Sample;
  /** By the monotonic clock. */
  readonly nanos: bigint;
  readonly text: string;
}

/** What waits to be parsed at most. */
const ARRIVALS_MAX = 10_000;
/** Parsing begins so long after the first arrival: what is measured is then over, and the next write of a slow load is not there yet. */
const QUIET_MS = 2;
let arrivals: Arrival[] = [];
let timer: NodeJS.Timeout | undefined;

// A watcher's bytes are parsed later: else each would wait until those of the watchers before it were, which no reader of one has to.
function arrived(sample: Sample, text: string): void {
  arrivals.push({ sample, nanos: process.hrtime.bigint(), text });
  if (arrivals.length >= ARRIVALS_MAX) parseArrivals();
  else timer ??= setTimeout(parseArrivals, QUIET_MS);
}

function parseArrivals(): void {
  clearTimeout(timer);
  timer = undefined;
  const parsed = arrivals;
  arrivals = [];
  for (const { nanos, sample, text } of parsed) sample.take(text, nanos);
}

/** What one watcher was sent, cut into whole events or frames. */
class Sample {
  readonly #transport: Transport;
  #rest = '';

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  take(text: string, nanos: bigint): void {
    sampledBytes += text.length;
    const whole = this.#rest + text;
    const end = this.#endOf(whole);
    if (end < 2) {
      this.#rest = whole;
      return;
    }
    this.#rest = whole.slice(end);
    for (const match of whole.slice(0, end).matchAll(/\{"op":"put"(?:,"key":"[^"]*","value":\{"sent":"(\d+)")?/g)) {
      sampledEvents += 1;
      if (match[1] !== undefined) latencies.push(Number(nanos - BigInt(match[1])) / 1000);
    }
  }

  #endOf(whole: string): number {
    if (this.#transport === 'websocket') return framesEnd(whole);
    return whole.lastIndexOf(this.#transport === 'sse' ? '\n\n' : '\r\n') + 2;
  }
}

/** Where the last whole frame ends, in text of one byte a character. */
function framesEnd(text: string): number {
  let end = text.startsWith('HTTP/') ? text.indexOf('\r\n\r\n') + 4 : 0;
  while (end + 2 <= text.length) {
    const short = text.charCodeAt(end + 1);
    const lengthBytes = short === 126 ? 2 : short === 127 ? 8 : 0;
    let length = lengthBytes === 0 ? short : 0;
    for (let index = 0; index < lengthBytes; index += 1) length = length * 256 + text.charCodeAt(end + 2 + index);
    const next = end + 2 + lengthBytes + length;
    // A length that is cut off is NaN, which is beyond nothing.
    if (!(next <= text.length)) return end;
    end = next;
  }
  return end;
}

function openOne(request: OpenRequest, isSampled: boolean): Promise<void> {
  return new Promise((done, fail) => {
    const sample = isSampled ? new Sample(request.transport) : undefined;
    let isOpen = false;
    const take = (length: number, buffer: Uint8Array) => {
      bytes += length;
      lastMs = sharedMs();
      if (sample !== undefined)
        arrived(sample, Buffer.from(buffer.buffer, buffer.byteOffset, length).toString('latin1'));
      if (!isOpen) {
        isOpen = true;
        if (request.transport === 'websocket')
          socket.write(clientFrame('{"op":"watch","id":1,"filter":{},"from":"now"}'));
        done();
      }
      return true;
    };
    // All sockets read into one buffer: what is counted is not kept.
    const socket = connect({ port: request.port, host: '127.0.0.1', onread: { buffer: SHARED, callback: take } });
    socket.once('error', fail);
    socket.write(watchRequest(request.transport, request.path));
    sockets.push(socket);
  });
}

const SHARED = Buffer.allocUnsafeSlow(256 * 1024);
const AT_ONCE = 100;

async function openAll(request: OpenRequest): Promise<void> {
  for (let start = 0; start < request.count; start += AT_ONCE) {
    const length = Math.min(AT_ONCE, request.count - start);
    await Promise.all(Array.from({ length }, (_, index) => openOne(request, start + index < request.sampled)));
  }
}

process.on('message', (message: OpenRequest | { op: 'report' | 'reset' }) => {
  if (message.op === 'open') {
    openAll(message).then(
      () => process.send?.({ ok: true }),
      (error: unknown) => process.send?.({ error: String(error) }),
    );
    return;
  }
  parseArrivals();
  const report: Report = {
    bytes,
    sampledBytes,
    sampledEvents,
    lastMs,
    latencies: message.op === 'reset' ? [] : latencies,
  };
  if (message.op === 'reset') {
    bytes = 0;
    sampledBytes = 0;
    sampledEvents = 0;
    latencies = [];
  }
  process.send?.(report);
});
process.on('disconnect', () => process.exit(0));
