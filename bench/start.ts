import type { ServerProcess } from '../test/support/server-process.ts';
import type { Effort, Figure } from './figures.ts';
import { anonymousBytes } from './memory.ts';
import { startLatchkey, withServer } from './servers.ts';
import { keysOf } from './snapshot.ts';
import { filledStore } from './stores.ts';

interface Started {
  readonly ms: number;
  readonly resident: number;
  readonly own: number;
}

const MIB = 1024 * 1024;

async function measure(data?: string): Promise<Started> {
  let ms = Number.NaN;
  const start = async (folder: string): Promise<ServerProcess> => {
    const started = performance.now();
    const server = await startLatchkey(folder);
    ms = performance.now() - started;
    return server;
  };
  const read = async (server: ServerProcess) => ({
    ms,
    resident: server.residentBytes() / MIB,
    own: anonymousBytes(server.pid) / MIB,
  });
  return withServer(start, read, data);
}

/** From the start of the process to 200 of `/ready`, and the memory that it then has. */
export async function start(effort: Effort): Promise<readonly Figure[]> {
  const keys = keysOf(effort);
  const { data } = await filledStore({ keys, changes: keys });
  const latchkey = await measure(data);
  const floor = await measure();
  const name = `start with ${keys.toLocaleString('en')} keys`;
  const figure = (unit: string, key: keyof Started): Figure => ({
    name,
    unit,
    isLowerBetter: true,
    latchkey: latchkey[key],
    floor: floor[key],
    floorIs: 'the same with an empty data directory',
  });
  return [figure('ms to /ready', 'ms'), figure('MiB resident', 'resident'), figure('MiB resident, its own', 'own')];
}
