import { setTimeout as sleep } from 'node:timers/promises';
import type { ServerProcess } from '../test/support/server-process.ts';
import { type Effort, type Figure, median } from './figures.ts';
import { KEYS, openLoop } from './load.ts';
import { NumberedPuts } from './numbered-puts.ts';
import { startLatchkey, withServer } from './servers.ts';
import { SseWatcher } from './sse-watcher.ts';

/** Enough that what they cost stands out of how much the memory of any two runs differs. */
const STALLED = 50;
const REQUESTS_PER_SECOND = 200;
const CHANGES_PER_REQUEST = 25;
const PATH = '/v1/watch?prefix=s.&from=now';
const MIB = 1024 * 1024;

interface Measured {
  readonly residentBytes: number;
  /** Milliseconds from the first read to the last value of every key. */
  readonly convergedMs: number;
}

/** Counts the values that a watcher holds and were not the last ones. */
class Fold {
  readonly held = new Map<string, number>();
  wasConflated = false;
  readonly take = ({ data, event }: { readonly data: string; readonly event: string }): void => {
    if (event === 'conflated') this.wasConflated = true;
    if (event !== 'message') return;
    const [, key, number] = /"key":"([^"]+)","value":\{"n":(\d+)/.exec(data) as unknown as [string, string, string];
    this.held.set(key, Number(number));
  };

  isAt(puts: NumberedPuts): boolean {
    for (let number = puts.sent; number > puts.sent - KEYS; number -= 1) {
      if (this.held.get(puts.key(number)) !== number) return false;
    }
    return true;
  }
}

async function measure(server: ServerProcess, seconds: number, stalled: number): Promise<Measured> {
  const { port } = server;
  const folds = Array.from({ length: stalled }, () => new Fold());
  const watchers = folds.map(({ take }) => new SseWatcher(port, PATH, take));
  await Promise.all(watchers.map((watcher) => watcher.until('synced')));
  for (const watcher of watchers) watcher.pause();
  const reading = new SseWatcher(port, PATH, () => {});
  await reading.until('synced');
  const puts = new NumberedPuts('s.', CHANGES_PER_REQUEST);
  const samples: number[] = [];
  const sampling = setInterval(() => samples.push(server.residentBytes()), 100);
  await openLoop(port, REQUESTS_PER_SECOND, seconds, puts.request);
  clearInterval(sampling);
  // What came last tells what has piled up by then; single samples tell when garbage was collected.
  const residentBytes = median(samples.slice(-Math.ceil(samples.length / 4)));
  const started = performance.now();
  for (const watcher of watchers) watcher.resume();
  while (!folds.every((fold) => fold.isAt(puts))) {
    if (performance.now() - started > 60_000)
      throw new Error('A watcher did not converge within a minute of reading again.');
    await sleep(5);
  }
  const convergedMs = performance.now() - started;
  if (!folds.every(({ wasConflated }) => wasConflated)) throw new Error('A watcher was not told what was conflated.');
  for (const watcher of [...watchers, reading]) watcher.close();
  return { residentBytes, convergedMs };
}

/** Watchers that read nothing while 5,000 changes/s are written, against a run without them; then they read again. */
export async function stalled({ isQuick }: Effort): Promise<readonly Figure[]> {
  const seconds = isQuick ? 10 : 60;
  const without = await withServer(startLatchkey, (server) => measure(server, seconds, 0));
  const measured = await withServer(startLatchkey, (server) => measure(server, seconds, STALLED));
  const rate = REQUESTS_PER_SECOND * CHANGES_PER_REQUEST;
  const common = {
    name: `${STALLED} watchers that read nothing for ${seconds} s at ${rate} changes/s`,
    isLowerBetter: true,
  };
  const each = (measured.residentBytes - without.residentBytes) / MIB / STALLED;
  const whole = `the server holds ${Math.round(without.residentBytes / MIB)} MiB without them`;
  return [
    { ...common, unit: 'MiB resident each', latchkey: each, floorIs: whole, goal: 1 },
    {
      ...common,
      unit: 'ms to converge, all',
      latchkey: measured.convergedMs,
      floorIs: 'each was told what was conflated',
    },
  ];
}
