import type { ServerProcess } from '../test/support/server-process.ts';
import { type Effort, type Figure, percentile } from './figures.ts';
import { KEYS, openLoop, putRequest } from './load.ts';
import { Readers } from './readers.ts';
import { startLatchkey, startNaive, withServer } from './servers.ts';

const WATCHERS = 100;
const WRITES_PER_SECOND = 200;

async function measure(server: ServerProcess, { seconds }: Effort): Promise<{ p50: number; p99: number }> {
  const readers = new Readers();
  try {
    await readers.open({
      port: server.port,
      count: WATCHERS,
      transport: 'sse',
      path: '/v1/watch?prefix=l.',
      sampled: WATCHERS,
    });
    let sent = 0;
    // The monotonic clock is one for all processes of a machine.
    const request = () => {
      sent += 1;
      const value = { sent: String(process.hrtime.bigint()), text: 'x'.repeat(150) };
      return putRequest(`l.${sent % KEYS}`, JSON.stringify(value));
    };
    await openLoop(server.port, WRITES_PER_SECOND, seconds / 2, request);
    await readers.drained();
    await readers.reset();
    await openLoop(server.port, WRITES_PER_SECOND, seconds, request);
    const { latencies } = await readers.drained();
    const expected = WATCHERS * Math.round(WRITES_PER_SECOND * seconds);
    if (latencies.length !== expected)
      throw new Error(`${latencies.length} deliveries arrived, ${expected} were expected.`);
    return { p50: percentile(latencies, 0.5) / 1000, p99: percentile(latencies, 0.99) / 1000 };
  } finally {
    await readers.close();
  }
}

/** From the moment before a PUT is sent to its arrival at each of 100 watchers in another process. */
export async function latency(effort: Effort): Promise<readonly Figure[]> {
  const latchkey = await withServer(startLatchkey, (server) => measure(server, effort));
  const floor = await withServer(startNaive, (server) => measure(server, effort));
  const name = `latency at ${WRITES_PER_SECOND} writes/s to ${WATCHERS} watchers`;
  const common = { name, isLowerBetter: true, floorIs: 'LMDB put and flush, one res.write per watcher' };
  return [
    { ...common, unit: 'ms p50', latchkey: latchkey.p50, floor: floor.p50, goal: 1 },
    { ...common, unit: 'ms p99', latchkey: latchkey.p99, floor: floor.p99, goal: 2.5 },
  ];
}
