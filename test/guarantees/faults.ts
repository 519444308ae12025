/**
 * Every fault that a run can order: to the process, to its disk and clock, and to the network between it and its clients. Each
 * returns when it is over; the server is up then, and the network fair.
 *
 * Invariant: a fault that returns has bitten, so that what is counted was done: a process killed by its signal or stopped by the
 * kernel, a commit refused or held, bytes held back, connections broken.
 */
import { copyFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { STORE_FILE } from '../../server/src/view/environment.ts';
import { MARK_FILE } from '../../server/src/view/unflushed.ts';
import type { FaultProxy } from '../support/fault-proxy.ts';
import type { ServerProcess } from '../support/server-process.ts';
import type { Order, Report } from './failpoint-orders.ts';
import { NETWORK_FAULTS, type NetworkFault, untilConnected, whileBad } from './network-faults.ts';
import type { Random } from './random.ts';
import type { Recorder } from './recorder.ts';
import type { ServerTarget } from './target.ts';
import { BITE_TIMEOUT_MS, until, within } from './waits.ts';
import { endIfThere, isStopped, pickWorker, untilReplaced } from './worker-processes.ts';

const ANOTHER_BOOT = '00000000-0000-4000-8000-000000000000';
const LMDB_PAGE_BYTES = 4096;
const SECOND = 1000;
const HOUR = 3600 * SECOND;
const CLOCK_STEPS_MS = [-HOUR, -10 * SECOND, 10 * SECOND, HOUR] as const;
/** Beyond the age of the history. */
const DAY_AND_MORE_MS = 25 * HOUR;

export interface Scene {
  readonly server: ServerProcess;
  readonly proxy: FaultProxy;
  readonly target: ServerTarget;
  readonly recorder: Recorder;
  readonly random: Random;
  /** Jumps of the clock go beyond the history's age. */
  readonly isNarrow: boolean;
  /** Nobody else can show what this server holds back: other nodes of a log can. */
  readonly isAlone: boolean;
}

/** Of a store that is not flushed the disk may have anything, and the machine is in another boot. */
function loseUnflushed(data: string): void {
  const mark = JSON.parse(readFileSync(join(data, MARK_FILE), 'utf8')) as Readonly<Record<string, string>>;
  writeFileSync(join(data, MARK_FILE), JSON.stringify({ ...mark, boot: ANOTHER_BOOT }));
  writeFileSync(join(data, STORE_FILE), readFileSync(join(data, STORE_FILE)).fill(0, LMDB_PAGE_BYTES));
}

export class Faults {
  readonly #scene: Scene;
  readonly #counts = new Map<string, number>();
  readonly #bites = new Map<string, number>();
  /** What the server is to say next. */
  #held = Promise.withResolvers<number>();
  #refused = Promise.withResolvers<void>();
  #maxShiftMs = 0;

  constructor(scene: Scene) {
    this.#scene = scene;
  }

  get counts(): Readonly<Record<string, number>> {
    return Object.fromEntries([...this.#counts].sort());
  }

  /** How much each kind did: connections broken, pieces of bytes held back or slowed, commits refused; 1 for every other fault. */
  get bites(): Readonly<Record<string, number>> {
    return Object.fromEntries([...this.#bites].sort());
  }

  /** The wall clock was never further ahead than this. */
  get maxShiftMs(): number {
    return this.#maxShiftMs;
  }

  /** What the server says over its channel. */
  onMessage(message: unknown): void {
    const report = message as Report;
    if (report.report === 'held') this.#held.resolve(report.head);
    else if (report.report === 'refused') {
      this.#bite('disk full');
      this.#refused.resolve();
    } else if (report.afterMicros < report.beforeMicros) {
      const message = `the log's now went back from ${report.beforeMicros} to ${report.afterMicros}`;
      this.#scene.recorder.violations.push({ guarantee: 'ClockHolds', to: 'log', message });
    }
  }

  /** All of them at once; at most one is to the process, and at most one to the network. */
  async cause(kinds: readonly FaultKind[]): Promise<void> {
    const running = kinds.map(async (kind) => {
      const random = this.#scene.random.fork();
      try {
        await FAULTS[kind](this, random);
      } catch (cause) {
        throw new Error(`the fault "${kind}" did not bite: ${String(cause)}`, { cause });
      }
      this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + 1);
      if (!COUNTS_ITSELF.has(kind)) this.#bite(kind);
    });
    await Promise.all(running);
  }

  async kill(): Promise<void> {
    this.#scene.target.lower();
    const { signal } = await this.#scene.server.kill();
    if (signal !== 'SIGKILL') throw new Error(`it was gone already, by ${signal}:\n${this.#scene.server.output}`);
    await this.#restart();
  }

  async stop(random: Random): Promise<void> {
    const { server, target } = this.#scene;
    const exited = server.stop();
    await sleep(random.between(0, 20)); // Meanwhile everybody still asks a server that is stopping.
    target.lower();
    const { code } = await exited;
    if (code !== 0) throw new Error(`A graceful stop exited with ${code}. The server printed:\n${server.output}`);
    await this.#restart();
  }

  async die(at: 'before' | 'during' | 'after', random: Random): Promise<void> {
    const { server } = this.#scene;
    const exited = server.exited;
    await this.#order({ order: 'die', at, delayMs: random.between(0, 4) });
    await within(exited, 'a commit to die at');
    this.#scene.target.lower();
    await this.#restart();
  }

  /** While a commit is held nothing of it may be known; then it is answered, or the power fails and the disk never had it. */
  async hold(isPowerLost: boolean, random: Random): Promise<void> {
    const { isAlone, recorder, server, target } = this.#scene;
    const copyTo = join(server.data, 'as-last-flushed.mdb');
    this.#held = Promise.withResolvers();
    await this.#order({ order: 'hold', copyTo });
    const heldAt = await within(this.#held.promise, 'a commit to hold');
    if (isAlone) recorder.heldAt = heldAt;
    await sleep(random.between(20, 300));
    if (!isPowerLost) {
      recorder.heldAt = undefined;
      await this.#order({ order: 'release' });
      return;
    }
    target.lower();
    await server.kill();
    recorder.heldAt = undefined;
    if (existsSync(join(server.data, MARK_FILE))) loseUnflushed(server.data);
    else copyFileSync(copyTo, join(server.data, STORE_FILE));
    await this.#restart();
  }

  async freeze(random: Random): Promise<void> {
    await freezeFor(this.#scene.server.pid, random.between(50, 1200));
  }

  /** One of the processes that serve dies, with its connections; another takes its place. */
  async killWorker(random: Random): Promise<void> {
    const { pid } = await pickWorker(this.#scene.server.url, random);
    process.kill(pid, 'SIGKILL');
    await untilReplaced(this.#scene.server.url, pid, BITE_TIMEOUT_MS);
  }

  /** Not for so long that it is given up. */
  async freezeWorker(random: Random): Promise<void> {
    const { pid } = await pickWorker(this.#scene.server.url, random);
    await freezeFor(pid, random.between(50, 1500));
  }

  /** One stays frozen, with a moment of the store in its hand and connections open, until the owner gives it up. */
  async loseWorker(random: Random): Promise<void> {
    const { pid } = await pickWorker(this.#scene.server.url, random);
    process.kill(pid, 'SIGSTOP');
    try {
      await untilReplaced(this.#scene.server.url, pid, BITE_TIMEOUT_MS);
    } finally {
      endIfThere(pid);
    }
  }

  async jump(random: Random): Promise<void> {
    const { isNarrow } = this.#scene;
    const shiftMs = random.pick(isNarrow ? [...CLOCK_STEPS_MS, DAY_AND_MORE_MS] : CLOCK_STEPS_MS);
    await this.setClock(shiftMs);
  }

  async setClock(shiftMs: number): Promise<void> {
    this.#maxShiftMs = Math.max(this.#maxShiftMs, shiftMs);
    await this.#order({ order: 'clock', shiftMs });
  }

  async fillDisk(random: Random): Promise<void> {
    this.#refused = Promise.withResolvers();
    const full = { at: random.pick(['begin', 'flush'] as const), delayMs: random.between(0, 20) };
    await this.#order({ order: 'disk', full });
    await within(this.#refused.promise, 'a commit to refuse');
    await sleep(random.between(50, 800));
    await this.#order({ order: 'disk', full: undefined });
  }

  async network(kind: NetworkFault, random: Random): Promise<void> {
    this.#bite(kind, await NETWORK_FAULTS[kind](this.#scene.proxy, random));
  }

  /** The server dies and comes back while nobody hears of it. */
  async halfOpen(random: Random): Promise<void> {
    const { proxy } = this.#scene;
    await untilConnected(proxy);
    const bites = await whileBad(proxy, async () => {
      proxy.set({ kind: 'half-open' });
      await this.kill();
      await sleep(random.between(100, 900));
      proxy.heal();
    });
    this.#bite('half-open', bites);
  }

  #bite(kind: string, count = 1): void {
    this.#bites.set(kind, (this.#bites.get(kind) ?? 0) + count);
  }

  async #order(order: Order): Promise<void> {
    await this.#scene.server.tell({ ...order });
  }

  async #restart(): Promise<void> {
    await this.#scene.server.restart();
    this.#scene.target.raise(this.#scene.proxy.url);
  }
}

const FAULTS = {
  kill: (faults) => faults.kill(),
  stop: (faults, random) => faults.stop(random),
  'die before commit': (faults, random) => faults.die('before', random),
  'die during commit': (faults, random) => faults.die('during', random),
  'die after commit': (faults, random) => faults.die('after', random),
  'hold flush': (faults, random) => faults.hold(false, random),
  'lose power': (faults, random) => faults.hold(true, random),
  freeze: (faults, random) => faults.freeze(random),
  'clock jump': (faults, random) => faults.jump(random),
  'disk full': (faults, random) => faults.fillDisk(random),
  'half-open': (faults, random) => faults.halfOpen(random),
  'kill worker': (faults, random) => faults.killWorker(random),
  'freeze worker': (faults, random) => faults.freezeWorker(random),
  'lose worker': (faults, random) => faults.loseWorker(random),
  cut: (faults, random) => faults.network('cut', random),
  'cut mid-frame': (faults, random) => faults.network('cut mid-frame', random),
  stall: (faults, random) => faults.network('stall', random),
  slow: (faults, random) => faults.network('slow', random),
  delay: (faults, random) => faults.network('delay', random),
} as const satisfies Record<string, (faults: Faults, random: Random) => Promise<void>>;

export type FaultKind = keyof typeof FAULTS;
export const FAULT_KINDS = Object.keys(FAULTS) as readonly FaultKind[];

/** Needs the whole scene: the process and the network. */
export const WHOLE_KINDS = ['half-open'] as const satisfies readonly FaultKind[];
/** To one of the worker processes. */
export const WORKER_KINDS = ['kill worker', 'freeze worker', 'lose worker'] as const satisfies readonly FaultKind[];
/** To the network alone, so that one of the others can come on top. */
export const NETWORK_KINDS = ['cut', 'cut mid-frame', 'stall', 'slow', 'delay'] as const satisfies readonly FaultKind[];
/** To the process, its disk or its clock, whatever the network is like. */
export const SERVER_KINDS: readonly FaultKind[] = FAULT_KINDS.filter(
  (kind) => ![...NETWORK_KINDS, ...WORKER_KINDS, ...WHOLE_KINDS].some((each) => each === kind),
);
/** What a server without workers can be put under. */
export const SINGLE_KINDS = [...SERVER_KINDS, ...NETWORK_KINDS, ...WHOLE_KINDS];
const COUNTS_ITSELF: ReadonlySet<FaultKind> = new Set([...NETWORK_KINDS, 'half-open', 'disk full']);

export async function freezeFor(pid: number, ms: number): Promise<void> {
  process.kill(pid, 'SIGSTOP');
  try {
    await until(() => isStopped(pid), 'process to stop');
    await sleep(ms);
  } finally {
    process.kill(pid, 'SIGCONT');
  }
}
