import type { ServerProcess } from '../test/support/server-process.ts';
import type { Effort, Figure } from './figures.ts';
import { closedLoop, KEYS, putRequest, VALUE_TEXT } from './load.ts';
import { Readers } from './readers.ts';
import { startLatchkey, startNaive, withServer } from './servers.ts';

const WATCHERS = 1000;
const WRITERS = 8;
const FLOOR = 'LMDB put and flush, one res.write per watcher';

async function measure(
  server: ServerProcess,
  { seconds }: Effort,
): Promise<{ deliveries: number; cpu: number; writes: number }> {
  const readers = new Readers();
  try {
    await readers.open({
      port: server.port,
      count: WATCHERS,
      transport: 'sse',
      path: '/v1/watch?prefix=f.',
      sampled: 10,
    });
    const request = (index: number) => putRequest(`f.${index % KEYS}`, VALUE_TEXT);
    await closedLoop(server.port, WRITERS, seconds / 4, request);
    await readers.drained();
    await readers.reset();
    const cpuBefore = server.cpuMicros();
    const started = performance.now();
    const load = await closedLoop(server.port, WRITERS, seconds, request);
    const { bytes, sampledBytes, sampledEvents } = await readers.drained();
    // The wait that shows nothing more arrives is no part of the run.
    const elapsed = (performance.now() - started) / 1000 - 0.25;
    const count = bytes * (sampledEvents / sampledBytes);
    return {
      deliveries: count / elapsed,
      cpu: (server.cpuMicros() - cpuBefore) / count,
      writes: load.count / load.seconds,
    };
  } finally {
    await readers.close();
  }
}

/** 1,000 SSE watchers of one prefix, 8 writers in closed loops. */
export async function fanOut(effort: Effort): Promise<readonly Figure[]> {
  const latchkey = await withServer(startLatchkey, (server) => measure(server, effort));
  const floor = await withServer(startNaive, (server) => measure(server, effort));
  const name = `fan-out to ${WATCHERS} SSE watchers, ${WRITERS} writers`;
  const figure = (unit: string, key: 'deliveries' | 'cpu' | 'writes', goal?: number): Figure => ({
    name,
    unit,
    isLowerBetter: key === 'cpu',
    goal,
    latchkey: latchkey[key],
    floor: floor[key],
    floorIs: FLOOR,
  });
  return [
    figure('deliveries/s', 'deliveries', 1_500_000),
    figure('µs CPU/delivery', 'cpu', 0.6),
    figure('writes/s', 'writes'),
  ];
}
