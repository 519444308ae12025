import { isUtf8 } from 'node:buffer';
import { LatchkeyError, quote } from '@latchkey/client';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { DeadLetter } from '../log/dead-letter.ts';
import { formatMicros } from '../shared/timestamp.ts';
import { DeadLetterReplay, type Replayed } from './dead-letter-replay.ts';
import type { Core } from './gateway.ts';
import { JSON_TYPE } from './http-error.ts';
import { bodyOf, countOf, flagOf, queryOf } from './rest-request.ts';
import { allowAdmin } from './rest-sources.ts';
import { submit } from './rest-write.ts';

export const DEAD_LETTERS_PARAMETERS = ['after', 'limit', 'source'] as const;
export const REPLAY_ALL_PARAMETERS = ['dryRun', 'after', 'limit', 'source'] as const;
export const REPLAY_PARAMETERS = ['dryRun'] as const;

const LIMIT_DEFAULT = 100;
const LIMIT_MAX = 1000;
const LIST_BYTES_MAX = 8 * 1024 * 1024;

/** `GET /v1/dead-letters`: oldest first; `next` goes into `after`. */
export function listDeadLetters(core: Core, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  allowAdmin(core, request);
  const { counts, deadLetters, next } = pageOf(core, request, DEAD_LETTERS_PARAMETERS, LIMIT_DEFAULT);
  const texts: string[] = [];
  let bytes = 0;
  for (const letter of deadLetters) {
    if (bytes > LIST_BYTES_MAX) break;
    const text = JSON.stringify(letterObject(letter));
    bytes += text.length;
    texts.push(text);
  }
  const goesOn = texts.length < deadLetters.length ? deadLetters[texts.length - 1]?.id : next;
  const nextText = goesOn === undefined ? '' : `,"next":${JSON.stringify(goesOn)}`;
  return send(reply, `{"deadLetters":[${texts.join(',')}],"counts":${JSON.stringify(counts)}${nextText}}`);
}

/** `GET /v1/dead-letters/{id}`. */
export function getDeadLetter(core: Core, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  allowAdmin(core, request);
  queryOf(request, []);
  return send(reply, JSON.stringify(letterObject(letterOf(core, request))));
}

/** `DELETE /v1/dead-letters/{id}`. */
export async function dropDeadLetter(core: Core, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  allowAdmin(core, request);
  queryOf(request, []);
  const { id } = letterOf(core, request);
  await submit(core, request, [], { deadLetters: { drop: [id] } });
  return send(reply, `{"dropped":${JSON.stringify(id)}}`);
}

/** `POST /v1/dead-letters/{id}/replay`: a body takes the place of the message. `?dryRun=true` only decodes. */
export async function replayDeadLetter(
  core: Core,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  allowAdmin(core, request);
  const dryRun = flagOf(queryOf(request, REPLAY_PARAMETERS), 'dryRun');
  const letter = letterOf(core, request);
  const body = bodyOf(request);
  const replay = new DeadLetterReplay(core, request);
  const replayed = await replay.run(letter, { dryRun, ...(body.length === 0 ? {} : { message: body }) });
  if (replayed.kind === 'kept') throw replayed.error;
  return send(reply, replayedText(replayed));
}

/**
 * `POST /v1/dead-letters/replay?dryRun=&source=`: at most `limit` letters a call, oldest first; `next` goes into `after`. One that
 * can't be replayed stays, is told, and stops nobody.
 */
export async function replayDeadLetters(
  core: Core,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  allowAdmin(core, request);
  const { deadLetters, dryRun, next } = pageOf(core, request, REPLAY_ALL_PARAMETERS, LIMIT_MAX);
  const replay = new DeadLetterReplay(core, request);
  const results: Replayed[] = [];
  for (const letter of deadLetters) results.push(await replay.run(letter, { dryRun }));
  const kept = results.filter(({ kind }) => kind === 'kept').length;
  const nextText = next === undefined ? '' : `,"next":${JSON.stringify(next)}`;
  const counted = `"replayed":${results.length - kept},"kept":${kept}`;
  return send(reply, `{${counted},"results":[${results.map(replayedText).join(',')}]${nextText}}`);
}

function pageOf(core: Core, request: FastifyRequest, allowed: readonly string[], absentLimit: number) {
  const query = queryOf(request, allowed);
  const after = query.get('after');
  const source = query.get('source');
  const limit = countOf(query, 'limit', absentLimit, 1, LIMIT_MAX);
  const options = { limit, ...(after === undefined ? {} : { after }), ...(source === undefined ? {} : { source }) };
  const page = core.log.deadLetters.list(options);
  return { ...page, counts: core.log.deadLetters.counts(), dryRun: flagOf(query, 'dryRun') };
}

function letterOf(core: Core, request: FastifyRequest): DeadLetter {
  const { id } = request.params as { id: string };
  const letter = core.log.deadLetters.get(id);
  if (letter !== undefined) return letter;
  const message = `There is no dead letter ${quote(id)}; it was replayed, dropped, or is too old.`;
  throw new LatchkeyError('not-found', message, { field: 'id' });
}

function letterObject(letter: DeadLetter): Record<string, unknown> {
  const { coordinates, headers, id, message, reason, receivedAt, replays, source } = letter;
  const isText = isUtf8(message);
  return {
    id,
    source,
    coordinates,
    receivedAt: formatMicros(receivedAt),
    reason,
    message: message.toString(isText ? 'utf8' : 'base64'),
    ...(isText ? {} : { encoding: 'base64' }),
    headers,
    replays,
  };
}

function replayedText(replayed: Replayed): string {
  const id = JSON.stringify(replayed.id);
  if (replayed.kind === 'kept') return `{"id":${id},"kept":true,${JSON.stringify(replayed.error.toJSON()).slice(1)}`;
  if (replayed.kind === 'readable') return `{"id":${id},"dryRun":true,"commands":${replayed.commands}}`;
  return `{"id":${id},"outcomes":[${replayed.outcomes.join(',')}]}`;
}

function send(reply: FastifyReply, body: string): FastifyReply {
  return reply.header('content-type', JSON_TYPE).header('cache-control', 'no-cache').send(body);
}
