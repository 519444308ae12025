/** A process to be killed: writes big and small values, overwrites and removes them, and tells each head once it is shown. */
import { DEFAULT_SETTINGS } from '../config/settings.ts';
import type { Change } from '../shared/change.ts';
import { systemClock } from '../shared/clock.ts';
import { LmdbView } from './lmdb.ts';
import type { Placed } from './view.ts';

const [, , directory = '', seed = '0', flushes = 'step'] = process.argv;
const history = { ...DEFAULT_SETTINGS.history, changesMax: 50 };
const view = await LmdbView.open({
  directory,
  settings: { history, tombstones: { ageMaxMs: 5 } },
  clock: systemClock,
  flushes: flushes as 'step' | 'close',
  reportFault: (_stage, error) => {
    throw error;
  },
});

let state = Number(seed) + 1;
function random(below: number): number {
  state = (state * 48_271) % 2_147_483_647;
  return state % below;
}

function placed(nowMicros: number): readonly Placed[] {
  const latest = new Map<string, Change>();
  const isPurge = random(5) === 0;
  return Array.from({ length: 1 + random(300) }, (_, index) => {
    const key = `k.${random(400)}`;
    const before = latest.get(key) ?? view.get(key);
    const offset = view.head(0) + index + 1;
    const place = { key, partition: 0, offset, previous: before?.offset ?? 0, valueOffset: offset };
    const data = JSON.stringify('v'.repeat(random(4) === 0 ? random(60_000) : random(300)));
    const change: Change = {
      ...place,
      updated: { micros: nowMicros },
      decided: nowMicros,
      ...(isPurge ? { op: 'remove', reason: 'deleted' } : { op: 'put', value: { kind: 'json', data } }),
    };
    latest.set(key, change);
    return { change, before };
  });
}

for (;;) {
  const nowMicros = view.nowMicros();
  await view.apply({ placed: placed(nowMicros), nowMicros, collectMax: 1000 });
  process.stdout.write(`${view.head(0)}\n`);
}
