import {
  type Aggregator,
  AggregatorRegistry,
  Counter,
  collectDefaultMetrics,
  Gauge,
  type MetricObject,
} from 'prom-client';
import { addFlowMetrics } from './flow-metrics.ts';
import type { Core } from './gateway.ts';

/** Registers what is asked of the process, view, feed and log when somebody scrapes. Requests: `RequestDurations`. */
export function addMetrics(core: Core): void {
  const { clusterLabel } = core.settings;
  if (clusterLabel !== '') core.metrics.setDefaultLabels({ cluster: clusterLabel });
  if (core.metrics.getSingleMetric('process_start_time_seconds') === undefined) {
    collectDefaultMetrics({ register: core.metrics });
  }
  addStateMetrics(core);
  addFlowMetrics(core.metrics, core);
}

/** What a scrape gets: of all processes that serve together, whichever of them is asked. */
export async function metricsText({ metrics, workers }: Core): Promise<string> {
  if (workers === undefined) return metrics.metrics();
  const whole = await workers.reports();
  const told = whole.workers.flatMap(({ report }) => (report === undefined ? [] : [report.metrics]));
  return AggregatorRegistry.aggregate([whole.metrics, ...told] as MetricObject[][]).metrics();
}

// Most of it is of the one store that every process reads: not to be added up, and whoever is furthest knows best.
function addStateMetrics({ feed, log, metrics }: Core): void {
  const { view } = log;
  const gauge = (name: string, help: string, read: () => number, aggregator: Aggregator = 'max'): void => {
    new Gauge({
      name,
      help,
      aggregator,
      registers: [metrics],
      collect() {
        this.set(read());
      },
    });
  };
  gauge('latchkey_view_keys', 'Entries in the view.', () => view.counts().keys);
  gauge('latchkey_view_bytes', 'Bytes that the view takes on disk.', () => view.counts().bytes);
  gauge('latchkey_feed_watchers', 'Open watches.', () => feed.counts().watchers, 'sum');
  gauge('latchkey_feed_groups', 'Groups of watchers that share their chunks.', () => feed.counts().groups, 'sum');
  gauge('latchkey_feed_behind', 'Watchers that read the view to catch up.', () => feed.counts().behind, 'sum');
  const deliveries = new Counter({
    name: 'latchkey_feed_deliveries_total',
    help: 'Changes handed out, each counted for each watch that got it.',
    registers: [metrics],
    collect() {
      deliveries.reset();
      deliveries.inc(feed.delivered());
    },
  });
  gauge('latchkey_dead_letters', 'Dead letters held.', () => log.deadLetters.counts().held);
  gauge('latchkey_dead_letters_bytes', 'Bytes of the dead letters held.', () => log.deadLetters.counts().bytes);
  gauge('latchkey_ready', '1 while the log takes writes, else 0.', () => (log.state().isReady ? 1 : 0), 'min');
  const dropped = new Counter({
    name: 'latchkey_dead_letters_dropped_total',
    help: 'Dead letters dropped because a bound of deadLetters was passed.',
    aggregator: 'max',
    registers: [metrics],
    collect() {
      dropped.reset();
      dropped.inc(log.deadLetters.counts().dropped);
    },
  });
  const partitions = (name: string, help: string, read: (partition: number) => number): void => {
    new Gauge({
      name,
      help,
      labelNames: ['partition'],
      aggregator: 'max',
      registers: [metrics],
      collect() {
        for (let partition = 0; partition < view.partitions; partition += 1) this.set({ partition }, read(partition));
      },
    });
  };
  partitions('latchkey_log_head', 'Highest durable offset.', (partition) => view.head(partition));
  partitions('latchkey_view_history_floor', 'From this offset on every change is held.', (partition) =>
    view.historyFloor(partition),
  );
}
