import type { ServerResponse } from 'node:http';
import type { FastifyInstance, FastifyReply } from 'fastify';
import type { Histogram, Registry } from 'prom-client';

const NAME = 'latchkey_http_request_duration_seconds';
const HELP = 'From the arrival of a request to the end of its answer; a watch is not counted, its refusal is.';
const SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

const STARTED = Symbol('started');
const ROUTE = Symbol('route');

interface TimedResponse extends ServerResponse {
  [STARTED]?: number;
  [ROUTE]?: RouteDurations;
}

interface Series {
  readonly labels: { readonly method: string; readonly route: string; readonly status: string };
  /** How many took up to the bound of the same place in `SECONDS`, and more than the one before; the last: all that took longer. */
  readonly buckets: Float64Array;
  sum: number;
}

/** Of one route: a series for each method and status that it answered with. */
export class RouteDurations {
  readonly #route: string;
  readonly #byMethod = new Map<string, Map<number, Series>>();

  constructor(route: string) {
    this.#route = route;
  }

  observe(method: string, status: number, seconds: number): void {
    const byStatus = this.#byMethod.get(method) ?? new Map<number, Series>();
    this.#byMethod.set(method, byStatus);
    let series = byStatus.get(status);
    if (series === undefined) {
      const labels = { method, route: this.#route, status: String(status) };
      series = { labels, buckets: new Float64Array(SECONDS.length + 1), sum: 0 };
      byStatus.set(status, series);
    }
    let at = 0;
    while (at < SECONDS.length && seconds > (SECONDS[at] as number)) at += 1;
    (series.buckets[at] as number) += 1;
    series.sum += seconds;
  }

  *series(): Generator<Series> {
    for (const byStatus of this.#byMethod.values()) yield* byStatus.values();
  }
}

/**
 * The histogram of requests by method, route and status. Its own, because prom-client hashes the labels at every observation,
 * which costs more than the rest of what Latchkey does for a GET; series are as many as routes, methods and statuses.
 */
export class RequestDurations {
  readonly #routes = new Map<string, RouteDurations>();
  readonly #none = this.of('none');

  /** MUST be made before the first route is registered. */
  constructor(http: FastifyInstance, registry: Registry) {
    http.addHook('onRoute', (route) => {
      const durations = this.of(route.url);
      const hook = (_request: unknown, reply: FastifyReply, done: () => void): void => {
        (reply.raw as TimedResponse)[ROUTE] = durations;
        done();
      };
      const own = route.onRequest ?? [];
      route.onRequest = [hook, ...(Array.isArray(own) ? own : [own])] as NonNullable<typeof route.onRequest>;
    });
    // A metric is whatever has a name and answers `get`.
    registry.registerMetric(this.#metric() as unknown as Histogram);
  }

  /** Called once for each request, as early as possible. Until its route is known it belongs to the route `none`. */
  start(response: ServerResponse): void {
    const timed = response as TimedResponse;
    timed[STARTED] = performance.now();
    timed[ROUTE] = this.#none;
    timed.on('finish', finish);
  }

  /** Also for requests that are answered before fastify knows of them. */
  of(route: string): RouteDurations {
    const known = this.#routes.get(route) ?? new RouteDurations(route);
    this.#routes.set(route, known);
    return known;
  }

  #metric() {
    return {
      name: NAME,
      reset: () => {},
      get: async () => ({ name: NAME, help: HELP, type: 'histogram', aggregator: 'sum', values: [...this.#values()] }),
    };
  }

  *#values() {
    for (const route of this.#routes.values()) {
      for (const { buckets, labels, sum } of route.series()) {
        let count = 0;
        for (let at = 0; at <= SECONDS.length; at += 1) {
          count += buckets[at] as number;
          yield { labels: { le: SECONDS[at] ?? '+Inf', ...labels }, value: count, metricName: `${NAME}_bucket` };
        }
        yield { labels, value: sum, metricName: `${NAME}_sum` };
        yield { labels, value: count, metricName: `${NAME}_count` };
      }
    }
  }
}

// One function for all responses: a closure for each would be the dearest part of a GET after the sockets.
function finish(this: TimedResponse): void {
  const seconds = (performance.now() - (this[STARTED] as number)) / 1000;
  this[ROUTE]?.observe(this.req.method as string, this.statusCode, seconds);
}
