import { setTimeout as sleep } from 'node:timers/promises';
import type { ServerProcess } from '../test/support/server-process.ts';
import type { Effort, Figure } from './figures.ts';
import { Readers } from './readers.ts';
import { startLatchkey, startNaive, withServer } from './servers.ts';

/** Opened first and not counted: what grows once for all of them is not any one watcher's. */
const FIRST = 1000;

/** Resident memory once it has stopped moving. */
async function settled(server: ServerProcess): Promise<number> {
  let last = server.residentBytes();
  for (;;) {
    await sleep(1000);
    const now = server.residentBytes();
    if (Math.abs(now - last) < 256 * 1024) return now;
    last = now;
  }
}

/** KiB of resident memory per watcher that is told nothing. */
async function measure(server: ServerProcess, transport: 'sse' | 'websocket', count: number): Promise<number> {
  const readers = new Readers();
  try {
    const open = (some: number) =>
      readers.open({ port: server.port, count: some, transport, path: '/v1/watch', sampled: 0 });
    await open(FIRST);
    const before = await settled(server);
    await open(count);
    return ((await settled(server)) - before) / 1024 / count;
  } finally {
    await readers.close();
  }
}

export async function idle({ isQuick }: Effort): Promise<readonly Figure[]> {
  const count = isQuick ? 1000 : 5000;
  const figures: Figure[] = [];
  for (const transport of ['sse', 'websocket'] as const) {
    figures.push({
      name: `idle ${transport === 'sse' ? 'SSE' : 'WebSocket'} watcher`,
      unit: 'KiB resident',
      isLowerBetter: true,
      latchkey: await withServer(startLatchkey, (server) => measure(server, transport, count)),
      floor: await withServer(startNaive, (server) => measure(server, transport, count)),
      goal: transport === 'sse' ? 14 : 12,
      floorIs: transport === 'sse' ? 'a bare node:http response' : 'a bare connection of `ws`',
    });
  }
  return figures;
}
