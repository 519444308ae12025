import type { Registry } from 'prom-client';
import { Counter, Gauge } from 'prom-client';
import type { Log } from '../log/log.ts';
import type { Sink } from '../sinks/sink.ts';
import type { Source, SourceState } from '../sources/source.ts';

/** Registers what is asked of the sources and sinks of this process, and of the log that decides here, when somebody scrapes. */
export function addFlowMetrics(
  metrics: Registry,
  { log, sinks, sources }: { readonly log: Log; readonly sources: readonly Source[]; readonly sinks: readonly Sink[] },
): void {
  addOutcomeMetrics(metrics, log);
  if (sinks.length > 0) addSinkMetrics(flowMetrics(metrics, 'sink', sinks));
  if (sources.length > 0) addSourceMetrics(flowMetrics(metrics, 'source', sources));
}

function addOutcomeMetrics(metrics: Registry, log: Log): void {
  const { outcomes } = log;
  if (outcomes === undefined) return;
  const counter = new Counter({
    name: 'latchkey_outcomes_total',
    help: 'Commands by what their sender was told; of messages of sources too.',
    labelNames: ['outcome'],
    registers: [metrics],
    collect() {
      counter.reset();
      for (const [outcome, count] of Object.entries(outcomes)) counter.inc({ outcome }, count);
    },
  });
}

interface FlowMetrics<Flow> {
  gauge(name: string, help: string, read: (flow: Flow) => number | undefined): void;
  counter(name: string, help: string, read: (flow: Flow) => number | undefined): void;
}

/** With the flow's name as a label; what is undefined of a flow is left out. Of several processes only one has them. */
function flowMetrics<Flow extends { readonly name: string }>(
  metrics: Registry,
  label: 'source' | 'sink',
  flows: readonly Flow[],
): FlowMetrics<Flow> {
  const options = (name: string, help: string) => ({
    name,
    help,
    labelNames: [label],
    aggregator: 'max' as const,
    registers: [metrics],
  });
  return {
    gauge(name, help, read) {
      new Gauge({
        ...options(name, help),
        collect() {
          for (const flow of flows) {
            const value = read(flow);
            if (value !== undefined) this.set({ [label]: flow.name }, value);
          }
        },
      });
    },
    counter(name, help, read) {
      const counter = new Counter({
        ...options(name, help),
        collect() {
          counter.reset();
          for (const flow of flows) {
            const value = read(flow);
            if (value !== undefined) counter.inc({ [label]: flow.name }, value);
          }
        },
      });
    },
  };
}

function addSinkMetrics({ counter, gauge }: FlowMetrics<Sink>): void {
  const isReady = (sink: Sink) => (sink.state().isReady ? 1 : 0);
  gauge('latchkey_sink_ready', '1 while the sink writes or stands by, 0 while it waits.', isReady);
  const lag = 'Offsets of the log that the sink has yet to look at.';
  gauge('latchkey_sink_lag_offsets', lag, (sink) => sink.state().behind);
  const written = 'Changes that the sink has written.';
  counter('latchkey_sink_changes_total', written, (sink) => sink.state().written);
}

function addSourceMetrics({ counter, gauge }: FlowMetrics<Source>): void {
  type Read = (state: SourceState) => number | undefined;
  const seconds = (micros: number | undefined) => (micros === undefined ? undefined : micros / 1_000_000);
  const gauges: Readonly<Record<string, readonly [help: string, read: Read]>> = {
    ready: ['1 while the source receives or stands by, 0 while it waits.', ({ isReady }) => (isReady ? 1 : 0)],
    lag_seconds: [
      'How long the oldest message that is not durable yet has waited.',
      ({ lagMs }) => seconds(lagMs && lagMs * 1000),
    ],
    behind_messages: ['Messages that wait where they come from, as far as is known.', ({ behind }) => behind],
    last_gap_end_seconds: [
      'When the last time ended in which messages may have been missed: seconds since 1970.',
      ({ lastGap }) => seconds(lastGap?.to),
    ],
    last_gap_seconds: [
      'How long the last time lasted in which messages may have been missed.',
      ({ lastGap }) => seconds(lastGap && lastGap.to - lastGap.from),
    ],
  };
  const counters: Readonly<Record<string, readonly [help: string, read: Read]>> = {
    messages_total: ['Messages that came.', ({ received }) => received],
    changes_total: ['Changes that were made of messages.', ({ applied }) => applied],
    dead_letters_total: ['Messages that became dead letters.', ({ deadLettered }) => deadLettered],
    gaps_total: ['Times in which messages may have been missed.', ({ gaps }) => gaps],
  };
  for (const [name, [help, read]] of Object.entries(gauges))
    gauge(`latchkey_source_${name}`, help, (source) => read(source.state()));
  for (const [name, [help, read]] of Object.entries(counters))
    counter(`latchkey_source_${name}`, help, (source) => read(source.state()));
}
