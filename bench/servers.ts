import { fileURLToPath } from 'node:url';
import { ServerProcess } from '../test/support/server-process.ts';

const script = (name: string) => [
  process.execPath,
  '--conditions=source',
  fileURLToPath(new URL(name, import.meta.url)),
];

export const startLatchkey = () => ServerProcess.start();
export const startNaive = () => ServerProcess.start({ command: script('./naive-server.ts') });
export const startBareHttp = () => ServerProcess.start({ command: script('./bare-http-server.ts') });
export const lmdbFloorCommand = script('./lmdb-floor.ts');

/** Runs with a fresh server and ends it. */
export async function withServer<T>(
  start: () => Promise<ServerProcess>,
  use: (server: ServerProcess) => Promise<T>,
): Promise<T> {
  const server = await start();
  try {
    return await use(server);
  } finally {
    await server.dispose();
  }
}
