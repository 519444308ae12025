import type { Registry } from 'prom-client';
import type { Settings } from '../config/settings.ts';
import type { FlowReports } from '../gateways/gateway.ts';
import type { Log } from '../log/log.ts';
import type { Clock } from '../shared/clock.ts';
import type { Logger, ReportFault } from '../shared/logger.ts';
import type { WritableView } from '../view/view.ts';
import { bindSharedPort } from './shared-port.ts';
import { spawnWorker } from './spawn-worker.ts';
import { Supervisor } from './supervisor.ts';
import { addWorkerMetrics } from './worker-metrics.ts';

export interface OwnerParts {
  readonly settings: Settings;
  readonly log: Log;
  readonly view: WritableView;
  readonly metrics: Registry;
  readonly flows: () => FlowReports;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly reportFault: ReportFault;
  /** Says what kept an address from being listened on. */
  readonly listenError: (error: NodeJS.ErrnoException, host: string, port: number) => Error;
  /** Handed what is to be called at each durable step, before the first worker starts. */
  readonly onMade: (wake: () => void) => void;
}

export interface RunningWorkers {
  readonly address: { readonly host: string; readonly port: number };
  /** Resolves where workers die again and again before they serve: the server has to be ended. */
  readonly hopeless: Promise<void>;
  /** Resolves when no worker is left. The log stays open. */
  stop(): Promise<void>;
}

/** A worker has 5 seconds to end what is under way, and some for what is around it. */
const STOP_DEADLINE_MS = 7000;

/**
 * Binds the address and starts the workers; resolves when all of them serve.
 * @throws LatchkeyError of the address, or of the worker that could not start; none is left then
 */
export async function startWorkers(parts: OwnerParts): Promise<RunningWorkers> {
  const { clock, log, logger, metrics, reportFault, settings, view } = parts;
  const { host, port } = settings.http;
  const shared = await bindSharedPort(host, port).catch((error: NodeJS.ErrnoException) => {
    throw parts.listenError(error, host, port);
  });
  const hopeless = Promise.withResolvers<void>();
  const supervisor = new Supervisor({
    count: settings.workers,
    spawn: (number) => {
      const news = { step: view.steps, nowMicros: view.nowMicros(), state: log.state() };
      return spawnWorker({ ...news, number, settings, kind: log.kind }, shared.handle);
    },
    log,
    step: () => view.steps,
    nowMicros: () => view.nowMicros(),
    onGone: () => view.forgetDeadReaders(),
    onHopeless: () => hopeless.resolve(),
    metrics: () => metrics.getMetricsAsJSON(),
    flows: parts.flows,
    logger,
    reportFault,
    random: Math.random,
    monotonicMs: () => clock.monotonicMs(),
  });
  addWorkerMetrics(metrics, supervisor);
  parts.onMade(() => supervisor.wake());
  const stop = async () => {
    // Before the workers end, so that nobody new waits in a queue that is about to go.
    shared.handle.close();
    await supervisor.stop(STOP_DEADLINE_MS);
  };
  try {
    await supervisor.start();
  } catch (error) {
    await stop();
    throw error;
  }
  return { address: shared, hopeless: hopeless.promise, stop };
}
