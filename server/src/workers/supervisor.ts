import type { ChildProcess } from 'node:child_process';
import { LatchkeyError } from '@latchkey/client';
import type { FlowReports, WorkerReport } from '../gateways/gateway.ts';
import type { Log } from '../log/log.ts';
import type { Logger, ReportFault } from '../shared/logger.ts';
import { Abreast } from './abreast.ts';
import { type CallName, type Calls, type OwnerFrame, type OwnerNews, portable, type WorkerFrame } from './frames.ts';
import { type WorkerEnd, WorkerProcess } from './worker-process.ts';

export interface SupervisorOptions {
  readonly count: number;
  /** Starts the process of a worker and hands it what it starts with. */
  readonly spawn: (number: number) => ChildProcess;
  readonly log: Pick<Log, 'submit' | 'leases' | 'backup' | 'state'>;
  /** The newest durable step and the log's `now`. */
  readonly step: () => number;
  readonly nowMicros: () => number;
  /** A worker is gone: what it held of the store is free. */
  readonly onGone: () => void;
  /** Workers die before they serve, again and again: the server can't go on. */
  readonly onHopeless: (error: LatchkeyError | Error) => void;
  readonly metrics: () => Promise<unknown>;
  readonly flows: () => FlowReports;
  readonly logger: Logger;
  readonly reportFault: ReportFault;
  /** 0 ≤ x < 1. */
  readonly random: () => number;
  readonly monotonicMs: () => number;
  readonly times?: Partial<SupervisorTimes>;
}

export interface SupervisorTimes {
  readonly pingMs: number;
  /** A worker that left so many pings in a row without an answer is killed: its moment of the store pins pages. */
  readonly missedPingsMax: number;
  readonly startMs: number;
  readonly reportMs: number;
  readonly backoffMinMs: number;
  readonly backoffMaxMs: number;
  /** A worker that lived this long did not die of its start. */
  readonly provenMs: number;
  readonly failedStartsMax: number;
}

const TIMES: SupervisorTimes = {
  pingMs: 600,
  missedPingsMax: 10,
  startMs: 30_000,
  reportMs: 1000,
  backoffMinMs: 50,
  backoffMaxMs: 5000,
  provenMs: 30_000,
  failedStartsMax: 5,
};

/** A place for a worker, kept by those that come after it. */
interface Place {
  readonly number: number;
  worker: WorkerProcess | undefined;
  restarts: number;
  /** Deaths in a row before a worker was proven, for the wait before the next. */
  deaths: number;
  failedStarts: number;
  timer: NodeJS.Timeout | undefined;
}

/**
 * Keeps the workers running: starts them, wakes and pings them, carries out their calls on the log, and puts another in the place of
 * one that died or stopped answering. It serves nothing itself and reads nothing of the view.
 *
 * Invariant: each place has one worker, or a timer that will start one, until `stop`.
 */
export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #times: SupervisorTimes;
  readonly #places: readonly Place[];
  readonly #abreast: Abreast;
  #pings: NodeJS.Timeout | undefined;
  #isStopping = false;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#times = { ...TIMES, ...options.times };
    this.#abreast = new Abreast(options.step, options.monotonicMs);
    this.#places = Array.from({ length: options.count }, (_, index) => ({
      number: index + 1,
      worker: undefined,
      restarts: 0,
      deaths: 0,
      failedStarts: 0,
      timer: undefined,
    }));
  }

  /** Resolves when all serve. @throws LatchkeyError of the worker that could not start */
  async start(): Promise<void> {
    this.#pings = setInterval(() => this.#ping(), this.#times.pingMs);
    await Promise.all(this.#places.map((place) => this.#begin(place).ready));
  }

  /** A step is durable. */
  wake(): void {
    for (const { worker } of this.#places) worker?.wake();
  }

  async reports(): Promise<readonly WorkerReport[]> {
    return Promise.all(
      this.#places.map(async ({ number, restarts, worker }) => {
        const report = await worker?.report(this.#times.reportMs);
        return { number, pid: worker?.pid ?? 0, restarts, ...(report === undefined ? {} : { report }) };
      }),
    );
  }

  /** How many serve, and how often a worker was replaced. */
  counts(): { readonly serving: number; readonly restarts: number } {
    return {
      serving: this.#places.filter(({ worker }) => worker?.isServing === true).length,
      restarts: this.#places.reduce((sum, { restarts }) => sum + restarts, 0),
    };
  }

  /** Resolves when no worker is left; those that are not done in time are killed. Idempotent. */
  async stop(deadlineMs: number): Promise<void> {
    this.#isStopping = true;
    clearInterval(this.#pings);
    for (const { timer } of this.#places) clearTimeout(timer);
    const workers = this.#places.flatMap(({ worker }) => (worker === undefined ? [] : [worker]));
    for (const worker of workers) worker.stop();
    const deadline = setTimeout(() => {
      for (const worker of workers) worker.kill();
    }, deadlineMs);
    await Promise.all(workers.map(({ ended }) => ended));
    clearTimeout(deadline);
  }

  #begin(place: Place): WorkerProcess {
    const { log, monotonicMs, nowMicros, spawn, step } = this.#options;
    const news = (): OwnerNews => ({ step: step(), nowMicros: nowMicros(), state: log.state() });
    const worker = new WorkerProcess({
      number: place.number,
      child: spawn(place.number),
      news,
      onShown: (shown) => this.#abreast.shown(worker, shown),
      onCall: (frame, reply) => this.#answer(worker, frame, reply),
    });
    this.#abreast.join(worker);
    place.worker = worker;
    const beganMs = monotonicMs();
    const patience = setTimeout(() => worker.kill(), this.#times.startMs);
    worker.ready.then(
      () => {
        clearTimeout(patience);
        place.failedStarts = 0;
      },
      () => clearTimeout(patience),
    );
    worker.ended
      .then((end) => this.#replace(place, worker, end, monotonicMs() - beganMs))
      .catch((error: unknown) => this.#options.reportFault('workers', error));
    return worker;
  }

  #replace(place: Place, worker: WorkerProcess, { code, reason, signal }: WorkerEnd, livedMs: number): void {
    place.worker = undefined;
    this.#abreast.leave(worker);
    this.#options.onGone();
    if (this.#isStopping) return;
    place.deaths = livedMs < this.#times.provenMs ? place.deaths + 1 : 1;
    place.failedStarts = worker.wasServing ? 0 : place.failedStarts + 1;
    const fields = {
      worker: place.number,
      pid: worker.pid,
      code,
      signal,
      ...(reason === undefined ? {} : { err: reason }),
    };
    const how = `died (${signal ?? `exit code ${code}`}); its connections are gone, another takes its place`;
    this.#beginLater(place, fields, how, reason);
  }

  #beginLater(place: Place, fields: Readonly<Record<string, unknown>>, how: string, reason: Error | undefined): void {
    const { logger, onHopeless, random } = this.#options;
    const { backoffMaxMs, backoffMinMs, failedStartsMax } = this.#times;
    if (place.failedStarts >= failedStartsMax) {
      logger.error(fields, `worker ${place.number} died ${failedStartsMax} times in a row before it served: giving up`);
      onHopeless(reason ?? new Error(`worker ${place.number} cannot be started`));
      return;
    }
    const waitMs = random() * Math.min(backoffMaxMs, backoffMinMs * 2 ** Math.min(place.deaths, 20));
    logger.error(fields, `worker ${place.number} ${how}`);
    place.timer = setTimeout(() => {
      place.timer = undefined;
      place.restarts += 1;
      this.#beginAgain(place);
    }, waitMs);
  }

  // A machine without memory or descriptors to spare starts no process: that must not end this one, which has the log.
  #beginAgain(place: Place): void {
    try {
      this.#begin(place);
    } catch (error) {
      place.deaths += 1;
      place.failedStarts += 1;
      const fields = { worker: place.number, err: error };
      this.#beginLater(place, fields, 'could not be started; it is tried again', error as Error);
    }
  }

  #ping(): void {
    const { logger } = this.#options;
    for (const { number, worker } of this.#places) {
      if (worker?.isServing !== true || worker.ping() < this.#times.missedPingsMax) continue;
      const fields = { worker: number, pid: worker.pid };
      logger.error(fields, `worker ${number} has not answered ${this.#times.missedPingsMax} pings: killing it`);
      worker.kill();
    }
  }

  #answer(
    worker: WorkerProcess,
    { asked, id, name }: Extract<WorkerFrame, { kind: 'call' }>,
    reply: (frame: OwnerFrame) => void,
  ): void {
    this.#carryOut(name, asked).then(
      (value) => {
        const answer = () => reply({ kind: 'answer', id, value });
        if (name === 'submit') this.#abreast.when(this.#options.step(), worker, answer);
        else answer();
      },
      (error: unknown) => {
        if (!(error instanceof LatchkeyError)) this.#options.reportFault('workers', error);
        reply({ kind: 'refusal', id, error: portable(error) });
      },
    );
  }

  // Begins the submission within the call, so that batches are decided in the order in which they came.
  #carryOut<Name extends CallName>(name: Name, asked: unknown): Promise<unknown> {
    const { flows, log, metrics, step } = this.#options;
    if (name === 'submit') {
      return log.submit(asked as Calls['submit']['asked']).then((settled) => ({ settled, step: step() }));
    }
    if (name === 'backup') return log.backup(asked as Calls['backup']['asked']);
    if (name === 'reports') {
      return Promise.all([this.reports(), metrics()]).then(([workers, own]) => ({
        workers,
        metrics: own,
        flows: flows(),
      }));
    }
    const { holder, name: lease, ttlMs } = asked as Calls['acquireLease']['asked'];
    if (name === 'acquireLease') return log.leases.acquire(lease, holder, ttlMs).then((held) => held?.fence);
    return log.leases.acquire(lease, holder, 1).then((held) => held?.release());
  }
}
