import type { Command } from '@latchkey/client';
import { sendCommands } from '../test/support/http-client.ts';
import type { ServerProcess } from '../test/support/server-process.ts';
import type { Effort, Figure } from './figures.ts';
import { closedLoop, httpRequest, VALUE_TEXT } from './load.ts';
import { startBareHttp, startLatchkey, withServer } from './servers.ts';

const CONNECTIONS = 50;

/** Read over and over, and each for the first time in a long while. */
const HOT_KEYS = 1000;
const MANY_KEYS = 100_000;

interface Cost {
  readonly perSecond: number;
  readonly cpu: number;
}

async function measure(server: ServerProcess, keys: number, { seconds }: Effort): Promise<Cost> {
  const requests = Array.from({ length: keys }, (_, index) => httpRequest('GET', `/v1/keys/read.${index}`));
  const request = (sent: number) => requests[sent % keys] as Buffer;
  await closedLoop(server.port, CONNECTIONS, seconds / 3, request);
  const cpuBefore = server.cpuMicros();
  const load = await closedLoop(server.port, CONNECTIONS, seconds, request);
  return { perSecond: load.count / load.seconds, cpu: (server.cpuMicros() - cpuBefore) / load.count };
}

async function fill(server: ServerProcess): Promise<void> {
  const value: unknown = JSON.parse(VALUE_TEXT);
  for (let start = 0; start < MANY_KEYS; start += 10_000) {
    const command = (index: number): Command => ({ op: 'put', key: `read.${start + index}`, value });
    await sendCommands(
      server.url,
      Array.from({ length: 10_000 }, (_, index) => command(index)),
    );
  }
}

/** `GET /v1/keys/{key}` over 50 keep-alive connections, one request at a time on each, key after key. */
export async function reads(effort: Effort): Promise<readonly Figure[]> {
  const { hot, many } = await withServer(startLatchkey, async (server) => {
    await fill(server);
    return { hot: await measure(server, HOT_KEYS, effort), many: await measure(server, MANY_KEYS, effort) };
  });
  const floor = await withServer(startBareHttp, (server) => measure(server, HOT_KEYS, effort));
  return [...figures(`GET, ${CONNECTIONS} connections`, hot, floor), ...figures('GET of 100,000 keys', many, floor)];
}

function figures(name: string, latchkey: Cost, floor: Cost): readonly Figure[] {
  const common = { name, floorIs: 'bare node:http with a fixed body' };
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
