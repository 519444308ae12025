import { LatchkeyError } from '@latchkey/client';
import type { FastifyInstance, FastifyReply } from 'fastify';
import type { View } from '../view/view.ts';
import { flowReports, flowsOf } from './flow-reports.ts';
import type { Core, Gateway, WorkerReport } from './gateway.ts';
import { JSON_TYPE, sendError } from './http-error.ts';
import { addMetrics, metricsText } from './metrics.ts';
import { openApiDocument } from './openapi.ts';
import { queryOf } from './rest-request.ts';

/** What operators and their tools ask: `/v1/status`, `/live`, `/ready`, `/metrics`, `/openapi.json`. */
export const statusGateway: Gateway = {
  name: 'status',
  register(http: FastifyInstance, core: Core): void {
    addMetrics(core);
    http.get('/v1/status', async (request, reply) => {
      queryOf(request, []);
      const whole = await core.workers?.reports();
      return send(reply, JSON.stringify({ ...statusOf(core), ...whole?.flows, ...workersOf(whole?.workers) }));
    });
    http.get('/live', (_request, reply) => send(reply, '{"live":true}'));
    http.get('/ready', (_request, reply) => answerReady(core, reply));
    http.get('/metrics', async (_request, reply) => {
      const text = await metricsText(core);
      return reply.header('content-type', core.metrics.contentType).header('cache-control', 'no-cache').send(text);
    });
    const document = JSON.stringify(openApiDocument(core.programVersion));
    http.get('/openapi.json', (_request, reply) => send(reply, document));
  },
};

function statusOf(core: Core): Record<string, unknown> {
  const { feed, log, programVersion } = core;
  const { view } = log;
  const { durability, isReady, reason } = log.state();
  return {
    version: programVersion,
    node: log.node,
    log: {
      kind: log.kind,
      ready: isReady,
      ...(isReady || reason === undefined ? {} : { reason }),
      epoch: view.epochs.current,
      head: perPartition(view, (partition) => view.head(partition)),
      ...(durability === undefined ? {} : { durability }),
    },
    view: { ...view.counts(), historyFloor: perPartition(view, (partition) => view.historyFloor(partition)) },
    ...flowReports(core),
    feed: feed.counts(),
  };
}

/** The feed's counts are then those of all of them together. */
function workersOf(workers: readonly WorkerReport[] | undefined): Record<string, unknown> {
  if (workers === undefined) return {};
  const feed = { watchers: 0, groups: 0, behind: 0 };
  for (const { report } of workers) {
    feed.watchers += report?.feed.watchers ?? 0;
    feed.groups += report?.feed.groups ?? 0;
    feed.behind += report?.feed.behind ?? 0;
  }
  const told = workers.map(({ number, pid, report, restarts }) =>
    report === undefined
      ? { number, pid, restarts, answers: false }
      : { number, pid, restarts, answers: true, connections: report.connections, feed: report.feed },
  );
  return { feed, workers: told };
}

/** A number, or one for each partition where the log has several. */
function perPartition(view: View, of: (partition: number) => number): number | number[] {
  return view.partitions === 1 ? of(0) : Array.from({ length: view.partitions }, (_, partition) => of(partition));
}

async function answerReady(core: Core, reply: FastifyReply): Promise<FastifyReply> {
  const log = core.log.state();
  const reasons = log.isReady ? [] : [`log: ${log.reason ?? 'not ready'}`];
  const { sinks, sources } = await flowsOf(core);
  for (const [what, flows] of [['source', sources] as const, ['sink', sinks] as const])
    for (const { name, ready, reason } of flows) if (!ready) reasons.push(`${what} ${name}: ${reason ?? 'not ready'}`);
  const notices = sources.flatMap(({ name, notice }) =>
    typeof notice === 'string' ? [`source ${name}: ${notice}`] : [],
  );
  const told = notices.length === 0 ? '' : `,"notices":${JSON.stringify(notices)}`;
  const durability = log.durability === undefined ? '' : `,"durability":${JSON.stringify(log.durability)}`;
  if (reasons.length === 0) return send(reply, `{"ready":true${durability}${told}}`);
  return sendError(
    reply,
    new LatchkeyError('not-ready', `Not ready: ${reasons.map((reason) => reason.replace(/\.$/, '')).join('; ')}.`),
    '"ready":false',
  );
}

function send(reply: FastifyReply, body: string): FastifyReply {
  return reply.header('content-type', JSON_TYPE).header('cache-control', 'no-cache').send(body);
}
