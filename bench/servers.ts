import { fileURLToPath } from 'node:url';
import { type ServerOptions, ServerProcess } from '../test/support/server-process.ts';
import { makeFolder, removeFolder } from './folders.ts';

const script = (name: string) => [
  process.execPath,
  '--conditions=source',
  fileURLToPath(new URL(name, import.meta.url)),
];

export type StartServer = (data: string) => Promise<ServerProcess>;

export const startLatchkey: StartServer = (data) => ServerProcess.start({ data });
/** As `startLatchkey`, with settings: flags in `args`, `LATCHKEY_…` in `env`. */
export const latchkeyWith =
  (options: Pick<ServerOptions, 'args' | 'env'>): StartServer =>
  (data) =>
    ServerProcess.start({ data, ...options });
export const startNaive: StartServer = (data) => ServerProcess.start({ data, command: script('./naive-server.ts') });
export const startBareHttp: StartServer = (data) =>
  ServerProcess.start({ data, command: script('./bare-http-server.ts') });
export const startSharedChunk: StartServer = (data) =>
  ServerProcess.start({ data, command: script('./shared-chunk-server.ts') });
export const startScanFloor =
  (keys: number): StartServer =>
  (data) =>
    ServerProcess.start({ data, command: [...script('./scan-floor.ts'), String(keys)] });
export const lmdbFloorCommand = script('./lmdb-floor.ts');
/** Its arguments: url, seconds, changes a call, calls on their way. It empties that Redis. */
export const appendFloorCommand = script('../server/src/log/redis/append-floor.fixture.ts');

/** Runs with a fresh server and ends it; without `data` it has a folder of its own, which goes too. */
export async function withServer<T>(
  start: StartServer,
  use: (server: ServerProcess) => Promise<T>,
  data?: string,
): Promise<T> {
  const folder = data ?? makeFolder('data');
  try {
    const server = await start(folder);
    try {
      return await use(server);
    } finally {
      await server.dispose();
    }
  } finally {
    if (data === undefined) removeFolder(folder);
  }
}
