/** How the server's CPU per operation grows with keys, watchers, groups and value size. */
import type { ServerProcess } from '../test/support/server-process.ts';
import { measureFanOut, PREFIX } from './fan-out.ts';
import { closedLoop, commandsRequest, fill, httpRequest, KEYS, putRequest, VALUE_TEXT } from './load.ts';
import { Readers } from './readers.ts';
import { startLatchkey, withServer } from './servers.ts';
import { filledStore } from './stores.ts';
import { readStream, sseStream } from './streams.ts';

export interface Dimension {
  /** As in the name of its plot. */
  readonly name: string;
  readonly title: string;
  readonly xAxis: string;
  readonly sizes: readonly number[];
  /** Microseconds of server CPU by what they are spent on; the same names for each size. */
  readonly measure: (size: number, seconds: number) => Promise<Readonly<Record<string, number>>>;
}

const WATCHERS = 1000;
const WRITERS = 8;
const GET_CONNECTIONS = 50;
const INGEST_CONNECTIONS = 4;
const BATCH_LINES_MAX = 1000;
const BATCH_BYTES_MAX = 512 * 1024;
const SNAPSHOT_KEYS_MIN = 100_000;
/** Distinct batches that are sent over and over. */
const BATCHES_MAX = 50;

async function cpuOf(server: ServerProcess, work: () => Promise<number>): Promise<number> {
  await work();
  const before = server.cpuMicros();
  const count = await work();
  return (server.cpuMicros() - before) / count;
}

function ingestCpu(server: ServerProcess, seconds: number, keys: number, valueText = VALUE_TEXT): Promise<number> {
  const lines = Math.max(1, Math.min(BATCH_LINES_MAX, Math.floor(BATCH_BYTES_MAX / valueText.length)));
  // Spread over all keys, so that a batch touches as many pages of the store as it would in life.
  const batches = Math.min(BATCHES_MAX, Math.max(1, Math.floor(keys / lines)));
  const stride = Math.max(1, Math.floor(keys / batches));
  const requests = Array.from({ length: batches }, (_, batch) =>
    commandsRequest(batch * stride, lines, keys, valueText),
  );
  const request = (index: number) => requests[index % requests.length] as Buffer;
  return cpuOf(server, async () => (await closedLoop(server.port, INGEST_CONNECTIONS, seconds, request, lines)).count);
}

function getCpu(server: ServerProcess, seconds: number, keys: number): Promise<number> {
  // A prime step visits the keys in no order of theirs.
  const request = (index: number) => httpRequest('GET', `/v1/keys/bench.${(index * 7919) % keys}`);
  return cpuOf(server, async () => (await closedLoop(server.port, GET_CONNECTIONS, seconds, request)).count);
}

/** Small stores are read again and again: what the kernel accounts is too coarse for one of them. */
function snapshotCpu(server: ServerProcess, keys: number): Promise<number> {
  const times = Math.ceil(SNAPSHOT_KEYS_MIN / keys);
  return cpuOf(server, async () => {
    for (let time = 0; time < times; time += 1) await readStream(server.port, sseStream('from=start'));
    return times * keys;
  });
}

const byKeys: Dimension = {
  name: 'keys',
  title: 'Cost by the number of keys, values of 200 bytes',
  xAxis: 'keys',
  sizes: [1000, 10_000, 100_000, 1_000_000],
  measure: async (keys, seconds) => {
    const { data } = await filledStore({ keys, changes: keys });
    const measureAll = async (server: ServerProcess) => ({
      GET: await getCpu(server, seconds, keys),
      'a key of a snapshot': await snapshotCpu(server, keys),
      'a command of /v1/commands': await ingestCpu(server, seconds, keys),
    });
    return withServer(startLatchkey, measureAll, data);
  },
};

const byWatchers: Dimension = {
  name: 'watchers',
  title: 'Cost by the number of watchers of one filter, 8 writers in a closed loop',
  xAxis: 'watchers',
  sizes: [1, 10, 100, 1000, 5000],
  measure: async (watchers, seconds) => {
    const load = { watchers, writers: WRITERS, seconds };
    const over = (transport: 'sse' | 'websocket') =>
      withServer(startLatchkey, (server) => measureFanOut(server, { ...load, transport }));
    return { 'a delivery by SSE': (await over('sse')).cpu, 'a delivery by WebSocket': (await over('websocket')).cpu };
  },
};

/** Watchers of as many single keys, none of which is written: what a PUT costs beside them. */
async function besideGroups(server: ServerProcess, groups: number, seconds: number): Promise<number> {
  const readers = new Readers();
  try {
    for (let group = 0; group < groups; group += 1) {
      const path = `/v1/watch?key=other.${group}`;
      await readers.open({ port: server.port, count: 1, transport: 'sse', path, sampled: 0 });
    }
    const request = (index: number) => putRequest(`${PREFIX}${index % KEYS}`, VALUE_TEXT);
    return await cpuOf(server, async () => (await closedLoop(server.port, WRITERS, seconds, request)).count);
  } finally {
    await readers.close();
  }
}

const byGroups: Dimension = {
  name: 'groups',
  title: 'Cost by the number of distinct filters',
  xAxis: 'groups (distinct filters)',
  sizes: [1, 10, 100, 1000],
  measure: async (groups, seconds) => {
    // Different filters, all of which want every change.
    const paths = Array.from({ length: groups }, (_, group) => `/v1/watch?prefix=${PREFIX}&key=other.${group}`);
    const load = { transport: 'sse', watchers: WATCHERS, writers: WRITERS, seconds, paths } as const;
    const matching = await withServer(startLatchkey, (server) => measureFanOut(server, load));
    return {
      'a delivery to 1,000 SSE watchers in so many groups': matching.cpu,
      'a PUT that none of so many groups wants': await withServer(startLatchkey, (server) =>
        besideGroups(server, groups, seconds),
      ),
    };
  },
};

const byValueSize: Dimension = {
  name: 'value-size',
  title: 'Cost by the size of a value',
  xAxis: 'bytes of a value',
  sizes: [20, 200, 2000, 20_000, 200_000],
  measure: async (bytes, seconds) => {
    const valueText = JSON.stringify('x'.repeat(bytes - 2));
    const ownKeys = 100;
    const load = { transport: 'sse', watchers: 100, writers: WRITERS, seconds, valueText } as const;
    const fanOut = await withServer(startLatchkey, (server) => measureFanOut(server, load));
    return withServer(startLatchkey, async (server) => {
      await fill(server.port, { keys: ownKeys, changes: ownKeys, valueText });
      return {
        'a delivery to 100 SSE watchers': fanOut.cpu,
        'a command of /v1/commands': await ingestCpu(server, seconds, ownKeys, valueText),
        GET: await getCpu(server, seconds, ownKeys),
      };
    });
  },
};

export const DIMENSIONS: readonly Dimension[] = [byKeys, byWatchers, byGroups, byValueSize];
