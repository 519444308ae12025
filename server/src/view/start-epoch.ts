import { resolve } from 'node:path';
import { LatchkeyError } from '@latchkey/client';
import { EPOCHS_MAX, type Epoch, newEpochId } from '../shared/epochs.ts';
import { EPOCHS_KEY, FORMAT_KEY, FORMAT_VERSION } from './environment.ts';
import type { Store } from './store.ts';

export const LOCAL_OWNER = 'local';
const OWNER_KEY = Buffer.from('owner');
/** Four characters at least, as every epoch has; a log never begins with such a one. */
export const NO_EPOCH = '0000';

/** Every opening of the directory is a new epoch: what a crash may have taken back is never mistaken for what comes now. */
export function startEpoch(store: Store, before: readonly Epoch[], first: readonly number[]): readonly Epoch[] {
  const id = newEpochId();
  const epochs = [...before, { id, first }].slice(-EPOCHS_MAX);
  deferFormat(store);
  deferEpochs(store, epochs);
  return epochs;
}

/** Of a log that is kept elsewhere too: what was known of it, or a nameless one until something is. */
export function knownEpochs(store: Store, before: readonly Epoch[], first: readonly number[]): readonly Epoch[] {
  deferFormat(store);
  return before.length > 0 ? before : [{ id: NO_EPOCH, first }];
}

export function deferEpochs(store: Store, epochs: readonly Epoch[]): void {
  store.defer(store.meta, EPOCHS_KEY, Buffer.from(JSON.stringify(epochs.slice(-EPOCHS_MAX))));
}

/**
 * Which log a directory is a part of is said at its first opening: what another would make of it is loss.
 * @throws LatchkeyError `config-invalid`
 */
export function claimDirectory(store: Store, owner: string): void {
  const stored = store.meta.get(OWNER_KEY)?.toString() ?? (store.isNew ? owner : LOCAL_OWNER);
  if (stored !== owner) throw belongsToAnother(store.directory, stored, owner);
  store.defer(store.meta, OWNER_KEY, Buffer.from(owner));
}

export function belongsToAnother(directory: string, stored: string, owner: string): LatchkeyError {
  return new LatchkeyError(
    'config-invalid',
    `The data directory ${resolve(directory)} belongs to the log ${stored}, not to ${owner}; choose another --data, or start that log.`,
    { field: 'data' },
  );
}

function deferFormat(store: Store): void {
  store.defer(store.meta, FORMAT_KEY, Buffer.from(JSON.stringify({ version: FORMAT_VERSION })));
}
