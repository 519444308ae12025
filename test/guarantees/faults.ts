/**
 * Every fault that a run can order: to the process, to its disk and clock, and to the network between it and its clients. Each
 * returns when it is over; the server is up then, and the network fair.
 */
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { STORE_FILE } from '../../server/src/view/environment.ts';
import type { FaultProxy, Weather } from '../support/fault-proxy.ts';
import type { ServerProcess } from '../support/server-process.ts';
import type { Held, Order } from './failpoint-orders.ts';
import type { Random } from './random.ts';
import type { Recorder } from './recorder.ts';
import type { Target } from './target.ts';

const COMMIT_TIMEOUT_MS = 20_000;
const SECOND = 1000;
const HOUR = 3600 * SECOND;
const CLOCK_STEPS_MS = [-HOUR, -10 * SECOND, 10 * SECOND, HOUR] as const;
/** Beyond the age of the history. */
const DAY_AND_MORE_MS = 25 * HOUR;

export interface Scene {
  readonly server: ServerProcess;
  readonly proxy: FaultProxy;
  readonly target: Target;
  readonly recorder: Recorder;
  readonly random: Random;
  /** Jumps of the clock go beyond the history's age. */
  readonly isNarrow: boolean;
}

export class Faults {
  readonly #scene: Scene;
  readonly #counts = new Map<FaultKind, number>();
  #held = Promise.withResolvers<Held>();
  #maxShiftMs = 0;

  constructor(scene: Scene) {
    this.#scene = scene;
  }

  get counts(): Readonly<Record<string, number>> {
    return Object.fromEntries([...this.#counts].sort());
  }

  /** The wall clock was never further ahead than this. */
  get maxShiftMs(): number {
    return this.#maxShiftMs;
  }

  /** What the server says over its channel. */
  onMessage(message: unknown): void {
    this.#held.resolve(message as Held);
  }

  async cause(kind: FaultKind): Promise<void> {
    this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + 1);
    await FAULTS[kind](this);
  }

  async kill(): Promise<void> {
    this.#scene.target.lower();
    await this.#scene.server.kill();
    await this.#restart();
  }

  async stop(): Promise<void> {
    const { random, server, target } = this.#scene;
    const exited = server.stop();
    await sleep(random.between(0, 20)); // Meanwhile everybody still asks a server that is stopping.
    target.lower();
    const { code } = await exited;
    if (code !== 0) throw new Error(`A graceful stop exited with ${code}. The server printed:\n${server.output}`);
    await this.#restart();
  }

  async die(at: 'before' | 'during' | 'after'): Promise<void> {
    const { random, server } = this.#scene;
    const exited = server.exited;
    await this.order({ order: 'die', at, delayMs: random.between(0, 4) });
    await within(exited, 'a commit to die at');
    this.#scene.target.lower();
    await this.#restart();
  }

  /** While a commit is held nothing of it may be known; then it is answered, or the power fails and the disk never had it. */
  async hold(isPowerLost: boolean): Promise<void> {
    const { random, recorder, server, target } = this.#scene;
    const copyTo = join(server.data, 'as-last-flushed.mdb');
    this.#held = Promise.withResolvers();
    await this.order({ order: 'hold', copyTo });
    recorder.heldAt = (await within(this.#held.promise, 'a commit to hold')).head;
    await sleep(random.between(20, 300));
    if (!isPowerLost) {
      recorder.heldAt = undefined;
      await this.order({ order: 'release' });
      return;
    }
    target.lower();
    await server.kill();
    recorder.heldAt = undefined;
    copyFileSync(copyTo, join(server.data, STORE_FILE));
    await this.#restart();
  }

  async freeze(): Promise<void> {
    this.#scene.server.signal('SIGSTOP');
    await sleep(this.#scene.random.between(50, 1200));
    this.#scene.server.signal('SIGCONT');
  }

  async jump(): Promise<void> {
    const { isNarrow, random } = this.#scene;
    const shiftMs = random.pick(isNarrow ? [...CLOCK_STEPS_MS, DAY_AND_MORE_MS] : CLOCK_STEPS_MS);
    await this.setClock(shiftMs);
  }

  async setClock(shiftMs: number): Promise<void> {
    this.#maxShiftMs = Math.max(this.#maxShiftMs, shiftMs);
    await this.order({ order: 'clock', shiftMs });
  }

  async fillDisk(): Promise<void> {
    await this.order({ order: 'disk', isFull: true });
    await sleep(this.#scene.random.between(50, 800));
    await this.order({ order: 'disk', isFull: false });
  }

  cut(): void {
    this.#scene.proxy.cut();
  }

  async cutWithin(): Promise<void> {
    const { proxy, random } = this.#scene;
    const own = random.fork();
    proxy.cutWithin(() => own.between(0, 400));
    await sleep(random.between(20, 200));
    proxy.heal();
  }

  async weather(weather: Weather): Promise<void> {
    const { proxy, random } = this.#scene;
    proxy.set(weather);
    await sleep(random.between(100, 900));
    proxy.heal();
  }

  /** The server dies and comes back while nobody hears of it. */
  async halfOpen(): Promise<void> {
    const { proxy, random } = this.#scene;
    proxy.set({ kind: 'half-open' });
    await this.kill();
    await sleep(random.between(100, 900));
    proxy.heal();
  }

  async order(order: Order): Promise<void> {
    await this.#scene.server.tell({ ...order });
  }

  pick(low: number, high: number): number {
    return this.#scene.random.between(low, high);
  }

  async #restart(): Promise<void> {
    await this.#scene.server.restart();
    this.#scene.target.raise(this.#scene.proxy.url);
  }
}

const FAULTS = {
  kill: (faults) => faults.kill(),
  stop: (faults) => faults.stop(),
  'die before commit': (faults) => faults.die('before'),
  'die during commit': (faults) => faults.die('during'),
  'die after commit': (faults) => faults.die('after'),
  'hold flush': (faults) => faults.hold(false),
  'lose power': (faults) => faults.hold(true),
  freeze: (faults) => faults.freeze(),
  'clock jump': (faults) => faults.jump(),
  'disk full': (faults) => faults.fillDisk(),
  cut: async (faults) => faults.cut(),
  'cut mid-frame': (faults) => faults.cutWithin(),
  stall: (faults) => faults.weather({ kind: 'stalled' }),
  'half-open': (faults) => faults.halfOpen(),
  slow: (faults) => faults.weather({ kind: 'slow', bytesPerSecond: faults.pick(2000, 200_000) }),
  delay: (faults) => faults.weather({ kind: 'delayed', delayMs: faults.pick(5, 100) }),
} as const satisfies Record<string, (faults: Faults) => Promise<void>>;

export type FaultKind = keyof typeof FAULTS;
export const FAULT_KINDS = Object.keys(FAULTS) as readonly FaultKind[];

async function within<T>(promise: Promise<T>, what: string): Promise<T> {
  const stop = new AbortController();
  const late = sleep(COMMIT_TIMEOUT_MS, undefined, { signal: stop.signal }).then(() => {
    throw new Error(`there was no ${what} within ${COMMIT_TIMEOUT_MS} ms`);
  });
  late.catch(() => {}); // Not late at all.
  try {
    return await Promise.race([promise, late]);
  } finally {
    stop.abort();
  }
}
