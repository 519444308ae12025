import { ERRORS, type ErrorRow, formatPosition } from '@latchkey/client';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Outcome, Refusal } from '../commands/command.ts';
import type { Core, DecodedEvent, Gateway } from './gateway.ts';
import { JSON_TYPE } from './http-error.ts';
import { refusalError } from './outcome-json.ts';
import { bodyOf, headerOf, queryOf } from './rest-request.ts';
import { submit } from './rest-write.ts';

const RETRY_SECONDS = '1';

/**
 * `POST /v1/events`: one cache event or an array of them, each answered by itself, in the form they came in. `200` when all went
 * well, `207` when some did not, `400` only when nothing could be read, so a deliverer that repeats on errors repeats no good
 * event. Overload and a store that can't keep more are `429` and `503`: worth a repeat.
 */
export const eventsGateway: Gateway = {
  name: 'events',
  register(http: FastifyInstance, core: Core): void {
    http.post('/v1/events', (request, reply) => postEvents(core, request, reply));
  },
};

async function postEvents(core: Core, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  queryOf(request, []);
  const contentType = headerOf(request, 'content-type');
  const headers = contentType === undefined ? {} : { 'content-type': contentType };
  const decoded = core.formats.cacheEvent.decodeEvents({ body: bodyOf(request), headers });
  if (!('form' in decoded)) throw refusalError(decoded);
  const { events, form } = decoded;
  const settled = await submit(
    core,
    request,
    events.flatMap(({ commands }) => commands),
  );
  const position = formatPosition(settled.position);
  let from = 0;
  const texts = events.map((event) => {
    const outcomes = settled.outcomes.slice(from, from + event.commands.length);
    from += event.commands.length;
    return event.answer(outcomes, position);
  });
  const row = faultOf(settled.outcomes);
  if (row !== undefined) reply.header('retry-after', RETRY_SECONDS);
  return reply
    .code(row?.status ?? statusOf(events, settled.outcomes))
    .header('content-type', JSON_TYPE)
    .header('cache-control', 'no-cache')
    .header('latchkey-position', position)
    .send(form === 'array' ? `[${texts.join(',')}]` : texts[0]);
}

/** The row of an outcome that a repeat may turn, such as `store-full`. */
function faultOf(outcomes: readonly Outcome[]): ErrorRow | undefined {
  for (const outcome of outcomes) {
    if (outcome.outcome === 'refused' && ERRORS[outcome.code].retryable) return ERRORS[outcome.code];
  }
  return undefined;
}

function statusOf(events: readonly DecodedEvent[], outcomes: readonly Outcome[]): number {
  if (!outcomes.some(({ outcome }) => outcome === 'refused')) return 200;
  return events.every(isUnreadable) ? 400 : 207;
}

function isUnreadable({ commands }: DecodedEvent): boolean {
  const [only] = commands;
  return commands.length === 1 && only !== undefined && isRefusalInPlace(only);
}

function isRefusalInPlace(command: object): command is Refusal {
  return 'outcome' in command;
}
