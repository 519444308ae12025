import { formatMicros } from '../shared/timestamp.ts';
import type { Sink } from '../sinks/sink.ts';
import type { Source } from '../sources/source.ts';
import type { Core, FlowReports } from './gateway.ts';

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

/** Those of the whole server: they are in the process that owns the log, which is asked only where there are some. */
export async function flowsOf(core: Core): Promise<FlowReports> {
  const { sinks, sources } = core.settings;
  if (core.workers === undefined || sinks.length + sources.length === 0 || !core.log.state().isReady)
    return flowReports(core);
  return (await core.workers.reports()).flows;
}
