import type { ServerProcess } from '../test/support/server-process.ts';
import type { Effort, Figure } from './figures.ts';
import { closedLoop, KEYS, putRequest, sharedMs, VALUE_TEXT } from './load.ts';
import { Readers } from './readers.ts';
import { startLatchkey, startNaive, startSharedChunk, withServer } from './servers.ts';
import type { Transport } from './watch-request.ts';

export interface FanOut {
  /** From the first byte of load to the last delivery. */
  readonly deliveries: number;
  readonly cpu: number;
  readonly writes: number;
}

export interface FanOutLoad {
  readonly transport: Transport;
  readonly watchers: number;
  readonly writers: number;
  readonly seconds: number;
  /** One group of watchers for each; they share the watchers evenly. Default: one, of every key that is written. */
  readonly paths?: readonly string[];
  readonly valueText?: string;
}

/** Every key that is written begins with it. */
export const PREFIX = 'f.';
const WATCHERS = 1000;
const WRITERS = 8;
const SAMPLED_MAX = 10;

/** Watchers of one prefix, writers in closed loops. */
export async function measureFanOut(server: ServerProcess, load: FanOutLoad): Promise<FanOut> {
  const { seconds, transport, valueText = VALUE_TEXT, watchers, writers } = load;
  const paths = load.paths ?? [transport === 'sse' ? `/v1/watch?prefix=${PREFIX}` : '/v1/watch'];
  const readers = new Readers();
  try {
    const count = watchers / paths.length;
    for (const [index, path] of paths.entries()) {
      const sampled = index === 0 ? Math.min(SAMPLED_MAX, count) : 0;
      await readers.open({ port: server.port, count, transport, path, sampled });
    }
    const request = (index: number) => putRequest(`${PREFIX}${index % KEYS}`, valueText);
    await closedLoop(server.port, writers, seconds / 4, request);
    await readers.drained();
    await readers.reset();
    const cpuBefore = server.cpuMicros();
    const startedMs = sharedMs();
    const written = await closedLoop(server.port, writers, seconds, request);
    const { bytes, lastMs, sampledBytes, sampledEvents } = await readers.drained();
    const deliveries = bytes * (sampledEvents / sampledBytes);
    return {
      deliveries: (deliveries / (lastMs - startedMs)) * 1000,
      cpu: (server.cpuMicros() - cpuBefore) / deliveries,
      writes: written.count / written.seconds,
    };
  } finally {
    await readers.close();
  }
}

async function fanOutOver(transport: Transport, { seconds }: Effort): Promise<readonly Figure[]> {
  const load = { transport, watchers: WATCHERS, writers: WRITERS, seconds };
  const latchkey = await withServer(startLatchkey, (server) => measureFanOut(server, load));
  const naive = await withServer(startNaive, (server) => measureFanOut(server, load));
  // It has no transport: what it writes are the bytes of server-sent events either way.
  const bare = await withServer(startSharedChunk, (server) => measureFanOut(server, { ...load, transport: 'sse' }));
  const common = {
    name: `fan-out to ${WATCHERS} ${transport === 'sse' ? 'SSE' : 'WebSocket'} watchers, ${WRITERS} writers`,
    floorIs: `LMDB put and flush, one ${transport === 'sse' ? 'res.write' : 'ws.send'} per watcher`,
  };
  const cpu = { unit: 'µs CPU/delivery', isLowerBetter: true, latchkey: latchkey.cpu };
  return [
    {
      ...common,
      unit: 'deliveries/s',
      isLowerBetter: false,
      latchkey: latchkey.deliveries,
      floor: naive.deliveries,
      goal: 1_500_000,
    },
    { ...common, ...cpu, floor: naive.cpu, goal: 0.6 },
    { ...common, ...cpu, floor: bare.cpu, floorIs: 'bare sockets, in memory, one shared chunk per 5 ms' },
    { ...common, unit: 'writes/s', isLowerBetter: false, latchkey: latchkey.writes, floor: naive.writes },
  ];
}

export const fanOut = (effort: Effort) => fanOutOver('sse', effort);
export const fanOutWebsocket = (effort: Effort) => fanOutOver('websocket', effort);
