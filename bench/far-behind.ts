import type { ServerProcess } from '../test/support/server-process.ts';
import { type Effort, type Figure, median } from './figures.ts';
import { openLoop, putRequest, VALUE_TEXT } from './load.ts';
import { latchkeyWith, withServer } from './servers.ts';
import { SseWatcher } from './sse-watcher.ts';

const WATCHERS = 1000;
const BATCH = 1000;
/** Every key that is watched changes so often in what its watcher missed. */
const CHANGES_PER_KEY = 4;
const OTHER_KEYS = 10_000;
const LIVE_WRITES_PER_SECOND = 200;

interface Measured {
  /** Milliseconds from the first request on. */
  readonly first: number;
  readonly all: number;
  /** Milliseconds from a watcher's own request to its first change. */
  readonly own: number;
  /** The longest that a live watcher waited for a change meanwhile. */
  readonly live: number;
}

const watched = (index: number) => `far.${index}`;

/** Batch after batch, so that their order is the log's. */
async function send(port: number, line: (index: number) => string, batches: number): Promise<void> {
  for (let batch = 0; batch < batches; batch += 1) {
    const body = Array.from({ length: BATCH }, (_, index) => line(batch * BATCH + index)).join('');
    const headers = { 'content-type': 'application/x-ndjson' };
    const response = await fetch(`http://127.0.0.1:${port}/v1/commands`, { method: 'POST', headers, body });
    if (response.status !== 200) throw new Error(`A batch was answered ${response.status}.`);
    await response.arrayBuffer();
  }
}

/** Once all have their place in the log, so many changes of other keys, and among them a few of their own. */
async function fallBehind(port: number, changes: number): Promise<string> {
  const line = (key: string) => `{"op":"put","key":"${key}","value":${VALUE_TEXT}}\n`;
  await send(port, (index) => line(watched(index % WATCHERS)), Math.ceil(WATCHERS / BATCH));
  const from = await positionOf(port);
  const others = Math.ceil(changes / BATCH / CHANGES_PER_KEY);
  for (let round = 0; round < CHANGES_PER_KEY; round += 1) {
    await send(port, (index) => line(`other.${index % OTHER_KEYS}`), others);
    await send(port, (index) => line(watched(index % WATCHERS)), Math.ceil(WATCHERS / BATCH));
  }
  return from;
}

async function positionOf(port: number): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${port}/v1/keys/none`);
  await response.arrayBuffer();
  return response.headers.get('latchkey-position') as string;
}

/** All at once, each with a connection of its own; `from` is where they were last. */
async function catchUp(port: number, from: string): Promise<Omit<Measured, 'live'>> {
  const started = performance.now();
  const firsts: number[] = [];
  const owns: number[] = [];
  const watchers: SseWatcher[] = [];
  await Promise.all(
    Array.from({ length: WATCHERS }, async (_, index) => {
      const asked = performance.now();
      let changes = 0;
      const watcher = new SseWatcher(port, `/v1/watch?key=${watched(index)}&from=${from}`, ({ event }) => {
        if (event !== 'message') return;
        if (changes === 0) {
          firsts.push(performance.now() - started);
          owns.push(performance.now() - asked);
        }
        changes += 1;
      });
      watchers.push(watcher);
      await watcher.until('synced');
      if (from !== 'now' && changes !== CHANGES_PER_KEY)
        throw new Error(`${watched(index)} was told of ${changes} changes, not of ${CHANGES_PER_KEY}.`);
    }),
  );
  const all = performance.now() - started;
  for (const watcher of watchers) watcher.close();
  return { first: Math.min(...firsts), all, own: median(owns) };
}

/** The same while another watcher is live. */
async function besideLive(port: number, from: string): Promise<Measured> {
  let live = 0;
  const watcher = new SseWatcher(port, '/v1/watch?prefix=live.&from=now', ({ data, event }) => {
    const sent = /"sent":"(\d+)"/.exec(event === 'message' ? data : '')?.[1];
    if (sent !== undefined) live = Math.max(live, Number(process.hrtime.bigint() - BigInt(sent)) / 1e6);
  });
  await watcher.until('synced');
  const request = () => putRequest('live.1', JSON.stringify({ sent: String(process.hrtime.bigint()) }));
  const writing = openLoop(port, LIVE_WRITES_PER_SECOND, 2, request);
  const measured = await catchUp(port, from);
  await writing;
  watcher.close();
  return { ...measured, live };
}

async function measure(server: ServerProcess, changes: number): Promise<{ behind: Measured; atHead: Measured }> {
  const { port } = server;
  const from = await fallBehind(port, changes);
  // The first round is for the compiler.
  await catchUp(port, 'now');
  const atHead = await besideLive(port, 'now');
  return { behind: await besideLive(port, from), atHead };
}

/** 1,000 watchers of one key each come back when the log has gone on by a million changes, all of them in its window. */
export async function farBehind({ isQuick }: Effort): Promise<readonly Figure[]> {
  const changes = isQuick ? 100_000 : 1_000_000;
  const window = { LATCHKEY_HISTORY_CHANGES_MAX: '2000000', LATCHKEY_HISTORY_BYTES_MAX: '2GiB' };
  const { behind, atHead } = await withServer(latchkeyWith({ env: window }), (server) => measure(server, changes));
  const common = { name: `${WATCHERS} single-key watchers ${changes} changes behind`, isLowerBetter: true };
  const floorIs = 'the same watchers at the head';
  return [
    {
      ...common,
      unit: 'ms to the first change',
      latchkey: behind.first,
      floorIs: 'history.changesMax 2,000,000',
      goal: 50,
    },
    { ...common, unit: 'ms to all caught up', latchkey: behind.all, floor: atHead.all, floorIs, goal: 5000 },
    { ...common, unit: 'ms to a watcher’s first, p50', latchkey: behind.own, floorIs: 'all ask in one turn' },
    { ...common, unit: 'ms live, longest meanwhile', latchkey: behind.live, floor: atHead.live, floorIs },
  ];
}
