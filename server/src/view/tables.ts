import type { Bytes } from './environment.ts';
import { afterMoment, momentOf } from './keys.ts';
import type { Store } from './store.ts';
import type { Due, Table } from './view.ts';

export const DUE_EXPIRY = 0;
export const DUE_VALID = 1;

export function lmdbTable(store: Store, database: Bytes): Table {
  return {
    get: (key) => database.get(key, store.moment),
    range: (start, end, limit) => [...database.getRange({ start, end, limit, ...store.moment })],
    put: (key, value) => store.defer(database, key, value),
    remove: (key) => store.defer(database, key, undefined),
  };
}

export function readDues(store: Store, nowMicros: number, max: number): readonly Due[] {
  const dues: Due[] = [];
  for (const key of store.dues.getKeys({ end: afterMoment(nowMicros), limit: max })) {
    dues.push({ kind: key[8] === DUE_EXPIRY ? 'expiry' : 'valid', key: key.toString('utf8', 9), at: momentOf(key) });
  }
  return dues;
}

export function nextDue(store: Store, tombstoneAgeMaxMicros: number): number | undefined {
  const [due] = store.dues.getKeys({ limit: 1 });
  const [tombstone] = store.tombstones.getKeys({ limit: 1 });
  const moments = [];
  if (due !== undefined) moments.push(momentOf(due));
  if (tombstone !== undefined) moments.push(momentOf(tombstone) + tombstoneAgeMaxMicros);
  return moments.length === 0 ? undefined : Math.min(...moments);
}
