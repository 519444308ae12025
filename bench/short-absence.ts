import { setTimeout as sleep } from 'node:timers/promises';
import type { ServerProcess } from '../test/support/server-process.ts';
import { type Effort, type Figure, median } from './figures.ts';
import { openLoop } from './load.ts';
import { NumberedPuts } from './numbered-puts.ts';
import { startLatchkey, withServer } from './servers.ts';
import { SseWatcher } from './sse-watcher.ts';

const WATCHERS = 20;
const REQUESTS_PER_SECOND = 1000;
const CHANGES_PER_REQUEST = 2;
const ABSENCE_MS = 1000;
const PATH = '/v1/watch?prefix=a.';

/** What one watcher saw over all of its connections: the changes carry their number. */
interface Seen {
  readonly numbers: Set<number>;
  events: number;
  /** Milliseconds from coming back to `synced`. */
  readonly returns: number[];
}

async function watchWithAbsences(port: number, endMs: number): Promise<Seen> {
  const seen: Seen = { numbers: new Set(), events: 0, returns: [] };
  const take = ({ data, event }: { readonly data: string; readonly event: string }) => {
    if (event !== 'message') return;
    seen.events += 1;
    seen.numbers.add(Number(/"n":(\d+)/.exec(data)?.[1]));
  };
  let watcher = new SseWatcher(port, PATH, take);
  await watcher.until('synced');
  while (performance.now() + 2 * ABSENCE_MS < endMs) {
    await sleep(ABSENCE_MS / 2);
    watcher.close();
    await sleep(ABSENCE_MS);
    const cameBack = performance.now();
    watcher = new SseWatcher(port, PATH, take, watcher.lastEventId);
    await watcher.until('synced');
    seen.returns.push(performance.now() - cameBack);
  }
  // What was written last still has to arrive.
  await sleep(Math.max(0, endMs - performance.now()) + ABSENCE_MS);
  watcher.close();
  return seen;
}

async function measure(server: ServerProcess, seconds: number): Promise<{ seen: readonly Seen[]; sent: number }> {
  const { port } = server;
  const puts = new NumberedPuts('a.', CHANGES_PER_REQUEST);
  const endMs = performance.now() + seconds * 1000;
  const watching = Promise.all(Array.from({ length: WATCHERS }, () => watchWithAbsences(port, endMs)));
  await openLoop(port, REQUESTS_PER_SECOND, seconds, puts.request);
  return { seen: await watching, sent: puts.sent };
}

/** Watchers that are cut off and come back a second later, again and again, while 2,000 changes/s are written. */
export async function shortAbsence({ isQuick }: Effort): Promise<readonly Figure[]> {
  const { seen, sent } = await withServer(startLatchkey, (server) => measure(server, isQuick ? 4 : 10));
  const sum = (of: (one: Seen) => number) => seen.reduce((total, one) => total + of(one), 0);
  const returns = seen.flatMap((one) => one.returns);
  const rate = REQUESTS_PER_SECOND * CHANGES_PER_REQUEST;
  const common = { name: `${returns.length} absences of 1 s at ${rate} changes/s`, isLowerBetter: true };
  const floorIs = 'numbered changes, each watcher counts what it misses';
  return [
    { ...common, unit: 'changes lost', latchkey: sum(({ numbers }) => sent - numbers.size), floorIs, goal: 0 },
    {
      ...common,
      unit: 'changes repeated',
      latchkey: sum(({ events, numbers }) => events - numbers.size),
      floorIs,
      goal: 0,
    },
    { ...common, unit: 'ms back to synced, p50', latchkey: median(returns), floorIs: 'from the request on' },
  ];
}
