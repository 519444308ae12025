/** What is sent at servers: raw sockets and prepared bytes, so that the load costs less than what it measures. */
import { connect, type Socket } from 'node:net';

/** Distinct keys that are written. */
export const KEYS = 1000;
/** About 200 bytes of JSON. */
export const VALUE_TEXT = JSON.stringify({ text: 'x'.repeat(180) });

/** Milliseconds by a clock that the processes of a run share. */
export const sharedMs = () => performance.timeOrigin + performance.now();

export interface Load {
  readonly count: number;
  readonly seconds: number;
}

const HEAD_END = Buffer.from('\r\n\r\n');

/** Length of the first whole response in the bytes, or undefined while it is not whole. */
function responseLength(bytes: Buffer): number | undefined {
  const end = bytes.indexOf(HEAD_END);
  if (end < 0) return undefined;
  const head = bytes.toString('latin1', 0, end);
  if (!/^HTTP\/1\.1 200 /.test(head)) throw new Error(`A request of the load was answered: ${head.split('\r\n')[0]}`);
  const length = /\r\ncontent-length: (\d+)/i.exec(head);
  if (length !== null) return end + 4 + Number(length[1]) <= bytes.length ? end + 4 + Number(length[1]) : undefined;
  const last = bytes.indexOf('\r\n0\r\n\r\n', end);
  return last < 0 ? undefined : last + 7;
}

/** One keep-alive connection with one request at a time. */
class Connection {
  readonly #socket: Socket;
  #rest: Buffer = Buffer.alloc(0);
  #answered: ((bytes: Buffer) => void) | undefined;
  #failed: ((error: Error) => void) | undefined;

  constructor(port: number) {
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true });
    this.#socket.on('data', (bytes) => this.#take(bytes));
    this.#socket.on('error', (error) => this.#failed?.(error));
    this.#socket.on('close', () => this.#failed?.(new Error('The server closed a connection of the load.')));
  }

  request(bytes: Buffer): Promise<Buffer> {
    return new Promise((answered, failed) => {
      this.#answered = answered;
      this.#failed = failed;
      this.#socket.write(bytes);
    });
  }

  close(): void {
    this.#failed = undefined;
    this.#socket.destroy();
  }

  #take(bytes: Buffer): void {
    this.#rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    try {
      const length = responseLength(this.#rest);
      if (length === undefined) return;
      const response = this.#rest.subarray(0, length);
      this.#rest = this.#rest.subarray(length);
      this.#answered?.(response);
    } catch (error) {
      this.#failed?.(error as Error);
    }
  }
}

export function httpRequest(method: string, path: string, contentType = '', body = ''): Buffer {
  const entity = body === '' ? '' : `content-type: ${contentType}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n`;
  return Buffer.from(`${method} ${path} HTTP/1.1\r\nhost: localhost\r\n${entity}\r\n${body}`);
}

export const putRequest = (key: string, value: string) =>
  httpRequest('PUT', `/v1/keys/${key}`, 'application/json', value);

/** Sends for so long in closed loops, one request at a time on each connection. `weight` operations are in each request. */
export async function closedLoop(
  port: number,
  connections: number,
  seconds: number,
  request: (index: number) => Buffer,
  weight = 1,
): Promise<Load> {
  const started = performance.now();
  const until = started + seconds * 1000;
  let sent = 0;
  let answered = 0;
  await Promise.all(
    Array.from({ length: connections }, async () => {
      const connection = new Connection(port);
      while (performance.now() < until) {
        sent += 1;
        await connection.request(request(sent));
        answered += 1;
      }
      connection.close();
    }),
  );
  return { count: answered * weight, seconds: (performance.now() - started) / 1000 };
}

/** Sends at a fixed rate, without waiting for answers to go on; resolves with how many it were. */
export async function paced(perSecond: number, seconds: number, send: () => void): Promise<number> {
  const started = performance.now();
  const total = Math.round(perSecond * seconds);
  await new Promise<void>((done) => {
    let sent = 0;
    const timer = setInterval(() => {
      const due = Math.min(total, Math.floor(((performance.now() - started) / 1000) * perSecond));
      for (; sent < due; sent += 1) send();
      if (sent < total) return;
      clearInterval(timer);
      done();
    }, 1);
  });
  return total;
}

/** As `paced` with requests over HTTP; resolves when all were answered. */
export async function openLoop(
  port: number,
  perSecond: number,
  seconds: number,
  request: () => Buffer,
  onAnswer?: (tookMs: number) => void,
): Promise<Load> {
  const free: Connection[] = [];
  const answers: Promise<void>[] = [];
  const started = performance.now();
  const total = await paced(perSecond, seconds, () => {
    const connection = free.pop() ?? new Connection(port);
    const sentMs = performance.now();
    const answered = connection.request(request()).then(() => {
      free.push(connection);
      onAnswer?.(performance.now() - sentMs);
    });
    answers.push(answered);
  });
  await Promise.all(answers);
  for (const connection of free) connection.close();
  return { count: total, seconds: (performance.now() - started) / 1000 };
}

const FILLING_CONNECTIONS = 4;
const FILLING_LINES_MAX = 1000;
const FILLING_BYTES_MAX = 1024 * 1024;

export interface Filling {
  readonly keys: number;
  readonly changes: number;
  readonly valueText?: string;
}

/** Puts one change after another to `bench.0`, `bench.1`, … and over again, in batches. */
export async function fill(port: number, { changes, keys, valueText = VALUE_TEXT }: Filling): Promise<void> {
  const lines = Math.max(1, Math.min(FILLING_LINES_MAX, Math.floor(FILLING_BYTES_MAX / valueText.length)));
  let next = 0;
  await Promise.all(
    Array.from({ length: FILLING_CONNECTIONS }, async () => {
      const connection = new Connection(port);
      while (next < changes) {
        const first = next;
        next = Math.min(changes, next + lines);
        await connection.request(commandsRequest(first, next - first, keys, valueText));
      }
      connection.close();
    }),
  );
}

/** A batch of puts as NDJSON. */
export function commandsRequest(first: number, count: number, keys: number, valueText: string): Buffer {
  const line = (index: number) => `{"op":"put","key":"bench.${index % keys}","value":${valueText}}\n`;
  const body = Array.from({ length: count }, (_, index) => line(first + index)).join('');
  return httpRequest('POST', '/v1/commands', 'application/x-ndjson', body);
}
