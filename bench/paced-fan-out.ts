import type { ServerProcess } from '../test/support/server-process.ts';
import { type Effort, type Figure, percentile } from './figures.ts';
import { httpRequest, KEYS, openLoop } from './load.ts';
import { Readers } from './readers.ts';
import { latchkeyWith, startSharedChunk, withServer } from './servers.ts';

const WATCHERS = 1000;
/** A request per millisecond: as even as a timer can offer them. */
const REQUESTS_PER_SECOND = 1000;
const CHANGES_PER_REQUEST = 5;
const CHANGES_PER_SECOND = REQUESTS_PER_SECOND * CHANGES_PER_REQUEST;
/** These also count events and read the moment that each value carries. */
const SAMPLED = 4;

interface Measured {
  readonly cpu: number;
  readonly p50: number;
  readonly p99: number;
}

async function measure(server: ServerProcess, { seconds }: Effort): Promise<Measured> {
  const readers = new Readers();
  try {
    const path = '/v1/watch?prefix=p.';
    await readers.open({ port: server.port, count: WATCHERS, transport: 'sse', path, sampled: SAMPLED });
    let sent = 0;
    // The monotonic clock is one for all processes of a machine.
    const line = () => {
      sent += 1;
      const value = JSON.stringify({ sent: String(process.hrtime.bigint()), text: 'x'.repeat(150) });
      return `{"op":"put","key":"p.${sent % KEYS}","value":${value}}\n`;
    };
    const request = () => {
      const lines = Array.from({ length: CHANGES_PER_REQUEST }, line);
      return httpRequest('POST', '/v1/commands', 'application/x-ndjson', lines.join(''));
    };
    await openLoop(server.port, REQUESTS_PER_SECOND, seconds / 2, request);
    await readers.drained();
    await readers.reset();
    const cpuBefore = server.cpuMicros();
    const requests = await openLoop(server.port, REQUESTS_PER_SECOND, seconds, request);
    const count = requests.count * CHANGES_PER_REQUEST;
    const { bytes, latencies, sampledBytes, sampledEvents } = await readers.drained();
    const cpu = (server.cpuMicros() - cpuBefore) / (count * WATCHERS);
    if (sampledEvents !== count * SAMPLED || bytes * SAMPLED !== sampledBytes * WATCHERS)
      throw new Error(
        `Of ${count} changes ${sampledEvents / SAMPLED} arrived at the sampled watchers, and ${bytes} bytes at all ${WATCHERS}, where those sampled had ${sampledBytes / SAMPLED} each.`,
      );
    return { cpu, p50: percentile(latencies, 0.5) / 1000, p99: percentile(latencies, 0.99) / 1000 };
  } finally {
    await readers.close();
  }
}

/** 1,000 SSE watchers of one prefix, five puts offered every millisecond. None is lost, or it throws. */
export async function pacedFanOut(effort: Effort): Promise<readonly Figure[]> {
  // Heartbeats would make the watchers' byte counts differ.
  const startQuiet = latchkeyWith({ env: { LATCHKEY_FEED_PROGRESS_INTERVAL: '1h' } });
  const latchkey = await withServer(startQuiet, (server) => measure(server, effort));
  const floor = await withServer(startSharedChunk, (server) => measure(server, effort));
  const name = `fan-out to ${WATCHERS} watchers, ${CHANGES_PER_SECOND} changes/s`;
  const figure = (unit: string, key: keyof Measured, goal?: number): Figure => ({
    name,
    unit,
    isLowerBetter: true,
    latchkey: latchkey[key],
    floor: floor[key],
    floorIs: 'bare sockets, in memory, one shared chunk per 5 ms',
    goal,
  });
  return [figure('µs CPU/delivery', 'cpu', 0.15), figure('ms p50', 'p50'), figure('ms p99', 'p99', 30)];
}
