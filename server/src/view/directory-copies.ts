import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { LatchkeyError, type Position } from '@latchkey/client';
import { readEpochs, STORE_FILE } from './environment.ts';
import { Store } from './store.ts';
import { refuseUntrusted } from './unflushed.ts';
import type { DirectoryCopies } from './view.ts';

function positionOf(store: Store, directory: string): Position {
  const epochs = readEpochs(store.meta, directory);
  const current = epochs.at(-1);
  if (store.isNew || current === undefined) {
    throw new LatchkeyError(
      'data-corrupt',
      `${join(directory, STORE_FILE)} is not a Latchkey store: it has no format record.`,
      {
        field: 'data',
      },
    );
  }
  const { heads } = store.readState(current.first.length);
  return { epoch: current.id, components: heads.map((offset) => ({ offset })) };
}

/** LMDB lets other processes read while a server writes, so a copy needs nobody's leave. */
export const directoryCopies: DirectoryCopies = {
  storeFile: STORE_FILE,
  exists: (directory) => existsSync(join(directory, STORE_FILE)),
  isEmpty: (directory) => !existsSync(directory) || readdirSync(directory).length === 0,
  copy: async (directory, destination) => {
    refuseUntrusted(directory);
    const store = new Store(directory, { isReadOnly: true });
    try {
      const position = positionOf(store, directory);
      return { bytes: await store.backup(destination), position };
    } finally {
      await store.close();
    }
  },
  inspect: (directory) => {
    const store = new Store(directory, { isReadOnly: true });
    try {
      return positionOf(store, directory);
    } finally {
      void store.close();
    }
  },
};
