/**
 * A server as `latchkey serve` starts it, with a clock that jumps and a store that fails, waits and dies as the run orders. It keeps
 * a journal of every change that became durable, so that the checkers know what the store has compacted since:
 *
 *   server-with-failpoints.ts JOURNAL [--planted BUG --one-in N] serve --port N --data DIR --log-format json
 *
 * Invariant: a change is in the journal before any reader can know of it.
 */
import { copyFileSync, existsSync, openSync, readFileSync, truncateSync, writeSync } from 'node:fs';
import { flushCompileCache } from 'node:module';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { parseVersion } from '@latchkey/client';
import { processEnvironment } from '../../server/src/config/environment.ts';
import { loadSettings } from '../../server/src/config/load-settings.ts';
import { makeFeed } from '../../server/src/feed/live-feed.ts';
import { startServer } from '../../server/src/main.ts';
import type { Change } from '../../server/src/shared/change.ts';
import { systemClock } from '../../server/src/shared/clock.ts';
import { changeJson } from '../../server/src/shared/encode-change.ts';
import { createLogger } from '../../server/src/shared/logger-pino.ts';
import { STORE_FILE } from '../../server/src/view/environment.ts';
import { LmdbView, type LmdbViewOptions } from '../../server/src/view/lmdb.ts';
import type { JournalLine, Order, Report } from './failpoint-orders.ts';
import { type BugName, bugOf, everyNth, plantInFeed, plantInView } from './planted-bugs.ts';

const SCAN = { changesMax: 1000, bytesMax: 1024 * 1024, skipSuperseded: false, skipRemoves: false } as const;

class Failpoints {
  shiftMs = 0;
  view: LmdbView | undefined;
  readonly #store: string;
  #full: Extract<Order, { order: 'disk' }>['full'];
  #death: Extract<Order, { order: 'die' }> | undefined;
  #copyTo: string | undefined;
  #held: PromiseWithResolvers<void> | undefined;

  constructor(store: string) {
    this.#store = store;
  }

  obey(order: Order): void {
    if (order.order === 'clock') this.#setClock(order.shiftMs);
    else if (order.order === 'disk') this.#full = order.full;
    else if (order.order === 'die') this.#death = order;
    else if (order.order === 'hold') this.#copyTo = order.copyTo;
    else this.#held?.resolve();
  }

  beforeCommit(): void {
    if (this.#full?.at === 'begin') throw noSpace();
    if (this.#death?.at === 'before') die();
    if (this.#death?.at === 'during') void sleep(this.#death.delayMs).then(die);
    if (this.#copyTo === undefined) return;
    copyFileSync(this.#store, this.#copyTo);
    this.#copyTo = undefined;
    this.#held = Promise.withResolvers();
  }

  duringCommit(): Promise<never> | undefined {
    if (this.#full?.at !== 'flush') return undefined;
    const failing = sleep(this.#full.delayMs).then(() => {
      throw noSpace();
    });
    failing.catch(() => {}); // It may fail before the store has come to wait for it.
    return failing;
  }

  async afterCommit(): Promise<void> {
    if (this.#death?.at === 'after') die();
    if (this.#held === undefined) return;
    tell({ report: 'held', head: this.view?.head(0) ?? 0 });
    await this.#held.promise;
    this.#held = undefined;
  }

  #setClock(shiftMs: number): void {
    const now = () => this.view?.nowMicros() ?? 0;
    const beforeMicros = now();
    this.shiftMs = shiftMs;
    tell({ report: 'clock', beforeMicros, afterMicros: now() });
  }
}

function noSpace(): Error {
  tell({ report: 'refused' });
  return Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
}

function tell(report: Report): void {
  process.send?.(report);
}

function die(): void {
  process.kill(process.pid, 'SIGKILL');
}

/** Takes up what became durable and was not written down before the process died, then goes on with what becomes durable. */
function keepJournal(path: string, view: LmdbView): void {
  const text = existsSync(path) ? readFileSync(path, 'utf8') : '';
  const whole = text.lastIndexOf('\n') + 1;
  if (whole < text.length) truncateSync(path, Buffer.byteLength(text.slice(0, whole)));
  const file = openSync(path, 'a');
  const note = (changes: readonly Change[]) => {
    const lines = changes.map(
      (change) => `{"previous":${change.previous},"change":${changeJson(change, view.epochs, true)}}\n`,
    );
    writeSync(file, lines.join(''));
  };
  const last = text.slice(text.lastIndexOf('\n', whole - 2) + 1, whole);
  let reached = last === '' ? 0 : parseVersion((JSON.parse(last) as JournalLine).change.version).offset;
  while (reached < view.head(0)) {
    const page = view.scan(0, reached, { ...SCAN, until: view.head(0) });
    note(page.changes);
    reached = page.reached;
  }
  view.onDurable(note);
}

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    port: { type: 'string' },
    data: { type: 'string' },
    'log-format': { type: 'string' },
    planted: { type: 'string' },
    'one-in': { type: 'string' },
  },
});
const { settings } = loadSettings({
  flags: { port: values.port, data: values.data, logFormat: values['log-format'] },
  environment: processEnvironment,
  cwd: process.cwd(),
});
const failpoints = new Failpoints(join(settings.data, STORE_FILE));
process.on('message', (order) => failpoints.obey(order as Order));
// Nobody is left to end a server whose run is gone.
process.on('disconnect', die);

const logger = createLogger(settings);
const bug = values.planted === undefined ? undefined : bugOf(values.planted as BugName);
const strikes = everyNth(Number(values['one-in'] ?? bug?.oneIn), (what) => logger.info({}, `planted: ${what}`));

async function openView(options: LmdbViewOptions): Promise<LmdbView> {
  const view = await LmdbView.open({
    ...options,
    beforeCommit: () => failpoints.beforeCommit(),
    duringCommit: () => failpoints.duringCommit(),
    afterCommit: () => {
      const flushed = failpoints.afterCommit();
      return bug?.isFlushIgnored === true ? undefined : flushed;
    },
  });
  keepJournal(positionals[0] as string, view);
  failpoints.view = view;
  if (bug !== undefined) plantInView(view, bug, strikes);
  return view;
}

const clock = {
  nowMicros: () => systemClock.nowMicros() + failpoints.shiftMs * 1000,
  monotonicMs: () => systemClock.monotonicMs(),
};
const server = await startServer(settings, {
  logger,
  clock,
  openView,
  wrapStore: (store) => bug?.inStore?.(store, strikes) ?? store,
  makeFeed: (setup) => (bug === undefined ? makeFeed(setup) : plantInFeed(makeFeed(setup), bug, strikes)),
});
logger.info({ url: server.url }, `listening on ${server.url}`);
flushCompileCache(); // It hardly ever ends by itself, when it would be done.
process.once('SIGTERM', async () => {
  await server.close();
  process.exit(0);
});
