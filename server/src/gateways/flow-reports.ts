import type { Registry } from 'prom-client';
import { Counter, Gauge } from 'prom-client';
import { formatMicros } from '../shared/timestamp.ts';
import type { Sink } from '../sinks/sink.ts';
import type { Source } from '../sources/source.ts';
import type { FlowReports } from './gateway.ts';

/** What `/v1/status` shows of the sources and sinks of this process. */
export function flowReports(parts: {
  readonly sources: readonly Source[];
  readonly sinks: readonly Sink[];
}): FlowReports {
  return {
    sources: parts.sources.map((source) => {
      const { isHolder, isReady, lastGap, reason, ...more } = source.state();
      const told = reason === undefined ? {} : { reason };
      const gap =
        lastGap === undefined
          ? {}
          : { lastGap: { ...lastGap, from: formatMicros(lastGap.from), to: formatMicros(lastGap.to) } };
      const { kind, name } = source;
      return { name, kind, ready: isReady, ...told, holder: isHolder, ...more, ...gap };
    }),
    sinks: parts.sinks.map((sink) => {
      const { behind, isHolder, isReady, reason, written } = sink.state();
      const told = reason === undefined ? {} : { reason };
      return { name: sink.name, kind: sink.kind, ready: isReady, ...told, holder: isHolder, behind, written };
    }),
  };
}

/** Registers what is asked of the sinks when somebody scrapes. */
export function addSinkMetrics(metrics: Registry, sinks: readonly Sink[]): void {
  if (sinks.length === 0) return;
  const gauge = (name: string, help: string, read: (sink: Sink) => number) =>
    new Gauge({
      name,
      help,
      labelNames: ['sink'],
      aggregator: 'max',
      registers: [metrics],
      collect() {
        for (const sink of sinks) this.set({ sink: sink.name }, read(sink));
      },
    });
  gauge('latchkey_sink_ready', '1 while the sink writes or stands by, 0 while it waits.', (sink) =>
    sink.state().isReady ? 1 : 0,
  );
  gauge(
    'latchkey_sink_lag_offsets',
    'Offsets of the log that the sink has yet to look at.',
    (sink) => sink.state().behind,
  );
  const written = new Counter({
    name: 'latchkey_sink_changes_total',
    help: 'Changes that the sink has written.',
    labelNames: ['sink'],
    aggregator: 'max',
    registers: [metrics],
    collect() {
      written.reset();
      for (const sink of sinks) written.inc({ sink: sink.name }, sink.state().written);
    },
  });
}
