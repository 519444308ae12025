import { Counter, Gauge, type Registry } from 'prom-client';
import type { Supervisor } from './supervisor.ts';

/** Of the process that owns the log, which tells them with each scrape of a worker. */
export function addWorkerMetrics(metrics: Registry, supervisor: Supervisor): void {
  new Gauge({
    name: 'latchkey_workers',
    help: 'Worker processes that serve.',
    registers: [metrics],
    collect() {
      this.set(supervisor.counts().serving);
    },
  });
  const restarts = new Counter({
    name: 'latchkey_worker_restarts_total',
    help: 'Workers that took the place of one that died or did not answer.',
    registers: [metrics],
    collect() {
      restarts.reset();
      restarts.inc(supervisor.counts().restarts);
    },
  });
}
