/** One reader of one long answer, in this process: it looks for the end, and counts. */
import { connect } from 'node:net';
import type { ServerProcess } from '../test/support/server-process.ts';
import { anonymousBytes } from './memory.ts';
import { clientFrame, getRequest, watchRequest } from './watch-request.ts';

/** How a long answer is asked for, and what stands at its end. */
export interface StreamRequest {
  readonly first: Buffer;
  /** Sent when the first bytes came. */
  readonly second?: Buffer;
  readonly end: string;
  /** Stands somewhere in it, or the run fails. */
  readonly mustHave?: string;
}

export interface Streamed {
  readonly bytes: number;
  readonly seconds: number;
}

export interface Cost extends Streamed {
  readonly cpuMicros: number;
  /** The most private memory that the server had meanwhile, above what it had before. */
  readonly grownBytes: number;
}

const MEMORY_EVERY_MS = 50;
const BLOCK_BYTES = 256 * 1024;

export const sseStream = (query: string, mustHave?: string): StreamRequest => ({
  first: watchRequest('sse', `/v1/watch?${query}`),
  end: '\nevent: synced\n',
  ...(mustHave === undefined ? {} : { mustHave }),
});
export const websocketStream = (watch: object): StreamRequest => ({
  first: watchRequest('websocket', '/v1/watch'),
  second: clientFrame(JSON.stringify({ op: 'watch', id: 1, ...watch })),
  end: '{"op":"synced"',
});
export const ndjsonStream = (path: string): StreamRequest => ({
  first: getRequest(path, 'accept: application/x-ndjson\r\n'),
  end: '\r\n0\r\n\r\n',
});

/** Resolves when the end was seen; a mark that is cut in two by the bounds of a read is found too. */
export function readStream(port: number, { end, first, mustHave, second }: StreamRequest): Promise<Streamed> {
  const started = performance.now();
  const kept = Math.max(end.length, mustHave?.length ?? 0) - 1;
  const block = Buffer.allocUnsafeSlow(kept + BLOCK_BYTES);
  let bytes = 0;
  let held = 0;
  let isMissing = mustHave !== undefined;
  return new Promise((done, fail) => {
    const take = (length: number, read: Uint8Array) => {
      if (bytes === 0 && second !== undefined) socket.write(second);
      bytes += length;
      block.set(read.subarray(0, length), held);
      const filled = block.subarray(0, held + length);
      if (isMissing) isMissing = !filled.includes(mustHave as string);
      if (filled.includes(end)) {
        socket.destroy();
        if (isMissing) fail(new Error(`A stream of ${bytes} bytes had no ${mustHave}.`));
        else done({ bytes, seconds: (performance.now() - started) / 1000 });
        return false;
      }
      held = Math.min(kept, filled.length);
      block.copyWithin(0, filled.length - held, filled.length);
      return true;
    };
    const socket = connect({
      port,
      host: '127.0.0.1',
      onread: { buffer: Buffer.allocUnsafeSlow(BLOCK_BYTES), callback: take },
    });
    socket.on('error', fail);
    socket.on('close', () => fail(new Error(`A stream was closed after ${bytes} bytes, before its end.`)));
    socket.write(first);
  });
}

export async function costOfStream(server: ServerProcess, request: StreamRequest): Promise<Cost> {
  const before = anonymousBytes(server.pid);
  let most = before;
  const timer = setInterval(() => {
    most = Math.max(most, anonymousBytes(server.pid));
  }, MEMORY_EVERY_MS);
  const cpuBefore = server.cpuMicros();
  try {
    const streamed = await readStream(server.port, request);
    return { ...streamed, cpuMicros: server.cpuMicros() - cpuBefore, grownBytes: most - before };
  } finally {
    clearInterval(timer);
  }
}
