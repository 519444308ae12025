import { runToEnd, type ServerProcess } from '../test/support/server-process.ts';
import type { Effort, Figure } from './figures.ts';
import { withFolder } from './folders.ts';
import { closedLoop, httpRequest, VALUE_TEXT } from './load.ts';
import { lmdbFloorCommand, startLatchkey, withServer } from './servers.ts';

const BATCH = 1000;
const CONNECTIONS = 4;
/** Distinct keys that are written over and over; as many as the floor has. */
const KEYS = 10_000;

export interface Rate {
  readonly perSecond: number;
  readonly cpu: number;
}

/** Puts of about 200 bytes over 10,000 keys, 1,000 a request, over a few connections. */
export async function measureIngest(server: ServerProcess, { seconds }: Pick<Effort, 'seconds'>): Promise<Rate> {
  // Prepared, so that the load does not spend its core on JSON.
  const requests = Array.from({ length: KEYS / BATCH }, (_, batch) => {
    const lines = Array.from({ length: BATCH }, (_, index) => {
      const key = `bench.${batch * BATCH + index}`;
      return `{"op":"put","key":"${key}","value":${VALUE_TEXT}}\n`;
    });
    return httpRequest('POST', '/v1/commands', 'application/x-ndjson', lines.join(''));
  });
  const request = (index: number) => requests[index % requests.length] as Buffer;
  await closedLoop(server.port, CONNECTIONS, seconds / 3, request, BATCH);
  const cpuBefore = server.cpuMicros();
  const load = await closedLoop(server.port, CONNECTIONS, seconds, request, BATCH);
  return { perSecond: load.count / load.seconds, cpu: (server.cpuMicros() - cpuBefore) / load.count };
}

async function floorOf({ seconds }: Effort): Promise<Rate> {
  return withFolder('floor', async (folder) => {
    const finished = await runToEnd([...lmdbFloorCommand, folder, String(seconds)], { timeoutMs: 120_000 });
    if (finished.code !== 0) throw new Error(`The floor of ingest failed: ${finished.stderr}`);
    const result = JSON.parse(finished.stdout) as { count: number; seconds: number; cpuMicros: number };
    return { perSecond: result.count / result.seconds, cpu: result.cpuMicros / result.count };
  });
}

/** NDJSON of 1,000 puts a request over a few connections, overwriting 10,000 keys. */
export async function ingest(effort: Effort): Promise<readonly Figure[]> {
  const latchkey = await withServer(startLatchkey, (server) => measureIngest(server, effort));
  const floor = await floorOf(effort);
  const common = { name: 'ingest by /v1/commands', floorIs: 'LMDB alone: record and place, 1,000 a transaction' };
  return [
    {
      ...common,
      unit: 'commands/s',
      isLowerBetter: false,
      latchkey: latchkey.perSecond,
      floor: floor.perSecond,
      goal: 150_000,
    },
    { ...common, unit: 'µs CPU/command', isLowerBetter: true, latchkey: latchkey.cpu, floor: floor.cpu, goal: 7 },
  ];
}
