/** Data directories that take long to make: made once in a run, when first asked for, and gone with it. */
import { ask } from '../test/support/http-client.ts';
import { makeFolder } from './folders.ts';
import { type Filling, fill } from './load.ts';
import { latchkeyWith, withServer } from './servers.ts';

export interface FilledStore {
  readonly data: string;
  /** Of the server that filled it; a position of it holds in those that open it later. */
  readonly epoch: string;
  readonly head: number;
}

const stores = new Map<string, Promise<FilledStore>>();
const floors = new Map<number, string>();

export function filledStore(filling: Filling, env: Readonly<Record<string, string>> = {}): Promise<FilledStore> {
  const name = JSON.stringify([filling, env]);
  const store = stores.get(name) ?? makeStore(filling, env);
  stores.set(name, store);
  return store;
}

/** Where the floor of reading keeps as many values. */
export function floorFolder(keys: number): string {
  const folder = floors.get(keys) ?? makeFolder('floor');
  floors.set(keys, folder);
  return folder;
}

async function makeStore(filling: Filling, env: Readonly<Record<string, string>>): Promise<FilledStore> {
  const data = makeFolder('store');
  return withServer(
    latchkeyWith({ env }),
    async (server) => {
      process.stderr.write(` (fills ${filling.changes.toLocaleString('en')} changes)`);
      await fill(server.port, filling);
      const { json } = await ask(`${server.url}/v1/status`);
      const { epoch, head } = (json as { log: { epoch: string; head: number } }).log;
      await server.stop();
      return { data, epoch, head };
    },
    data,
  );
}
