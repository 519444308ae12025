import type { ServerProcess } from '../test/support/server-process.ts';
import { type Effort, type Figure, median } from './figures.ts';
import { latchkeyWith, startLatchkey, startScanFloor, withServer } from './servers.ts';
import { type FilledStore, filledStore, floorFolder } from './stores.ts';
import { type Cost, costOfStream, readStream, sseStream } from './streams.ts';

/** The window must hold what was missed, or the resume is conflated: the default keeps 100,000 changes. */
const LONG_HISTORY = { LATCHKEY_HISTORY_CHANGES_MAX: '2000000', LATCHKEY_HISTORY_BYTES_MAX: '2GiB' };
const FLOOR = 'LMDB range scan of as many values, written to a raw socket';
const ONE_KEY_REPEATS = 20;

/** Milliseconds to `synced` and CPU of a watch of one key, which the clock of the kernel's accounting is too coarse for alone. */
async function oneKey(server: ServerProcess, query: string): Promise<{ ms: number; cpu: number }> {
  const cpuBefore = server.cpuMicros();
  const times: number[] = [];
  for (let repeat = 0; repeat < ONE_KEY_REPEATS; repeat += 1) {
    const { seconds } = await readStream(server.port, sseStream(`key=bench.5&${query}`));
    times.push(seconds * 1000);
  }
  return { ms: median(times), cpu: (server.cpuMicros() - cpuBefore) / ONE_KEY_REPEATS / 1000 };
}

function wholeFigures(name: string, missed: number, cost: Cost, floor: Cost): readonly Figure[] {
  const common = { name, isLowerBetter: true, floorIs: FLOOR };
  return [
    { ...common, unit: 's to synced', latchkey: cost.seconds, floor: floor.seconds },
    { ...common, unit: 'µs CPU/change', latchkey: cost.cpuMicros / missed, floor: floor.cpuMicros / missed },
  ];
}

async function completeFigures(store: FilledStore, missed: number, values: number): Promise<readonly Figure[]> {
  const from = `from=${store.epoch}.${store.head - missed}`;
  const count = missed.toLocaleString('en');
  const floor = await withServer(
    startScanFloor(values),
    (server) => costOfStream(server, sseStream(`limit=${missed}`)),
    floorFolder(values),
  );
  return withServer(
    latchkeyWith({ env: LONG_HISTORY }),
    async (server) => {
      const whole = await costOfStream(server, sseStream(from));
      const one = await oneKey(server, from);
      const none = await oneKey(server, 'from=now');
      const common = {
        name: `resume of one key after ${count} changes`,
        isLowerBetter: true,
        floorIs: 'a watch of one key that missed nothing',
      };
      return [
        ...wholeFigures(`resume after ${count} changes`, missed, whole, floor),
        { ...common, unit: 'ms to synced', latchkey: one.ms, floor: none.ms },
        { ...common, unit: 'ms CPU', latchkey: one.cpu, floor: none.cpu },
      ];
    },
    store.data,
  );
}

/** As many changes missed, with the settings as they come: the last value of each key, announced. */
async function conflatedFigures(keys: number, changes: number, missed: number): Promise<readonly Figure[]> {
  const store = await filledStore({ keys, changes });
  const request = sseStream(`from=${store.epoch}.${store.head - missed}`, '\nevent: conflated\n');
  const cost = await withServer(startLatchkey, (server) => costOfStream(server, request), store.data);
  const name = `resume after ${missed.toLocaleString('en')} changes, default history`;
  return [
    {
      name,
      unit: 's to synced',
      isLowerBetter: true,
      latchkey: cost.seconds,
      floorIs: `conflated, and said so: the last value of ${keys.toLocaleString('en')} keys`,
    },
    { name, unit: 'ms CPU', isLowerBetter: true, latchkey: cost.cpuMicros / 1000, floorIs: 'the same' },
  ];
}

/** A watch goes on where it was, while many changes of 10,000 keys were made. */
export async function resume({ isQuick }: Effort): Promise<readonly Figure[]> {
  const size = isQuick ? 30_000 : 1_000_000;
  const keys = size / 100;
  const changes = size + keys;
  const store = await filledStore({ keys, changes }, LONG_HISTORY);
  return [
    ...(await completeFigures(store, size / 10, size)),
    ...(await completeFigures(store, size, size)),
    ...(isQuick ? [] : await conflatedFigures(keys, changes, size)),
  ];
}
