import { randomInt } from 'node:crypto';
import { EPOCHS_MAX, type Epoch } from '../shared/epochs.ts';
import { EPOCHS_KEY, FORMAT_KEY, FORMAT_VERSION } from './environment.ts';
import type { Store } from './store.ts';

const EPOCH_ALPHABET = '0123456789abcdefghijklmnopqrstuvwxyz';

/** Every opening of the directory is a new epoch: what a crash may have taken back is never mistaken for what comes now. */
export function startEpoch(store: Store, before: readonly Epoch[], first: readonly number[]): readonly Epoch[] {
  const id = Array.from({ length: 8 }, () => EPOCH_ALPHABET[randomInt(36)]).join('');
  const epochs = [...before, { id, first }].slice(-EPOCHS_MAX);
  store.defer(store.meta, FORMAT_KEY, Buffer.from(JSON.stringify({ version: FORMAT_VERSION })));
  store.defer(store.meta, EPOCHS_KEY, Buffer.from(JSON.stringify(epochs)));
  return epochs;
}
