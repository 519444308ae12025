import type { FastifyInstance } from 'fastify';
import { Counter, collectDefaultMetrics, Gauge, Histogram } from 'prom-client';
import type { Core } from './gateway.ts';

const SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
/** Their requests last as long as the watch does. */
const STREAMS: ReadonlySet<string> = new Set(['/v1/watch', '/subscribe']);

/** Registers what is measured at this listener, and what is asked of view, feed and log when somebody scrapes. */
export function addMetrics(http: FastifyInstance, core: Core): void {
  const { clusterLabel } = core.settings;
  if (clusterLabel !== '') core.metrics.setDefaultLabels({ cluster: clusterLabel });
  if (core.metrics.getSingleMetric('process_start_time_seconds') === undefined) {
    collectDefaultMetrics({ register: core.metrics });
  }
  addRequestMetrics(http, core);
  addStateMetrics(core);
}

function addRequestMetrics(http: FastifyInstance, core: Core): void {
  const seconds = new Histogram({
    name: 'latchkey_http_request_duration_seconds',
    help: 'From the arrival of a request to the end of its answer; watches are not counted.',
    labelNames: ['method', 'route', 'status'],
    buckets: SECONDS,
    registers: [core.metrics],
  });
  // Labels are looked up once per kind of request, of which there are as many as routes, methods and statuses.
  const children = new Map<string, { observe(value: number): void }>();
  http.addHook('onResponse', (request, reply, done) => {
    const route = request.routeOptions.url ?? 'none';
    if (!STREAMS.has(route)) {
      const { method } = request;
      const status = reply.raw.statusCode;
      const name = `${method} ${status} ${route}`;
      let child = children.get(name);
      if (child === undefined) {
        child = seconds.labels({ method, route, status: String(status) });
        children.set(name, child);
      }
      child.observe(reply.elapsedTime / 1000);
    }
    done();
  });
}

function addStateMetrics({ feed, log, metrics, sources }: Core): void {
  const { view } = log;
  const gauge = (name: string, help: string, read: () => number): void => {
    new Gauge({
      name,
      help,
      registers: [metrics],
      collect() {
        this.set(read());
      },
    });
  };
  gauge('latchkey_view_keys', 'Entries in the view.', () => view.counts().keys);
  gauge('latchkey_view_bytes', 'Bytes that the view takes on disk.', () => view.counts().bytes);
  gauge('latchkey_feed_watchers', 'Open watches.', () => feed.counts().watchers);
  gauge('latchkey_feed_groups', 'Groups of watchers that share their chunks.', () => feed.counts().groups);
  gauge('latchkey_feed_behind', 'Watchers that read the view to catch up.', () => feed.counts().behind);
  gauge('latchkey_dead_letters', 'Dead letters held.', () => log.deadLetters.counts().held);
  gauge('latchkey_dead_letters_bytes', 'Bytes of the dead letters held.', () => log.deadLetters.counts().bytes);
  gauge('latchkey_ready', '1 while the log takes writes, else 0.', () => (log.state().isReady ? 1 : 0));
  const dropped = new Counter({
    name: 'latchkey_dead_letters_dropped_total',
    help: 'Dead letters dropped because a bound of deadLetters was passed.',
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
  new Gauge({
    name: 'latchkey_source_ready',
    help: '1 while the source receives, 0 while it waits.',
    labelNames: ['source'],
    registers: [metrics],
    collect() {
      for (const source of sources) this.set({ source: source.name }, source.state().isReady ? 1 : 0);
    },
  });
}
