import { put } from '../test/support/http-client.ts';
import type { ServerProcess } from '../test/support/server-process.ts';
import type { Effort, Figure } from './figures.ts';
import { closedLoop, httpRequest, VALUE_TEXT } from './load.ts';
import { startBareHttp, startLatchkey, withServer } from './servers.ts';

const CONNECTIONS = 50;

async function measure(server: ServerProcess, { seconds }: Effort): Promise<{ perSecond: number; cpu: number }> {
  const request = httpRequest('GET', '/v1/keys/read.1');
  await closedLoop(server.port, CONNECTIONS, seconds / 3, () => request);
  const cpuBefore = server.cpuMicros();
  const load = await closedLoop(server.port, CONNECTIONS, seconds, () => request);
  return { perSecond: load.count / load.seconds, cpu: (server.cpuMicros() - cpuBefore) / load.count };
}

/** `GET /v1/keys/{key}` over 50 keep-alive connections, one request at a time on each. */
export async function reads(effort: Effort): Promise<readonly Figure[]> {
  const latchkey = await withServer(startLatchkey, async (server) => {
    await put(server.url, 'read.1', JSON.parse(VALUE_TEXT));
    return measure(server, effort);
  });
  const floor = await withServer(startBareHttp, (server) => measure(server, effort));
  const common = { name: `GET, ${CONNECTIONS} connections`, floorIs: 'bare node:http with a fixed body' };
  return [
    {
      ...common,
      unit: 'requests/s',
      isLowerBetter: false,
      latchkey: latchkey.perSecond,
      floor: floor.perSecond,
      goal: { shareOfFloor: 0.8 },
    },
    { ...common, unit: 'µs CPU/request', isLowerBetter: true, latchkey: latchkey.cpu, floor: floor.cpu },
  ];
}
