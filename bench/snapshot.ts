import type { Effort, Figure } from './figures.ts';
import { startLatchkey, startScanFloor, withServer } from './servers.ts';
import { filledStore, floorFolder } from './stores.ts';
import { type Cost, costOfStream, ndjsonStream, sseStream, websocketStream } from './streams.ts';

const FLOOR = 'LMDB range scan of as many values, written to a raw socket';

export const keysOf = ({ isQuick }: Effort) => (isQuick ? 20_000 : 1_000_000);

/** One reader of everything: a watch from the start to `synced`, or the whole listing. */
export async function snapshot(effort: Effort): Promise<readonly Figure[]> {
  const keys = keysOf(effort);
  const { data } = await filledStore({ keys, changes: keys });
  const requests = {
    'SSE watch': sseStream('from=start'),
    'WebSocket watch': websocketStream({ filter: {}, from: 'start' }),
    'NDJSON listing': ndjsonStream('/v1/keys?values=true'),
  };
  const costs: (readonly [string, Cost])[] = [];
  for (const [name, request] of Object.entries(requests)) {
    const cost = await withServer(startLatchkey, (server) => costOfStream(server, request), data);
    costs.push([name, cost]);
  }
  const floor = await withServer(
    startScanFloor(keys),
    (server) => costOfStream(server, sseStream('from=start')),
    floorFolder(keys),
  );
  return costs.flatMap(([what, cost]): readonly Figure[] => {
    const common = { name: `snapshot of ${keys.toLocaleString('en')} keys, ${what}`, floorIs: FLOOR };
    const perSecond = ({ seconds }: Cost) => keys / seconds;
    const cpu = ({ cpuMicros }: Cost) => cpuMicros / keys;
    const grown = ({ grownBytes }: Cost) => grownBytes / 1024 / 1024;
    return [
      { ...common, unit: 'keys/s', isLowerBetter: false, latchkey: perSecond(cost), floor: perSecond(floor) },
      { ...common, unit: 'µs CPU/key', isLowerBetter: true, latchkey: cpu(cost), floor: cpu(floor) },
      {
        ...common,
        unit: 'MiB grown',
        isLowerBetter: true,
        latchkey: grown(cost),
        floorIs: 'private memory above what it had before; the scan’s grows by nothing',
      },
    ];
  });
}
